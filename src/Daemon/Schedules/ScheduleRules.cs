using System.Globalization;
using Gantry.Contracts;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Schedules;

/// <summary>What a schedule must keep to, each fault by its JSON path. What only the tables know is <see cref="ScheduleTargets"/>'.</summary>
internal static class ScheduleRules
{
    public const double DefaultMissedWithinSeconds = 3_600;
    private const double LongestMissedWithinSeconds = 30 * 24 * 3_600;
    private const double LongestTimeoutSeconds = 3_600;

    /// <param name="before">As it is now; null for a new one.</param>
    /// <param name="possible">Which actions there are.</param>
    public static IEnumerable<Fault> Faults(ScheduleSettings body, ScheduleSettings? before, IReadOnlySet<ScheduledAction> possible, DateTimeOffset now) =>
    [
        .. TextRules.Name("$.name", body.Name),
        .. TextRules.Description(body.Description),
        .. OfTarget(body),
        .. OfAction(body, possible),
        .. OfZone(body.TimeZone),
        .. OfWhen(body.When, body.TimeZone, now, body.When == before?.When),
        .. Between("$.missedWithinSeconds", body.MissedWithinSeconds, 60, LongestMissedWithinSeconds),
    ];

    public static IEnumerable<Fault> Faults(PreviewSchedule body, DateTimeOffset now) =>
    [
        .. OfInstant("$.after", body.After),
        .. OfZone(body.TimeZone),
        .. OfWhen(body.When, body.TimeZone, body.After ?? now, unchanged: false),
        .. Between("$.count", body.Count, 1, Limits.PreviewRuns),
        .. Between("$.historyRuns", body.HistoryRuns, 1, Limits.PreviewHistoryRuns),
        .. OfRetention("$.retention", body.Retention),
    ];

    private static IEnumerable<Fault> OfTarget(ScheduleSettings body)
    {
        if ((body.Instance is null) == (body.Filter is null))
        {
            yield return new("$", "give either instance or filter; the filter '*' means all");
        }

        foreach (var fault in TextRules.Text("$.filter", body.Filter, Limits.FilterLength))
        {
            yield return fault;
        }
    }

    private static IEnumerable<Fault> OfAction(ScheduleSettings body, IReadOnlySet<ScheduledAction> possible)
    {
        if (!possible.Contains(body.Action))
        {
            yield return new("$.action", $"'{Word(body.Action)}' is not possible here; there are {string.Join(", ", possible.Order().Select(Word))}");
        }

        if (body.TimeoutSeconds is not null && body.Action is not (ScheduledAction.Shutdown or ScheduledAction.Restart))
        {
            yield return new("$.timeoutSeconds", $"it is for shutdown and restart, not for {Word(body.Action)}");
        }

        if (body.Force is not null && body.Action != ScheduledAction.Restart)
        {
            yield return new("$.force", $"it is for restart, not for {Word(body.Action)}");
        }

        if (body.Snapshot is not null && body.Action != ScheduledAction.Snapshot)
        {
            yield return new("$.snapshot", $"it is for the action snapshot, not for {Word(body.Action)}");
        }

        foreach (var fault in (IEnumerable<Fault>)[
            .. Between("$.timeoutSeconds", body.TimeoutSeconds, 1, LongestTimeoutSeconds),
            .. TextRules.Text("$.snapshot.description", body.Snapshot?.Description, Limits.DescriptionLength, lines: true),
            .. OfRetention("$.snapshot.retention", body.Snapshot?.Retention)])
        {
            yield return fault;
        }
    }

    private static IEnumerable<Fault> OfZone(string? zone) => zone is null || TimeZones.Find(zone) is not null ? []
        : [new("$.timeZone", $"this host does not know that time zone; give an IANA name such as Europe/Berlin (package tzdata has them)")];

    /// <param name="unchanged">One that was is not held against what has passed since.</param>
    private static List<Fault> OfWhen(ScheduleWhen when, string? zone, DateTimeOffset now, bool unchanged)
    {
        var faults = new List<Fault>(OfFields(when));
        if (faults.Count > 0 || unchanged)
        {
            return faults;
        }

        if (when.Kind == ScheduleKind.Once)
        {
            return when.At > now ? [] : [new("$.when.at", "it has passed already")];
        }

        var at = when.Kind == ScheduleKind.Cron ? "$.when.cron" : "$.when";
        try
        {
            return (zone is null ? TimeZoneInfo.Utc : TimeZones.Find(zone)) is not { } clocks || DueTimes.Next(when, clocks, now) is not null ? []
                : [new(at, "it never comes: no month has such a day")];
        }
        catch (FormatException e)
        {
            return [new(at, e.Message)];
        }
    }

    private static IEnumerable<Fault> OfFields(ScheduleWhen when)
    {
        var taken = when.Kind switch
        {
            ScheduleKind.Once => (string[])["at"],
            ScheduleKind.Hourly => ["minute"],
            ScheduleKind.Daily => ["time"],
            ScheduleKind.Weekly => ["time", "weekdays"],
            ScheduleKind.Monthly => ["time", "days", "lastDay"],
            _ => ["cron"],
        };
        (string Name, bool Given)[] fields =
        [
            ("at", when.At is not null), ("minute", when.Minute is not null), ("time", when.Time is not null), ("weekdays", when.Weekdays is { Count: > 0 }),
            ("days", when.Days is { Count: > 0 } || when.LastDay == true), ("lastDay", when.LastDay == true), ("cron", when.Cron is not null),
        ];
        foreach (var (name, given) in fields)
        {
            var wanted = taken.Contains(name);
            if (given && !wanted && !(name == "days" && when.Days is not { Count: > 0 }))
            {
                yield return new($"$.when.{name}", $"{Word(when.Kind)} takes {string.Join(", ", taken)} only; leave it out");
            }
            else if (!given && wanted && name != "lastDay")
            {
                yield return new($"$.when.{name}", $"{Word(when.Kind)} needs it");
            }
        }

        foreach (var fault in (IEnumerable<Fault>)[
            .. OfInstant("$.when.at", when.At), .. Between("$.when.minute", when.Minute, 0, 59), .. TextRules.Text("$.when.cron", when.Cron, Limits.CronLength)])
        {
            yield return fault;
        }

        if (when.Time is { } time && !TimeOnly.TryParseExact(time, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out _))
        {
            yield return new("$.when.time", "it is not a time of day from 00:00 to 23:59");
        }

        if (when.Days?.Any(day => day is < 1 or > 31) == true)
        {
            yield return new("$.when.days", "days are from 1 to 31; lastDay means the last of each month");
        }
    }

    private static IEnumerable<Fault> OfInstant(string at, DateTimeOffset? instant) =>
        instant is { Year: < 1970 or > DueTimes.LastYear } ? [new(at, $"years are from 1970 to {DueTimes.LastYear}")] : [];

    private static IEnumerable<Fault> OfRetention(string at, SnapshotRetention? rule) => rule is null ? [] :
    [
        .. Between($"{at}.keepLast", rule.KeepLast, 1, Limits.RetentionCount),
        .. Between($"{at}.maxAge", rule.MaxAge, 1, 100d * 366 * 24 * 3_600),
        .. Between($"{at}.hourly", rule.Hourly, 1, Limits.RetentionCount),
        .. Between($"{at}.daily", rule.Daily, 1, Limits.RetentionCount),
        .. Between($"{at}.weekly", rule.Weekly, 1, Limits.RetentionCount),
        .. Between($"{at}.monthly", rule.Monthly, 1, Limits.RetentionCount),
        .. Between($"{at}.yearly", rule.Yearly, 1, Limits.RetentionCount),
    ];

    private static IEnumerable<Fault> Between(string at, double? value, double least, double most) =>
        value is null || (value >= least && value <= most) ? [] : [new(at, string.Create(CultureInfo.InvariantCulture, $"{value} is not from {least} to {most}"))];

    private static string Word<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();
}
