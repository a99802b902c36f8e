using Gantry.Contracts;

namespace Gantry.Cli.Tests;

/// <summary>Schedules on the command line.</summary>
public sealed class ScheduleTests
{
    [Theory]
    [InlineData("schedule list")]
    [InlineData("schedule list -q")]
    [InlineData("schedule info nightly")]
    [InlineData("schedule enable nightly")]
    [InlineData("schedule disable nightly -q")]
    [InlineData("schedule run nightly")]
    [InlineData("schedule history nightly")]
    [InlineData("schedule preview nightly")]
    [InlineData("schedule delete nightly")]
    public async Task What_is_shown_is_what_the_golden_file_says(string commandLine)
    {
        var run = new ScheduleRun(Id<ScheduleRun>.Parse("0198c0de-0000-7000-8000-0000000000e1"), CliRig.Now.AddHours(-9), RunTrigger.Due, RunState.Failed, CliRig.Now.AddHours(-9), CliRig.Now.AddHours(-9).AddSeconds(75),
            "1 of 3 failed: 'db3' is starting.",
            [
                new(Id<Instance>.New(), "db1", RunState.Succeeded, Samples.OperationId),
                new(Id<Instance>.New(), "db2", RunState.Skipped),
                new(Id<Instance>.New(), "db3", RunState.Failed, null, Problem.From(Refusal.Conflict("instance.wrong_state", "'db3' is starting.", "Wait."), null)),
            ]);
        var schedule = new Schedule
        {
            Id = Id<Schedule>.Parse("0198c0de-0000-7000-8000-0000000000ee"),
            Name = "nightly",
            Description = "before the backup",
            Filter = "labels.tier eq db",
            Action = ScheduledAction.Snapshot,
            When = new(ScheduleKind.Monthly, Time: "03:00", Days: [1, 15], LastDay: true),
            TimeZone = "Europe/Berlin",
            Enabled = true,
            Missed = MissedRuns.Once,
            MissedWithinSeconds = 3_600,
            Snapshot = new(Retention: new(KeepLast: 2, MaxAge: 7 * 86_400, Daily: 7, Yearly: 1)),
            NextRun = CliRig.Now.AddDays(11),
            LastRun = run with { Results = null },
            CreatedAt = CliRig.Now.AddDays(-30),
            UpdatedAt = CliRig.Now.AddDays(-30),
            Etag = "\"1\"",
        };
        var preview = new SchedulePreview("Europe/Berlin", [new(2026, 3, 15, 3, 0, 0, TimeSpan.FromHours(1)), new(2026, 3, 31, 3, 0, 0, TimeSpan.FromHours(2))],
            new(1_000, new(2026, 3, 15, 3, 0, 0, TimeSpan.FromHours(1)), new(2054, 1, 1, 3, 0, 0, TimeSpan.FromHours(1)), [new(new(2054, 1, 1, 3, 0, 0, TimeSpan.FromHours(1)), ["one of the last 2", "newest of the day 2054-01-01"])]));
        var once = schedule with { Name = "once", Instance = "web1", Filter = null, Action = ScheduledAction.Start, When = new(ScheduleKind.Once, At: CliRig.Now.AddDays(-1)), NextRun = null, LastRun = null, Snapshot = null };
        await using var daemon = (await FakeDaemon.StartAsync())
            .On("GET /schedules", new Page<Schedule>([schedule, once, once with { Name = "week", When = new(ScheduleKind.Weekly, Time: "22:15", Weekdays: [Weekday.Monday, Weekday.Friday]), Enabled = false }]), WireJson.Default.PageSchedule)
            .On("GET /schedules/nightly", schedule, WireJson.Default.Schedule)
            .On("POST /schedules/nightly/enable", schedule, WireJson.Default.Schedule)
            .On("POST /schedules/nightly/disable", schedule with { Enabled = false, NextRun = null }, WireJson.Default.Schedule)
            .On("POST /schedules/nightly/run", run, WireJson.Default.ScheduleRun)
            .On("GET /schedules/nightly/runs", new Page<ScheduleRun>([run]), WireJson.Default.PageScheduleRun)
            .On("POST /schedules:preview", preview, WireJson.Default.SchedulePreview)
            .On("DELETE /schedules/nightly", "", 204);
        var result = await CliRig.RunAsync(daemon, commandLine.Split(' '));

        Golden.Matches("show-" + commandLine.Replace(" ", "-").Replace("--", "-"), result.Transcript("gantry " + commandLine));
    }

    [Theory]
    [InlineData("once 2026-05-01T03:00+02:00", """{"kind":"once","at":"2026-05-01T03:00:00+02:00"}""")]
    [InlineData("hourly 15", """{"kind":"hourly","minute":15}""")]
    [InlineData("daily 03:00", """{"kind":"daily","time":"03:00"}""")]
    [InlineData("weekly Mon,friday 22:00", """{"kind":"weekly","time":"22:00","weekdays":["monday","friday"]}""")]
    [InlineData("monthly 1,15,last 04:00", """{"kind":"monthly","time":"04:00","days":[1,15],"lastDay":true}""")]
    [InlineData("monthly last 04:00", """{"kind":"monthly","time":"04:00","lastDay":true}""")]
    [InlineData("cron  0 3 * * 1-5", """{"kind":"cron","cron":"0 3 * * 1-5"}""")]
    public async Task When_is_written_as_people_say_it(string when, string json)
    {
        await using var daemon = (await FakeDaemon.StartAsync()).Refuses("POST /schedules", Refusal.Conflict("x.y", "Seen.", "Seen."));

        await CliRig.RunAsync(daemon, "schedule", "create", "s", "start", "--instance", "web1", "--when", when, "--zone", "UTC");

        daemon.Requests.Single().Body.ShouldBe($$"""{"instance":"web1","when":{{json.Replace("+", "\\u002B")}},"timeZone":"UTC","name":"s","action":"start"}""");
    }

    [Fact]
    public async Task An_edit_takes_away_what_it_puts_another_in_place_of()
    {
        await using var daemon = (await FakeDaemon.StartAsync()).Refuses("PATCH /schedules/s", Refusal.Conflict("x.y", "Seen.", "Seen."));

        await CliRig.RunAsync(daemon, "schedule", "edit", "s", "--filter", "*", "--when", "hourly 0", "--keep", "last=3,within=36h", "--description", "", "--rename", "t", "--missed", "skip");

        daemon.Requests.Single().Body.ShouldBe(
            """{"filter":"*","instance":null,"when":{"kind":"hourly","minute":0,"at":null,"time":null,"weekdays":null,"days":null,"lastDay":null,"cron":null},"missed":"skip","""
            + "\"snapshot\":" + """{"retention":{"keepLast":3,"maxAge":129600,"hourly":null,"daily":null,"weekly":null,"monthly":null,"yearly":null}},"description":null,"name":"t"}""");
    }

    [Theory]
    [InlineData("--when", "sometimes", "Error: 'sometimes' does not do for --when.\nAccepted is once 2026-05-01T03:00Z,")]
    [InlineData("--when", "once 2026-05-01T03:00", "Error: 'once 2026-05-01T03:00' does not do for --when.\n")]
    [InlineData("--when", "weekly someday 03:00", "Error: 'weekly someday 03:00' does not do for --when.\n")]
    [InlineData("--when", "weekly m 03:00", "Error: 'weekly m 03:00' does not do for --when.\n")]
    [InlineData("--when", "hourly", "Error: 'hourly' does not do for --when.\n")]
    [InlineData("--when", "cron", "Error: 'cron' does not do for --when.\n")]
    [InlineData("--keep", "daily", "Error: 'daily' does not do for --keep.\n")]
    [InlineData("--keep", "within=7", "Error: 'within=7' does not do for --keep.\n")]
    [InlineData("--description", "x", "Error: --when is missing.\n")]
    public async Task What_cannot_be_read_is_told_before_anything_is_sent(string option, string value, string words)
    {
        await using var daemon = await FakeDaemon.StartAsync();

        var result = await CliRig.RunAsync(daemon, ["schedule", "create", "s", "start", "--instance", "web1", option, value, .. option == "--keep" ? (string[])["--when", "hourly 0"] : []]);

        result.Code.ShouldBe(2);
        result.Error.ShouldStartWith(words);
        daemon.Requests.ShouldBeEmpty();
    }
}
