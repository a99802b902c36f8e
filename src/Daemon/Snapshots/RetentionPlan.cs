using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Daemon.Snapshots;

/// <summary>A snapshot as retention sees it.</summary>
/// <param name="Id">Decides between two of the same time.</param>
internal sealed record RetentionItem(string Id, DateTimeOffset Time, long SizeBytes);

/// <param name="Reasons">What each rule that keeps it says; empty where it goes because none does.</param>
internal sealed record RetentionVerdict(RetentionItem Item, bool Keep, IReadOnlyList<string> Reasons);

/// <summary>
/// Which snapshots stay and why. Every rule looks at all snapshots for itself and a snapshot stays when one of them keeps it (as restic's
/// <c>forget</c>, which looks at the newest rather than at a clock too): so one more rule, or a larger number, never removes anything, and
/// applying it again removes nothing more.
/// </summary>
internal static class RetentionPlan
{
    /// <returns>The newest first.</returns>
    /// <param name="zone">Whose hours, days, weeks, months and years are meant.</param>
    public static IReadOnlyList<RetentionVerdict> Of(IEnumerable<RetentionItem> items, SnapshotRetention rule, TimeZoneInfo zone)
    {
        RetentionItem[] newestFirst = [.. items.OrderByDescending(i => i.Time.UtcTicks).ThenByDescending(i => i.Id, StringComparer.Ordinal)];
        var reasons = newestFirst.Select(_ => new List<string>()).ToArray();
        if (rule == new SnapshotRetention())
        {
            return [.. newestFirst.Select(item => new RetentionVerdict(item, true, ["no rule is given"]))];
        }

        for (var i = 0; i < newestFirst.Length; i++)
        {
            if (i < rule.KeepLast)
            {
                reasons[i].Add(string.Create(CultureInfo.InvariantCulture, $"one of the last {rule.KeepLast}"));
            }

            if ((newestFirst[0].Time - newestFirst[i].Time).TotalSeconds <= rule.MaxAge)
            {
                reasons[i].Add(string.Create(CultureInfo.InvariantCulture, $"not older than {rule.MaxAge} s"));
            }
        }

        Span(rule.Hourly, "hour", t => t.ToString("yyyy-MM-dd HH'h' zzz", CultureInfo.InvariantCulture));
        Span(rule.Daily, "day", t => t.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));
        Span(rule.Weekly, "week", t => string.Create(CultureInfo.InvariantCulture, $"{ISOWeek.GetYear(t.DateTime):0000}-W{ISOWeek.GetWeekOfYear(t.DateTime):00}"));
        Span(rule.Monthly, "month", t => t.ToString("yyyy-MM", CultureInfo.InvariantCulture));
        Span(rule.Yearly, "year", t => t.ToString("yyyy", CultureInfo.InvariantCulture));
        return [.. newestFirst.Select((item, i) => new RetentionVerdict(item, reasons[i].Count > 0, reasons[i]))];

        void Span(int? count, string word, Func<DateTimeOffset, string> name)
        {
            var seen = new HashSet<string>();
            for (var i = 0; i < newestFirst.Length && seen.Count < count; i++)
            {
                var span = name(TimeZoneInfo.ConvertTime(newestFirst[i].Time, zone));
                if (seen.Add(span))
                {
                    reasons[i].Add($"newest of the {word} {span}");
                }
            }
        }
    }
}
