using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Daemon.Quotas;

/// <summary>A snapshot as a quota sees it.</summary>
/// <param name="UsedAt">When it was restored or cloned last, or else taken.</param>
/// <param name="SizeBytes">What is free without it where the quota counts; null when it was not measured.</param>
/// <param name="Kept">Why it cannot be removed now; null when it can.</param>
internal sealed record QuotaItem(
    Id<Snapshot> Id, string Name, Id<Instance> Instance, string InstanceName, DateTimeOffset CreatedAt, DateTimeOffset UsedAt, long? SizeBytes, string? Kept = null);

/// <summary>What is about to be added. Of what that will occupy only is known that it is something.</summary>
internal readonly record struct QuotaAddition(int Count, long Bytes)
{
    public static QuotaAddition OneSnapshot { get; } = new(1, 1);
}

/// <param name="Remove">In this order, and each with its reason.</param>
/// <param name="NotMet">Why it is exceeded even then; null when it is not.</param>
internal sealed record QuotaDecision(IReadOnlyList<(QuotaItem Item, string Reason)> Remove, QuotaUsage Before, QuotaUsage After, string? NotMet);

/// <summary>
/// Which snapshots have to go for a quota to be kept. What is too old goes first, whatever the policy; then, while there are still too many or
/// too much, the next by policy that would help. What is kept never goes, and nothing goes once the quota is kept, so a second call removes nothing.
/// </summary>
internal static class QuotaPlan
{
    /// <summary>Where a quota says nothing else.</summary>
    public const int WarnPercent = 80;

    /// <param name="adding">What there has to be room for besides.</param>
    public static QuotaDecision Of(IReadOnlyCollection<QuotaItem> items, QuotaSettings rule, DateTimeOffset now, QuotaAddition adding = default)
    {
        var left = items.ToDictionary(i => i.Id);
        var remove = new List<(QuotaItem, string)>();
        if (rule.MaxAge is { } age)
        {
            foreach (var item in ByAge(items).Where(i => i.Kept is null && (now - i.CreatedAt).TotalSeconds > age))
            {
                Take(item, string.Create(CultureInfo.InvariantCulture, $"older than {age} s"));
            }
        }

        foreach (var item in InOrder(left.Values.ToList(), rule.Policy ?? QuotaPolicy.Manual).Where(i => i.Kept is null))
        {
            var (many, much) = Over();
            if (!many && !much)
            {
                break;
            }

            if (many || item.SizeBytes > 0)
            {
                Take(item, $"{Word(rule.Policy ?? QuotaPolicy.Manual)}, and {(many ? TooMany(left.Count, adding, rule) : TooMuch(Bytes(), rule))}");
            }
        }

        return new(remove, UsageOf(items, rule), UsageOf(left.Values, rule), NotMet());

        void Take(QuotaItem item, string reason)
        {
            left.Remove(item.Id);
            remove.Add((item, reason));
        }

        (bool Many, bool Much) Over() => (left.Count + adding.Count > rule.MaxCount, Bytes() + adding.Bytes > rule.MaxBytes);

        long Bytes() => left.Values.Sum(i => i.SizeBytes ?? 0);

        string? NotMet()
        {
            var old = rule.MaxAge is { } most ? left.Values.Count(i => (now - i.CreatedAt).TotalSeconds > most) : 0;
            var (many, much) = Over();
            string[] faults =
            [
                .. (string[])(many ? [TooMany(left.Count, adding, rule)] : []),
                .. (string[])(much ? [TooMuch(Bytes(), rule)] : []),
                .. (string[])(old > 0 ? [string.Create(CultureInfo.InvariantCulture, $"{old} are older than {rule.MaxAge} s")] : []),
            ];
            var kept = left.Values.Where(i => i.Kept is not null).ToList();
            return faults.Length == 0 ? null
                : $"{string.Join(" and ", faults)}; {(old == 0 && rule.Policy is (null or QuotaPolicy.Manual) ? "its policy is manual, so none is removed" : Why(kept))}";
        }
    }

    /// <summary>Whether what is used is at the threshold, or above the limit.</summary>
    public static QuotaLevel LevelOf(long count, long bytes, QuotaSettings rule) =>
        count > rule.MaxCount || bytes > rule.MaxBytes ? QuotaLevel.Exceeded
        : Reaches(count, rule.MaxCount, rule) || Reaches(bytes, rule.MaxBytes, rule) ? QuotaLevel.Warned
        : QuotaLevel.Ok;

    private static QuotaUsage UsageOf(IReadOnlyCollection<QuotaItem> items, QuotaSettings rule)
    {
        var bytes = items.Sum(i => i.SizeBytes ?? 0);
        return new(items.Count, bytes, items.Count(i => i.SizeBytes is null), LevelOf(items.Count, bytes, rule));
    }

    private static IEnumerable<QuotaItem> InOrder(IReadOnlyCollection<QuotaItem> items, QuotaPolicy policy) => policy switch
    {
        QuotaPolicy.Oldest => ByAge(items),
        QuotaPolicy.Largest => ByAge(items).OrderByDescending(i => i.SizeBytes ?? 0),
        QuotaPolicy.LeastUsed => ByAge(items).OrderBy(i => i.UsedAt.UtcTicks),
        _ => [],
    };

    /// <summary>The id decides between two of the same time.</summary>
    private static IOrderedEnumerable<QuotaItem> ByAge(IEnumerable<QuotaItem> items) => items.OrderBy(i => i.CreatedAt.UtcTicks).ThenBy(i => i.Id.Value);

    private static string Word(QuotaPolicy policy) => policy switch
    {
        QuotaPolicy.Oldest => "the oldest",
        QuotaPolicy.Largest => "the largest",
        _ => "the one not used for longest",
    };

    private static string TooMany(int count, QuotaAddition adding, QuotaSettings rule) => string.Create(
        CultureInfo.InvariantCulture, $"there {(adding.Count > 0 ? "would be" : "are")} {count + adding.Count} of {rule.MaxCount}");

    private static string TooMuch(long bytes, QuotaSettings rule) => string.Create(CultureInfo.InvariantCulture, $"they occupy {bytes} of {rule.MaxBytes} bytes");

    private static string Why(List<QuotaItem> kept) => kept.Count == 0 ? "no other would help"
        : $"the others stay: {string.Join(", ", kept.Take(3).Select(i => $"{i.InstanceName}/{i.Name} ({i.Kept})"))}{(kept.Count > 3 ? string.Create(CultureInfo.InvariantCulture, $" and {kept.Count - 3} more") : "")}";

    private static bool Reaches(long used, long? limit, QuotaSettings rule) => limit is { } most && (Int128)used * 100 >= (Int128)most * (rule.WarnPercent ?? WarnPercent);
}
