using System.Globalization;
using Gantry.Contracts;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Quotas;

/// <summary>What the body about a quota must keep to.</summary>
internal static class QuotaRules
{
    public static IEnumerable<Fault> Faults(QuotaScope scope, QuotaSettings wanted)
    {
        var most = scope == QuotaScope.Instance ? Limits.Snapshots : int.MaxValue;
        if (wanted.MaxCount is { } count && (count < 1 || count > most))
        {
            yield return new("$.maxCount", scope == QuotaScope.Instance
                ? string.Create(CultureInfo.InvariantCulture, $"an instance may have 1 to {Limits.Snapshots} snapshots") : "it is 1 or more");
        }

        if (wanted.MaxBytes is < Limits.MiB)
        {
            yield return new("$.maxBytes", string.Create(CultureInfo.InvariantCulture, $"it is {Limits.MiB} (1 MiB) or more"));
        }

        if (wanted.MaxAge is < Limits.MinSnapshotAge or > Limits.MaxSnapshotAge)
        {
            yield return new("$.maxAge", string.Create(CultureInfo.InvariantCulture, $"it is {Limits.MinSnapshotAge} to {Limits.MaxSnapshotAge} seconds"));
        }

        if (wanted.WarnPercent is < 1 or > 100)
        {
            yield return new("$.warnPercent", "it is 1 to 100");
        }

        if (scope != QuotaScope.Instance && wanted is { MaxCount: null, MaxBytes: null, MaxAge: null })
        {
            yield return new("$", "give at least one of maxCount, maxBytes and maxAge");
        }
    }
}
