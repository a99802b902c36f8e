using Gantry.Contracts;

namespace Gantry.Daemon.Schedules;

/// <summary>What is done about a schedule whose next run has come.</summary>
/// <param name="Due">The due time that is dealt with.</param>
/// <param name="Skipped">Why it is left out; null when it is run.</param>
/// <param name="Next">When it is due again; null for never.</param>
/// <param name="MissedFrom">The first due time that was missed for good; null when none was.</param>
internal sealed record DueDecision(DateTimeOffset Due, RunTrigger Trigger, string? Skipped, DateTimeOffset? Next, DateTimeOffset? MissedFrom);

/// <summary>Of all due times that have passed at most one is run: the newest.</summary>
internal static class DuePlan
{
    /// <summary>A run that begins so much after its due time is still on time.</summary>
    private static readonly TimeSpan OnTime = TimeSpan.FromMinutes(1);

    /// <summary>A run that begins on time begins its last operation so much later at most.</summary>
    private static readonly TimeSpan Begins = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Until when a run begins operations: until its due time would not be made up for any more, and for some minutes after its start at least.
    /// What somebody asked for, they asked for then.
    /// </summary>
    public static DateTimeOffset LatestBegin(ScheduleSettings settings, HeldRun run)
    {
        var atLeast = run.StartedAt + Begins;
        var latest = run.Trigger == RunTrigger.Asked ? atLeast : run.Due + Within(settings);
        return latest > atLeast ? latest : atLeast;
    }

    /// <param name="next">The oldest due time that was not dealt with; not after <paramref name="now"/>.</param>
    /// <param name="busy">The run before is still going on.</param>
    public static DueDecision Of(ScheduleSettings settings, TimeZoneInfo zone, DateTimeOffset next, DateTimeOffset now, bool busy)
    {
        var newest = NewestOf(settings.When, zone, next, now, now - Within(settings));
        var following = DueTimes.Next(settings.When, zone, now);
        var trigger = now - (newest ?? next) <= OnTime ? RunTrigger.Due : RunTrigger.Missed;
        var skipped = newest is null ? "No daemon ran when it was due." : busy ? "The run before was still going on." : null;
        return new(newest ?? next, trigger, skipped, following, newest is null || newest > next ? next : null);
    }

    /// <summary>How old a due time may be that is run.</summary>
    private static TimeSpan Within(ScheduleSettings settings) => settings.Missed == MissedRuns.Skip ? OnTime
        : Larger(TimeSpan.FromSeconds(settings.MissedWithinSeconds ?? ScheduleRules.DefaultMissedWithinSeconds), OnTime);

    /// <summary>The newest due time up to now, not before <paramref name="oldest"/>.</summary>
    private static DateTimeOffset? NewestOf(ScheduleWhen when, TimeZoneInfo zone, DateTimeOffset next, DateTimeOffset now, DateTimeOffset oldest)
    {
        DateTimeOffset? newest = next >= oldest ? next : null;
        foreach (var due in DueTimes.After(when, zone, next >= oldest ? next : oldest.AddTicks(-1)).TakeWhile(due => due <= now))
        {
            newest = due;
        }

        return newest;
    }

    private static TimeSpan Larger(TimeSpan one, TimeSpan other) => one > other ? one : other;
}
