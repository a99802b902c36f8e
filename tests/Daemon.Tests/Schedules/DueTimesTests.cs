using System.Globalization;
using FsCheck;
using FsCheck.Fluent;
using Gantry.Contracts;
using Gantry.Daemon.Schedules;

namespace Gantry.Daemon.Tests.Schedules;

/// <summary>When something is due, by hand, and against a reference that walks minute by minute.</summary>
public sealed class DueTimesTests
{
    /// <summary>Zones with transitions of all kinds: by an hour, by half of one, at midnight, by a whole day, in winter, and none.</summary>
    private static readonly (string Zone, string From)[] Transitions =
    [
        ("Europe/Berlin", "2026-03-28T12:00Z"), ("Europe/Berlin", "2026-10-24T12:00Z"), ("America/New_York", "2026-03-07T18:00Z"), ("America/New_York", "2026-10-31T18:00Z"),
        ("Australia/Lord_Howe", "2026-04-04T00:00Z"), ("Australia/Lord_Howe", "2026-10-03T00:00Z"), ("America/Havana", "2026-03-07T18:00Z"), ("America/Havana", "2026-10-31T18:00Z"),
        ("Asia/Beirut", "2026-03-28T12:00Z"), ("Asia/Beirut", "2026-10-24T12:00Z"), ("Africa/Casablanca", "2026-02-14T12:00Z"), ("Africa/Casablanca", "2026-03-21T12:00Z"),
        ("Europe/Dublin", "2026-10-24T12:00Z"), ("Pacific/Apia", "2011-12-29T00:00Z"), ("Antarctica/Troll", "2026-03-28T12:00Z"), ("Antarctica/Troll", "2026-10-24T12:00Z"),
        ("America/Santiago", "2026-09-05T12:00Z"), ("America/Santiago", "2026-04-04T12:00Z"), ("Asia/Kathmandu", "2026-05-01T00:00Z"), ("UTC", "2026-05-01T00:00Z"),
    ];

    [Theory]
    [InlineData("daily 02:30", "Europe/Berlin", "2026-03-28T12:00Z", "2026-03-29T03:00+02:00 2026-03-30T02:30+02:00")]
    [InlineData("daily 02:30", "Europe/Berlin", "2026-10-24T12:00Z", "2026-10-25T02:30+02:00 2026-10-26T02:30+01:00")]
    [InlineData("hourly 30", "Europe/Berlin", "2026-03-29T00:00Z", "2026-03-29T01:30+01:00 2026-03-29T03:30+02:00")]
    [InlineData("hourly 30", "Europe/Berlin", "2026-10-25T00:00Z", "2026-10-25T02:30+02:00 2026-10-25T02:30+01:00 2026-10-25T03:30+01:00")]
    [InlineData("cron */20 2 * * *", "Europe/Berlin", "2026-03-29T00:00Z", "2026-03-29T03:00+02:00 2026-03-30T02:00+02:00 2026-03-30T02:20+02:00")]
    [InlineData("daily 00:30", "America/Havana", "2026-03-07T18:00Z", "2026-03-08T01:00-04:00 2026-03-09T00:30-04:00")]
    [InlineData("daily 12:00", "Pacific/Apia", "2011-12-29T10:00Z", "2011-12-29T12:00-10:00 2011-12-31T00:00+14:00 2011-12-31T12:00+14:00")]
    [InlineData("weekly mon,fri 22:15", "Asia/Kathmandu", "2026-05-01T00:00Z", "2026-05-01T22:15+05:45 2026-05-04T22:15+05:45 2026-05-08T22:15+05:45")]
    [InlineData("monthly 31 04:00", "UTC", "2026-03-31T04:00Z", "2026-05-31T04:00Z 2026-07-31T04:00Z")]
    [InlineData("monthly 15,last 04:00", "UTC", "2028-01-31T12:00Z", "2028-02-15T04:00Z 2028-02-29T04:00Z 2028-03-15T04:00Z")]
    [InlineData("cron 0 0 29 2 *", "UTC", "2096-03-01T00:00Z", "2104-02-29T00:00Z")]
    [InlineData("cron 0 0 13 * 5", "UTC", "2026-02-01T00:00Z", "2026-02-06T00:00Z 2026-02-13T00:00Z 2026-02-20T00:00Z")]
    [InlineData("cron 0 0 */2 * 1", "UTC", "2026-02-01T00:00Z", "2026-02-09T00:00Z 2026-02-23T00:00Z")]
    [InlineData("cron 5/20 9 * jan-mar SUN,7", "UTC", "2026-03-22T09:10Z", "2026-03-22T09:25Z 2026-03-22T09:45Z 2026-03-29T09:05Z")]
    [InlineData("cron 59 23 L 12 *", "UTC", "2026-01-01T00:00Z", "2026-12-31T23:59Z 2027-12-31T23:59Z")]
    [InlineData("cron 0 0 30 2 *", "UTC", "2026-01-01T00:00Z", "")]
    [InlineData("once 2026-05-01T00:00Z", "Europe/Berlin", "2026-04-30T23:59Z", "2026-05-01T02:00+02:00")]
    [InlineData("once 2026-05-01T00:00Z", "Europe/Berlin", "2026-05-01T00:00Z", "")]
    public void Due_times_follow_the_clocks_of_their_zone(string when, string zone, string after, string wanted)
    {
        var expected = wanted.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Instant).ToList();

        var due = DueTimes.After(When(when), TimeZones.Get(zone), Instant(after)).Take(Math.Max(1, expected.Count)).ToList();

        due.ShouldBe(expected);
        due.Select(d => d.Offset).ShouldBe(expected.Select(e => e.Offset));
    }

    [Fact]
    public void Through_the_transitions_of_many_zones_it_is_what_a_walk_over_every_minute_finds()
    {
        var cases = from cron in Crons from at in Gen.Elements(Transitions) from shift in Gen.Choose(0, 36 * 60) select (cron, at.Zone, After: Instant(at.From).AddMinutes(shift));
        Prop.ForAll(Arb.From(cases), one =>
        {
            var zone = TimeZones.Get(one.Zone);
            var until = one.After + TimeSpan.FromHours(60);
            var found = DueTimes.After(new(ScheduleKind.Cron, Cron: one.cron), zone, one.After).TakeWhile(due => due <= until).Select(due => due.UtcDateTime).ToList();
            var walked = Walked(one.cron, zone, one.After.UtcDateTime, until.UtcDateTime);
            return found.SequenceEqual(walked).Label($"{one.cron} in {one.Zone} after {one.After:O}: {string.Join(' ', found.Select(f => f.ToString("O")))} rather than {string.Join(' ', walked.Select(f => f.ToString("O")))}");
        }).Check(FsCheck.Config.QuickThrowOnFailure.WithMaxTest(400));
    }

    [Fact]
    public void Every_transition_of_a_decade_is_passed_by_a_daily_schedule_exactly_once_a_day()
    {
        foreach (var (name, _) in Transitions.DistinctBy(t => t.Zone))
        {
            var zone = TimeZones.Get(name);
            foreach (var time in (string[])["00:00", "00:30", "01:59", "02:30", "23:45"])
            {
                var from = Instant("2026-01-01T00:00Z");
                var days = DueTimes.After(new(ScheduleKind.Daily, Time: time), zone, from).TakeWhile(d => d.Year < 2036).Select(d => DateOnly.FromDateTime(d.DateTime)).ToList();
                days.ShouldBeUnique($"{name} {time}");
                days.Count.ShouldBe(days[^1].DayNumber - days[0].DayNumber + 1, $"{name} {time}");
            }
        }
    }

    [Theory]
    [InlineData("* * * *", "five fields")]
    [InlineData("60 * * * *", "'60' does not do for the minute, which takes 0 to 59")]
    [InlineData("0 24 * * *", "the hour")]
    [InlineData("0 0 0 * *", "the day of month")]
    [InlineData("0 0 * FOO *", "JAN to DEC")]
    [InlineData("0 0 * * 8", "the day of week")]
    [InlineData("*/0 * * * *", "'*/0'")]
    [InlineData("5-1 * * * *", "'5-1'")]
    [InlineData("1,,2 * * * *", "''")]
    [InlineData("-1 * * * *", "'-1'")]
    [InlineData("1/2/3 * * * *", "'1/2/3'")]
    [InlineData("0 0 L-3 * *", "'L-3'")]
    [InlineData("@daily", "five fields")]
    public void What_is_no_cron_expression_is_told_by_its_field(string cron, string words) =>
        Should.Throw<FormatException>(() => new CronPattern(cron)).Message.ShouldContain(words);

    private static Gen<string> Crons
    {
        get
        {
            var minute = Gen.OneOf(Gen.Elements("*", "*/15", "0", "30", "0,30", "10-50/20"), Gen.Choose(0, 59).Select(Text));
            var hour = Gen.OneOf(Gen.Elements("*", "*/2", "0-5", "1,2,3", "2", "0", "23", "1", "3"), Gen.Choose(0, 23).Select(Text));
            var day = Gen.Frequency((6, Gen.Constant("*")), (1, Gen.Constant("L")), (1, Gen.Choose(1, 31).Select(Text)));
            var weekday = Gen.Frequency((6, Gen.Constant("*")), (1, Gen.Constant("SUN")), (1, Gen.Constant("1-6")));
            return from m in minute from h in hour from d in day from w in weekday select $"{m} {h} {d} * {w}";
        }
    }

    /// <summary>Reads the fields anew, in the plainest way, and looks at each minute that passes, and at each that a wall clock leaves out.</summary>
    private static List<DateTime> Walked(string cron, TimeZoneInfo zone, DateTime after, DateTime until)
    {
        var fields = cron.Split(' ');
        var byHours = fields[1] is "*" or "*/2" or "0-5";
        var found = new List<DateTime>();
        var shown = new HashSet<DateTime>();
        var start = after.AddDays(-2);
        start = new DateTime(start.Year, start.Month, start.Day, start.Hour, start.Minute, 0, DateTimeKind.Utc);
        var highest = DateTime.MinValue;
        for (var utc = start; utc <= until; utc = utc.AddMinutes(1))
        {
            var wall = utc + zone.GetUtcOffset(utc);
            var isDue = Fits(fields, wall) && (byHours || !shown.Contains(wall));
            for (var left = highest.AddMinutes(1); highest > DateTime.MinValue && left < wall && !byHours; left = left.AddMinutes(1))
            {
                isDue |= Fits(fields, left);
            }

            shown.Add(wall);
            highest = wall > highest ? wall : highest;
            if (isDue && utc > after)
            {
                found.Add(utc);
            }
        }

        return found;
    }

    private static bool Fits(string[] fields, DateTime wall)
    {
        var last = wall.AddDays(1).Month != wall.Month;
        var ofMonth = fields[2] == "*" || (fields[2] == "L" ? last : Text(wall.Day) == fields[2]);
        var ofWeek = fields[4] switch { "*" => true, "SUN" => wall.DayOfWeek == DayOfWeek.Sunday, _ => wall.DayOfWeek != DayOfWeek.Sunday };
        var day = fields[2] != "*" && fields[4] != "*" ? ofMonth || ofWeek : ofMonth && ofWeek;
        return day && One(fields[0], wall.Minute) && One(fields[1], wall.Hour);

        static bool One(string field, int value) => field switch
        {
            "*" => true,
            "*/15" => value % 15 == 0,
            "*/2" => value % 2 == 0,
            "0,30" => value is 0 or 30,
            "1,2,3" => value is 1 or 2 or 3,
            "0-5" => value <= 5,
            "10-50/20" => value is 10 or 30 or 50,
            _ => Text(value) == field,
        };
    }

    private static ScheduleWhen When(string text) => text.Split(' ', 2) switch
    {
        ["once", var at] => new(ScheduleKind.Once, At: Instant(at)),
        ["hourly", var minute] => new(ScheduleKind.Hourly, Minute: int.Parse(minute, CultureInfo.InvariantCulture)),
        ["daily", var time] => new(ScheduleKind.Daily, Time: time),
        ["weekly", var rest] => new(ScheduleKind.Weekly, Time: rest.Split(' ')[1], Weekdays: [.. rest.Split(' ')[0].Split(',').Select(d => Enum.GetValues<Weekday>().Single(w => w.ToString().StartsWith(d, StringComparison.OrdinalIgnoreCase)))]),
        ["monthly", var rest] => new(ScheduleKind.Monthly, Time: rest.Split(' ')[1], Days: [.. rest.Split(' ')[0].Split(',').Where(d => d != "last").Select(d => int.Parse(d, CultureInfo.InvariantCulture))], LastDay: rest.Contains("last") ? true : null),
        [_, var cron] => new(ScheduleKind.Cron, Cron: cron),
        _ => throw new ArgumentException(text),
    };

    private static DateTimeOffset Instant(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
