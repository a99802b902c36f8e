using Gantry.Contracts;

namespace Gantry.Daemon.Schedules;

/// <summary>
/// When something is due on the clocks of a time zone. Where clocks go forward, a time of day that does not exist is due right after the gap;
/// where they go back, one that exists twice is due at the first. What follows the hours (hourly, <c>*/15 * * * *</c>) is due in every hour
/// that passes, and in none that does not.
/// </summary>
internal static class DueTimes
{
    /// <summary>Of instants that are asked about: calendars end in 9999.</summary>
    public const int LastYear = 9900;

    /// <summary>What is not due within it never is: the 29th of February is at most eight years away.</summary>
    private static readonly TimeSpan Horizon = TimeSpan.FromDays(366 * 9);

    /// <summary>No zone's offset changes twice within one of these, and never by more.</summary>
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    /// <summary>The first due time behind an instant, with the zone's offset; null when there is none.</summary>
    public static DateTimeOffset? Next(ScheduleWhen when, TimeZoneInfo zone, DateTimeOffset after) =>
        when.Kind != ScheduleKind.Once ? Next(CronPattern.Of(when), zone, after)
        : when.At > after ? TimeZoneInfo.ConvertTime(when.At.Value, zone) : null;

    /// <summary>All behind an instant, in order.</summary>
    public static IEnumerable<DateTimeOffset> After(ScheduleWhen when, TimeZoneInfo zone, DateTimeOffset after)
    {
        var pattern = when.Kind == ScheduleKind.Once ? null : CronPattern.Of(when);
        for (var due = Following(after); due is { } found; due = Following(found))
        {
            yield return found;
        }

        DateTimeOffset? Following(DateTimeOffset instant) => pattern is null ? Next(when, zone, instant) : Next(pattern, zone, instant);
    }

    private static DateTimeOffset? Next(CronPattern pattern, TimeZoneInfo zone, DateTimeOffset after)
    {
        if (after.Year > LastYear)
        {
            return null;
        }

        var first = new DateTime(after.UtcTicks / TimeSpan.TicksPerMinute * TimeSpan.TicksPerMinute, DateTimeKind.Utc) + Minute;
        var limit = first + Horizon;
        var repeatedUntil = first - Day; // what a wall clock showed twice ends there
        for (var from = first - (2 * Day); from < limit;)
        {
            var offset = zone.GetUtcOffset(from);
            var to = EndOf(zone, from, offset);
            var offsetThen = zone.GetUtcOffset(to);
            var search = pattern.FollowsHours || repeatedUntil < first ? first : repeatedUntil;
            search = search > from ? search : from;
            var next = to;
            if (search < to)
            {
                if (pattern.Next(Wall(search, offset), Wall(limit + (2 * Day), offset)) is not { } local)
                {
                    return null;
                }

                if (local - offset < to)
                {
                    return new(local, offset);
                }

                // No clock shows what is looked for until shortly before that.
                var near = DateTime.SpecifyKind(local - offset - (2 * Day), DateTimeKind.Utc);
                next = near > to ? near : to;
            }

            if (offsetThen > offset && !pattern.FollowsHours && to >= first && pattern.Next(Wall(to, offset), Wall(to, offsetThen)) is not null)
            {
                return new(Wall(to, offsetThen), offsetThen);
            }

            repeatedUntil = offsetThen < offset ? to + (offset - offsetThen) : repeatedUntil;
            from = next;
        }

        return null;
    }

    /// <summary>A day later, or the first minute before that with another offset.</summary>
    private static DateTime EndOf(TimeZoneInfo zone, DateTime from, TimeSpan offset)
    {
        if (zone.GetUtcOffset(from + Day) == offset)
        {
            return from + Day;
        }

        var (same, other) = (0, (int)Day.TotalMinutes);
        while (other - same > 1)
        {
            var middle = (same + other) / 2;
            (same, other) = zone.GetUtcOffset(from + (middle * Minute)) == offset ? (middle, other) : (same, middle);
        }

        return from + (other * Minute);
    }

    private static DateTime Wall(DateTime utc, TimeSpan offset) => DateTime.SpecifyKind(utc + offset, DateTimeKind.Unspecified);
}
