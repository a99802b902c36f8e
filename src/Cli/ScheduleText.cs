using System.Globalization;
using System.Text.Json.Nodes;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>Due times and retention as people write them, and as they are shown again.</summary>
internal static class ScheduleText
{
    public const string WhenAccepted = "once 2026-05-01T03:00Z, hourly 15, daily 03:00, weekly mon,fri 22:00, monthly 1,15,last 04:00, or cron 0 3 * * 1-5";
    public const string KeepAccepted = "last=3,within=7d,hourly=24,daily=7,weekly=4,monthly=12,yearly=5";

    /// <exception cref="WrongUseException">Says what is accepted.</exception>
    public static ScheduleWhen When(string text)
    {
        var words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return words switch
        {
            ["once", var at] when IsInstant(at, out var instant) => new(ScheduleKind.Once, At: instant),
            ["hourly", var minute] when Number(minute) is { } n => new(ScheduleKind.Hourly, Minute: n),
            ["daily", var time] => new(ScheduleKind.Daily, Time: time),
            ["weekly", var days, var time] when days.Split(',').Select(Day).ToList() is var found && found.All(d => d is not null) =>
                new(ScheduleKind.Weekly, Time: time, Weekdays: [.. found.Select(d => d!.Value)]),
            ["monthly", var days, var time] when days.Split(',').All(d => d == "last" || Number(d) is not null) => Monthly(days.Split(','), time),
            ["cron", ..] when words.Length > 1 => new(ScheduleKind.Cron, Cron: string.Join(' ', words.Skip(1))),
            _ => throw new WrongUseException($"'{text}' does not do for --when.", $"Accepted is {WhenAccepted}. An instant ends with Z or an offset such as +02:00."),
        };
    }

    public static string Of(ScheduleWhen when) => when.Kind switch
    {
        ScheduleKind.Once => $"once {(when.At is { } at ? Words.Time(at) : "")}",
        ScheduleKind.Hourly => string.Create(CultureInfo.InvariantCulture, $"hourly {when.Minute}"),
        ScheduleKind.Daily => $"daily {when.Time}",
        ScheduleKind.Weekly => $"weekly {string.Join(',', (when.Weekdays ?? []).Select(d => Words.Of(d)[..3]))} {when.Time}",
        ScheduleKind.Monthly => $"monthly {string.Join(',', DaysOf(when))} {when.Time}",
        _ => $"cron {when.Cron}",
    };

    /// <summary>For a merge patch: what the kind does not take is taken away.</summary>
    public static JsonObject Whole(ScheduleWhen when)
    {
        var node = SettingsInput.Of(when, WireJson.Default.ScheduleWhen);
        foreach (var name in (string[])["at", "minute", "time", "weekdays", "days", "lastDay", "cron"])
        {
            node.TryAdd(name, null);
        }

        return node;
    }

    /// <exception cref="WrongUseException">Says what is accepted.</exception>
    public static SnapshotRetention Keep(string text)
    {
        var rule = new SnapshotRetention();
        foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            rule = part.Split('=') switch
            {
                ["within", var age] when Seconds(age) is { } seconds => rule with { MaxAge = seconds },
                ["last", var count] when Number(count) is { } n => rule with { KeepLast = n },
                ["hourly", var count] when Number(count) is { } n => rule with { Hourly = n },
                ["daily", var count] when Number(count) is { } n => rule with { Daily = n },
                ["weekly", var count] when Number(count) is { } n => rule with { Weekly = n },
                ["monthly", var count] when Number(count) is { } n => rule with { Monthly = n },
                ["yearly", var count] when Number(count) is { } n => rule with { Yearly = n },
                _ => throw new WrongUseException($"'{part}' does not do for --keep.", $"Accepted are some of {KeepAccepted}; an age is a number with m, h or d."),
            };
        }

        return rule;
    }

    public static string? Of(SnapshotRetention? rule)
    {
        if (rule is null)
        {
            return null;
        }

        (string Name, int? Count)[] counts = [("hourly", rule.Hourly), ("daily", rule.Daily), ("weekly", rule.Weekly), ("monthly", rule.Monthly), ("yearly", rule.Yearly)];
        return string.Join(',', ((string?[])[
            rule.KeepLast is { } last ? string.Create(CultureInfo.InvariantCulture, $"last={last}") : null,
            rule.MaxAge is { } age ? $"within={Span(age)}" : null,
            .. counts.Where(c => c.Count is not null).Select(c => string.Create(CultureInfo.InvariantCulture, $"{c.Name}={c.Count}"))]).OfType<string>());
    }

    /// <summary>On the zone's clocks, with the offset they have then.</summary>
    public static string Local(DateTimeOffset time) => time.ToString("ddd yyyy-MM-dd HH:mm:ss zzz", CultureInfo.InvariantCulture);

    private static ScheduleWhen Monthly(string[] days, string time) =>
        new(ScheduleKind.Monthly, Time: time, Days: days.All(d => d == "last") ? null : [.. days.Where(d => d != "last").Select(d => Number(d)!.Value)],
            LastDay: days.Contains("last") ? true : null);

    private static IEnumerable<string> DaysOf(ScheduleWhen when) =>
        (when.Days ?? []).Select(d => d.ToString(CultureInfo.InvariantCulture)).Concat(when.LastDay == true ? ["last"] : []);

    /// <summary>Never without an offset: the client's clock may be in another zone than the schedule.</summary>
    private static bool IsInstant(string text, out DateTimeOffset instant) =>
        DateTimeOffset.TryParseExact(text, ["yyyy-MM-dd'T'HH:mmK", "yyyy-MM-dd'T'HH:mm:ssK"], CultureInfo.InvariantCulture, DateTimeStyles.None, out instant)
        && (text.EndsWith('Z') || text[10..].Contains('+', StringComparison.Ordinal) || text[10..].Contains('-', StringComparison.Ordinal));

    private static Weekday? Day(string text)
    {
        foreach (var day in Enum.GetValues<Weekday>())
        {
            if (text.Length >= 3 && Words.Of(day).StartsWith(text, StringComparison.OrdinalIgnoreCase))
            {
                return day;
            }
        }

        return null;
    }

    /// <summary>A number with s, m, h or d.</summary>
    /// <returns>Null when it is none.</returns>
    public static double? Seconds(string text) => text.Length > 1 && Number(text[..^1]) is { } n
        ? text[^1] switch { 's' => n, 'm' => n * 60d, 'h' => n * 3_600d, 'd' => n * 86_400d, _ => null } : null;

    /// <summary>In the largest unit it is whole in: <c>90m</c>, <c>30d</c>.</summary>
    public static string Span(double seconds)
    {
        var (unit, letter) = (seconds % 86_400, seconds % 3_600, seconds % 60) switch
        {
            (0, _, _) => (86_400, 'd'),
            (_, 0, _) => (3_600, 'h'),
            (_, _, 0) => (60, 'm'),
            _ => (1, 's'),
        };
        return string.Create(CultureInfo.InvariantCulture, $"{seconds / unit}{letter}");
    }

    private static int? Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : null;
}
