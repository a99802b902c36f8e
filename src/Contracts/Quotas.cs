using System.Text.Json.Serialization;

namespace Gantry.Contracts;

/// <summary>How many snapshots there may be, how much they may occupy and how old they may get, and what is done about it.</summary>
public sealed record Quota
{
    /// <summary><c>system</c>, <c>pool:NAME</c> or <c>instance:NAME</c>.</summary>
    public required string Name { get; init; }
    public required QuotaScope Scope { get; init; }

    /// <summary>Nobody set it: an instance may have <see cref="Limits.Snapshots"/>, pools and the system any number.</summary>
    public bool IsDefault { get; init; }
    public required QuotaSettings Settings { get; init; }
    public required QuotaUsage Usage { get; init; }
    public DateTimeOffset? UpdatedAt { get; init; }
    public required string Etag { get; init; }
}

/// <summary>The body of <c>PUT /quotas/{quota}</c>: all of a quota; what is left out does not limit.</summary>
/// <param name="MaxCount">Snapshots, from 1; of an instance at most, and when left out, <see cref="Limits.Snapshots"/>.</param>
/// <param name="MaxBytes">What they may occupy together, by what each would free.</param>
/// <param name="MaxAge">Seconds. An older one is removed, whatever the policy is.</param>
/// <param name="WarnPercent">Of count or bytes, 1 to 100; 80 when left out.</param>
/// <param name="Policy">Which goes first; <c>manual</c> when left out.</param>
public sealed record QuotaSettings(int? MaxCount = null, long? MaxBytes = null, long? MaxAge = null, int? WarnPercent = null, QuotaPolicy? Policy = null);

/// <summary>What of a quota is used now.</summary>
/// <param name="Count">Snapshots, without those that are being deleted.</param>
/// <param name="Bytes">What each would free, added up.</param>
/// <param name="Unmeasured">How many of them have not been measured yet, and add nothing to <paramref name="Bytes"/>.</param>
public sealed record QuotaUsage(int Count, long Bytes, int Unmeasured, QuotaLevel Level);

/// <summary>What <c>GET /quotas/usage</c> answers with.</summary>
/// <param name="Total">All snapshots there are, whether there is a quota of the system or not.</param>
/// <param name="Quotas">Those that were set and are used most, the fullest first.</param>
/// <param name="Set">How many were set.</param>
/// <param name="Warned">How many of these are above their warning threshold and not exceeded.</param>
public sealed record QuotaSummary(QuotaUsage Total, IReadOnlyList<Quota> Quotas, int Set, int Warned, int Exceeded);

/// <summary>What an enforcement did, or would do.</summary>
/// <param name="DryRun">Nothing was removed: <paramref name="Removed"/> is what would be.</param>
/// <param name="Before">What was used before, <paramref name="After"/> what is used then.</param>
/// <param name="NotMet">Why it is exceeded still; null when it is not.</param>
public sealed record QuotaEnforced(string Quota, bool DryRun, IReadOnlyList<SnapshotRemoval> Removed, QuotaUsage Before, QuotaUsage After,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? NotMet = null);

/// <summary>A snapshot that was removed to keep a quota, or is to be.</summary>
/// <param name="SizeBytes">What is free without it; null when it was not measured.</param>
/// <param name="Operation">Of its deletion; null when that was not begun.</param>
/// <param name="Error">Why it could not be deleted; null when it was.</param>
public sealed record SnapshotRemoval(
    Id<Snapshot> Id, string Name, Id<Instance> Instance, string InstanceName, string Reason,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] long? SizeBytes = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Id<Operation>? Operation = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Error = null);

public enum QuotaScope
{
    System = 1,
    Pool = 2,
    Instance = 3,
}

/// <summary>Which snapshot goes first when there are too many or they occupy too much.</summary>
public enum QuotaPolicy
{
    Oldest = 1,
    Largest = 2,

    /// <summary>The one that was not restored or cloned for longest, counted from when it was taken.</summary>
    LeastUsed = 3,

    /// <summary>None: one more is refused.</summary>
    Manual = 4,
}

public enum QuotaLevel
{
    Ok = 1,

    /// <summary>At the warning threshold or above it.</summary>
    Warned = 2,

    /// <summary>More than is allowed.</summary>
    Exceeded = 3,
}
