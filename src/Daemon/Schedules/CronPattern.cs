using System.Globalization;
using System.Numerics;
using Gantry.Contracts;

namespace Gantry.Daemon.Schedules;

/// <summary>
/// Minutes of a wall clock: five fields as in crontab(5), with names of months and weekdays, and <c>L</c> for the last day of a month.
/// If both days are restricted, one of them suffices. All that repeats is one of these (docs/adr/0009).
/// </summary>
internal sealed class CronPattern
{
    private static readonly string[] Months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
    private static readonly string[] Weekdays = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

    private readonly ulong _minutes;
    private readonly ulong _hours;
    private readonly ulong _days;
    private readonly ulong _months;
    private readonly ulong _weekdays;
    private readonly bool _lastDay;
    private readonly bool _eitherDay;

    /// <exception cref="FormatException">With what is wrong, in words.</exception>
    public CronPattern(string text)
    {
        if (text.Split(' ', StringSplitOptions.RemoveEmptyEntries) is not [var minute, var hour, var day, var month, var weekday])
        {
            throw new FormatException("it needs five fields: minute, hour, day of month, month, day of week");
        }

        _minutes = Bits(minute, "minute", 0, 59);
        _hours = Bits(hour, "hour", 0, 23);
        var days = day.Split(',').Where(part => !part.Equals("L", StringComparison.OrdinalIgnoreCase)).ToList();
        _lastDay = days.Count < day.Split(',').Length;
        _days = days.Count == 0 ? 0 : Bits(string.Join(',', days), "day of month", 1, 31);
        _months = Bits(month, "month", 1, 12, Months);
        _weekdays = Bits(weekday, "day of week", 0, 7, Weekdays);
        _weekdays |= _weekdays >> 7; // 7 is Sunday too
        _eitherDay = !day.StartsWith('*') && !weekday.StartsWith('*');
        FollowsHours = hour.AsSpan().ContainsAny('*', '-', '/');
    }

    /// <summary>It means hours that pass rather than times of a day: so it comes as often as they do when clocks are changed.</summary>
    public bool FollowsHours { get; }

    /// <param name="when">Of any kind but <c>once</c>, without faults.</param>
    public static CronPattern Of(ScheduleWhen when)
    {
        var time = when.Time is { } text ? TimeOnly.ParseExact(text, "HH:mm", CultureInfo.InvariantCulture) : default;
        var at = string.Create(CultureInfo.InvariantCulture, $"{time.Minute} {time.Hour}");
        return new(when.Kind switch
        {
            ScheduleKind.Hourly => string.Create(CultureInfo.InvariantCulture, $"{when.Minute} * * * *"),
            ScheduleKind.Daily => $"{at} * * *",
            ScheduleKind.Weekly => $"{at} * * {string.Join(',', when.Weekdays!.Select(d => ((int)d).ToString(CultureInfo.InvariantCulture)))}",
            ScheduleKind.Monthly =>
                $"{at} {string.Join(',', (when.Days ?? []).Select(d => d.ToString(CultureInfo.InvariantCulture)).Concat(when.LastDay == true ? ["L"] : []))} * *",
            ScheduleKind.Cron => when.Cron!,
            _ => throw new ArgumentOutOfRangeException(nameof(when)),
        });
    }

    /// <summary>The first minute it names, from one on; null when there is none before the other.</summary>
    public DateTime? Next(DateTime from, DateTime before)
    {
        for (var day = from.Date; day < before; day = Has(_months, day.Month) ? day.AddDays(1) : new DateTime(day.Year, day.Month, 1, 0, 0, 0, day.Kind).AddMonths(1))
        {
            if (Matches(day) && TimeOf(day == from.Date ? from.TimeOfDay : TimeSpan.Zero) is { } time)
            {
                return day + time < before ? day + time : null;
            }
        }

        return null;
    }

    private bool Matches(DateTime day)
    {
        var ofMonth = Has(_days, day.Day) || (_lastDay && day.Day == DateTime.DaysInMonth(day.Year, day.Month));
        var ofWeek = Has(_weekdays, (int)day.DayOfWeek);
        return Has(_months, day.Month) && (_eitherDay ? ofMonth || ofWeek : ofMonth && ofWeek);
    }

    /// <summary>The first time of a day that is not before one.</summary>
    private TimeSpan? TimeOf(TimeSpan from)
    {
        var minutes = (int)Math.Ceiling(from.TotalMinutes);
        for (var hour = minutes / 60; hour < 24; hour++)
        {
            var left = _minutes & (ulong.MaxValue << (hour == minutes / 60 ? minutes % 60 : 0));
            if (Has(_hours, hour) && left != 0)
            {
                return new TimeSpan(hour, BitOperations.TrailingZeroCount(left), 0);
            }
        }

        return null;
    }

    private static ulong Bits(string field, string what, int least, int most, string[]? names = null)
    {
        ulong bits = 0;
        foreach (var part in field.Split(','))
        {
            var (range, step) = part.Split('/') switch
            {
                [var alone] => (alone, 1),
                [var all, var every] when Number(every) is >= 1 and var n && n <= most => (all, n),
                _ => throw Wrong(part),
            };
            var (from, to) = range.Split('-') switch
            {
                ["*"] => (least, what == "day of week" ? 6 : most),
                [var one] when Value(one) is { } v => (v, part.Contains('/', StringComparison.Ordinal) ? most : v),
                [var first, var last] when Value(first) is { } a && Value(last) is { } b && a <= b => (a, b),
                _ => throw Wrong(part),
            };
            for (var value = from; value <= to; value += step)
            {
                bits |= 1UL << value;
            }
        }

        return bits;

        int? Value(string text) => Number(text) is { } n ? n >= least && n <= most ? n : null
            : Array.FindIndex(names ?? [], name => name.Equals(text, StringComparison.OrdinalIgnoreCase)) is >= 0 and var i ? least + i : null;

        FormatException Wrong(string part) => new(
            $"'{part}' does not do for the {what}, which takes {least} to {most}{(names is null ? "" : $" or {names[0]} to {names[^1]}")}, *, lists, ranges and steps"
            + (what == "day of month" ? ", and L for the last" : ""));
    }

    private static int? Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : null;

    private static bool Has(ulong bits, int value) => (bits >> value & 1) != 0;
}
