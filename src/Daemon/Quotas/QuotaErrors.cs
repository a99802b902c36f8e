using System.Globalization;
using Gantry.Contracts;
using Gantry.Daemon.Snapshots;

namespace Gantry.Daemon.Quotas;

internal static class QuotaErrors
{
    public static Refusal Unknown(string name) => Refusal.NotFound(
        "quota.unknown", $"There is no quota '{Shown(name)}'.", "A quota is called system, pool:NAME or instance:NAME.");

    public static Refusal NotSet(string name) => Refusal.NotFound(
        "quota.not_set", $"The quota '{name}' was never set, or is removed already.", "`gantry quota list` shows those that were set.");

    public static Refusal Changed(string name) => new(
        "quota.changed", 412, $"The quota '{name}' was changed since it was read.", "Read it again and repeat with its new ETag.");

    /// <param name="why">How far, and why nothing can be done about it.</param>
    public static Refusal Reached(QuotaOwner owner, QuotaUsage used, QuotaSettings limit, string why) => Refusal.Conflict(
        owner.Scope == QuotaScope.Instance ? SnapshotErrors.OwnQuotaReached : "quota.reached", $"One more snapshot would go over the quota {owner.Name}: {Far(used, limit)}; {why}.",
        (limit.Policy ?? QuotaPolicy.Manual) != QuotaPolicy.Manual ? "Lift the protection of some, delete some that are not needed, or raise the quota: `gantry quota info` shows it."
        : owner.Scope == QuotaScope.Instance ? "Delete some first (`gantry snapshot list` shows what each would free), or have a policy do it: `gantry quota set NAME --policy oldest`."
        : "Delete some first (`gantry snapshot list --all`), raise it, or have a policy do it: `gantry quota set NAME --policy oldest`.");

    public static Refusal NotFinished(Id<Operation> deletion) => Refusal.Unavailable(
        "quota.not_finished", $"Its deletion, the operation {deletion}, has not ended yet, and goes on.", "`gantry operation info` shows what it waits for.");

    public static Refusal Cancelled(Id<Operation> deletion) => Refusal.Conflict(
        "quota.cancelled", $"Its deletion, the operation {deletion}, was cancelled.", "Enforce the quota again, or raise it.");

    private static string Far(QuotaUsage used, QuotaSettings limit) => string.Join(" and ", ((string?[])[
        limit.MaxCount is { } count ? string.Create(CultureInfo.InvariantCulture, $"{used.Count} snapshots of {count} are there") : null,
        limit.MaxBytes is { } bytes ? string.Create(CultureInfo.InvariantCulture, $"{used.Bytes} bytes of {bytes} are used") : null]).OfType<string>());

    private static string Shown(string name) => name.Length <= 80 && !name.Any(char.IsControl) ? name : string.Create(CultureInfo.InvariantCulture, $"({name.Length} characters)");
}
