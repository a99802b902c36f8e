using System.Globalization;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Snapshots;

namespace Gantry.Daemon.Schedules;

/// <summary>What a schedule would do; nothing is kept.</summary>
internal static class SchedulePreviews
{
    private const int DefaultCount = 10;
    private const int DefaultHistoryRuns = 1_000;

    public static SchedulePreview Preview(Body<PreviewSchedule> body, TimeProvider time)
    {
        var wanted = body.Checked(asked => ScheduleRules.Faults(asked, time.GetUtcNow()));
        var name = wanted.TimeZone ?? TimeZones.OfNode;
        var zone = TimeZones.Get(name);
        var after = wanted.After ?? time.GetUtcNow();
        return new(
            name,
            [.. DueTimes.After(wanted.When, zone, after).Take(wanted.Count ?? DefaultCount)],
            wanted.Retention is { } rule ? Played(DueTimes.After(wanted.When, zone, after).Take(wanted.HistoryRuns ?? DefaultHistoryRuns), rule, zone) : null);
    }

    /// <summary>What is left after the last of the snapshots. Applied after each of them it would come to the same, since a plan never takes back what it kept.</summary>
    private static RetentionPreview? Played(IEnumerable<DateTimeOffset> times, SnapshotRetention rule, TimeZoneInfo zone)
    {
        DateTimeOffset[] all = [.. times];
        var items = all.Select((at, i) => new RetentionItem(i.ToString("D5", CultureInfo.InvariantCulture), at, 0));
        return all.Length == 0 ? null
            : new(all.Length, all[0], all[^1], [.. RetentionPlan.Of(items, rule, zone).Where(v => v.Keep).Select(v => new KeptSnapshot(v.Item.Time, v.Reasons))]);
    }
}
