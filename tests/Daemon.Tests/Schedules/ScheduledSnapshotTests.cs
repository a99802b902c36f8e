using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Schedules;

/// <summary>Snapshots by schedule: real disks of an instance that a simulator pretends to run.</summary>
public sealed class ScheduledSnapshotTests(TestPostgres postgres)
{
    [Fact]
    public async Task Each_run_takes_one_of_its_own_name_and_retention_deletes_what_no_rule_keeps_and_nothing_else()
    {
        var clock = new SetClock();
        await using var daemon = new RunningDaemon(postgres) { Time = clock };
        await daemon.InitializeAsync();
        await daemon.MakeAsync("""{"name": "web1", "kind": "vm", "boot": {"kernel": "/boot/any"}, "volumes": [{"name": "data", "sizeBytes": 1048576}], "startNow": true}""");
        await RunningDaemon.DoneAsync(daemon.Api.CreateSnapshotAsync("web1", new("by-hand"), 60));
        await daemon.Api.CreateScheduleAsync(new()
        {
            Name = "nightly",
            Instance = "web1",
            Action = ScheduledAction.Snapshot,
            When = new(ScheduleKind.Daily, Time: "03:00"),
            TimeZone = "UTC",
            Enabled = false,
            Snapshot = new(Description: "by night", Retention: new(KeepLast: 2)),
        });
        var first = new DateTimeOffset(2031, 5, 6, 7, 8, 9, TimeSpan.Zero);
        foreach (var night in (int[])[0, 1, 2])
        {
            clock.Set(first.AddDays(night));
            var run = await daemon.Api.RunScheduleAsync("nightly", 60);
            run.State.ShouldBe(RunState.Succeeded, run.Reason);
        }

        var left = (await daemon.Api.ListSnapshotsAsync("web1")).Items;
        left.Select(s => s.Name[..^2]).ShouldBe(["by-ha", "nightly_20310507_0708", "nightly_20310508_0708"]);
        left[^1].Description.ShouldBe("by night");
        left[^1].Parent.ShouldBe(left[1].Name);
    }
}
