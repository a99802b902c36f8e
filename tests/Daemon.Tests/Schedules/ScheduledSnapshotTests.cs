using System.Text.RegularExpressions;
using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Schedules;
using Gantry.Daemon.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace Gantry.Daemon.Tests.Schedules;

/// <summary>Snapshots by schedule: real disks of an instance that a simulator pretends to run.</summary>
public sealed class ScheduledSnapshotTests(TestPostgres postgres)
{
    private static readonly DateTimeOffset First = new(2031, 5, 6, 7, 8, 9, TimeSpan.Zero);

    private readonly SetClock _clock = new();

    [Fact]
    public async Task Each_run_takes_one_and_retention_deletes_what_no_rule_keeps_of_the_schedules_own_and_nothing_else()
    {
        await using var daemon = await StartAsync();
        await RunningDaemon.DoneAsync(daemon.Api.CreateSnapshotAsync("web1", new("nightly_by-hand"), 60));
        await ScheduleAsync(daemon, "nightly", new(KeepLast: 2));
        await RunAsync(daemon, "nightly", 0);
        (await daemon.SendAsync(HttpMethod.Patch, $"/instances/web1/snapshots/{(await daemon.Api.ListSnapshotsAsync("web1")).Items[1].Name}", """{"name": "renamed"}""")).Status.ShouldBe(200);
        (await daemon.SendAsync(HttpMethod.Patch, "/schedules/nightly", """{"name": "by-night"}""")).Status.ShouldBe(200);
        await RunAsync(daemon, "by-night", 1);
        (await NamesAsync(daemon)).ShouldBe(["nightly_by-hand", "renamed", "by-night_20310507_0708"]);
        await RunAsync(daemon, "by-night", 2);

        var left = (await daemon.Api.ListSnapshotsAsync("web1")).Items;
        (await NamesAsync(daemon)).ShouldBe(["nightly_by-hand", "by-night_20310507_0708", "by-night_20310508_0708"]);
        left[^1].Description.ShouldBe("by night");
        left[^1].Parent.ShouldBe(left[1].Name);

        (await daemon.SendAsync(HttpMethod.Delete, "/schedules/by-night")).Status.ShouldBe(204);
        await ScheduleAsync(daemon, "by-night", new(KeepLast: 1));
        await RunAsync(daemon, "by-night", 3);
        (await NamesAsync(daemon)).Count.ShouldBe(4, "another schedule of this name has none of the old ones");
    }

    [Fact]
    public async Task One_of_a_clock_that_was_wrong_neither_goes_nor_makes_others_go()
    {
        await using var daemon = await StartAsync();
        var name = new string('n', Limits.NameLength);
        await ScheduleAsync(daemon, name, new(KeepLast: 1, MaxAge: 3_600));
        await RunAsync(daemon, name, 400);
        await RunAsync(daemon, name, 0);
        await RunAsync(daemon, name, 1);

        (await NamesAsync(daemon)).ShouldBe([$"{name}_20320609_0708", $"{name}_20310507_0708"]);
    }

    [Fact]
    public async Task Where_an_instance_has_all_it_may_have_or_its_pool_is_full_room_is_made_first()
    {
        await using var daemon = await StartAsync();
        var schedule = await ScheduleAsync(daemon, "nightly", new(KeepLast: 2));
        await RunAsync(daemon, "nightly", 0);
        await RunAsync(daemon, "nightly", 1);
        await daemon.Services.GetRequiredService<Db>().WithAsync(c => c.ExecuteAsync("""
            insert into snapshots (id, instance, name, state, is_ready, created_at)
            select gen_random_uuid(), i.id, 'by-hand-' || n, i.state, true, now() from instances i, generate_series(1, @Count) n
            """, new { Count = Limits.Snapshots - 2 }), default);

        await RunAsync(daemon, "nightly", 2);
        (await NamesAsync(daemon)).Where(n => !n.StartsWith("by-hand", StringComparison.Ordinal)).ShouldBe(["nightly_20310507_0708", "nightly_20310508_0708"]);

        _clock.Set(First.AddDays(3));
        var instance = await daemon.Api.GetInstanceAsync("web1");
        var settings = (await daemon.Services.GetRequiredService<ScheduleStore>().GetAsync("nightly", default)).Settings;
        var work = new ScheduledWork(schedule.Id, settings, First.AddDays(3), Caller.System);
        var full = (await daemon.Api.ListOperationsAsync()).Items[0] with { State = OperationState.Failed, Error = Problem.From(Refusal.Unavailable("pool.full", "Full.", "Make room."), null) };
        await daemon.Services.GetServices<IScheduledAction>().OfType<ScheduledSnapshots>().Single().FollowAsync(work, instance, full, default);
        await Eventually.ShouldBeAsync(async () => (await NamesAsync(daemon)).Count(n => n.StartsWith("nightly", StringComparison.Ordinal)), 1);
        (await NamesAsync(daemon)).ShouldContain("nightly_20310508_0708");
    }

    private async Task<RunningDaemon> StartAsync()
    {
        var daemon = new RunningDaemon(postgres) { Time = _clock };
        _clock.Set(First.AddDays(-1));
        await daemon.InitializeAsync();
        await daemon.MakeAsync("""{"name": "web1", "kind": "vm", "boot": {"kernel": "/boot/any"}, "volumes": [{"name": "data", "sizeBytes": 1048576}], "startNow": true}""");
        return daemon;
    }

    private static Task<Schedule> ScheduleAsync(RunningDaemon daemon, string name, SnapshotRetention rule) => daemon.Api.CreateScheduleAsync(new()
    {
        Name = name,
        Instance = "web1",
        Action = ScheduledAction.Snapshot,
        When = new(ScheduleKind.Daily, Time: "03:00"),
        TimeZone = "UTC",
        Enabled = false,
        Snapshot = new(Description: "by night", Retention: rule),
    });

    private async Task RunAsync(RunningDaemon daemon, string schedule, int days)
    {
        _clock.Set(First.AddDays(days));
        var run = await daemon.Api.RunScheduleAsync(schedule, 60);
        run.State.ShouldBe(RunState.Succeeded, run.Reason);
    }

    /// <summary>Without the seconds in them, since the clock goes on.</summary>
    private static async Task<IReadOnlyList<string>> NamesAsync(RunningDaemon daemon) =>
        [.. (await daemon.Api.ListSnapshotsAsync("web1", "?limit=1000")).Items.Select(s => Regex.Replace(s.Name, @"(?<=_\d{8}_\d{4})\d\d\z", ""))];
}
