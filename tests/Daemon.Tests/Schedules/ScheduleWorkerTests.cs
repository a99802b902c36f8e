using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Schedules;
using Gantry.Daemon.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Gantry.Daemon.Tests.Schedules;

/// <summary>What happens by itself, by a clock that the test sets: each test has a daemon of its own.</summary>
public sealed class ScheduleWorkerTests(TestPostgres postgres)
{
    private static readonly DateTimeOffset Noon = new(2027, 3, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task What_is_due_is_done_when_its_time_has_come()
    {
        await using var daemon = await StartAsync(null);
        await daemon.GivenInstanceAsync("web1");
        var at = TimeProvider.System.GetUtcNow().AddSeconds(3);
        var started = daemon.NextEventAsync(EventTypes.InstanceStarted);
        var finished = daemon.NextEventAsync(EventTypes.ScheduleFinished);

        var made = await daemon.Api.CreateScheduleAsync(A("soon", "web1") with { When = new(ScheduleKind.Once, At: at) });

        (await started).Actor.ShouldBe("schedule soon");
        await finished;
        var after = await daemon.Api.GetScheduleAsync("soon");
        (after.NextRun, after.LastRun!.State, after.LastRun.Trigger, after.LastRun.Due).ShouldBe((null, RunState.Succeeded, RunTrigger.Due, made.NextRun!.Value));
        after.LastRun.StartedAt.ShouldBeGreaterThanOrEqualTo(after.LastRun.Due);
        after.Etag.ShouldBe(made.Etag);
    }

    [Fact]
    public async Task Each_due_time_has_one_run_however_many_daemons_look()
    {
        var clock = new SetClock();
        clock.Set(Noon);
        await using var daemon = await StartAsync(clock);
        string[] names = [.. Enumerable.Range(0, 8).Select(i => $"web{i}")];
        await Task.WhenAll(names.Select(name => daemon.GivenInstanceAsync(name)));
        await Task.WhenAll(names.Select(name => daemon.Api.CreateScheduleAsync(A($"hourly-{name}", name) with { When = new(ScheduleKind.Hourly, Minute: 0) })));
        ScheduleWorker[] others = [.. Enumerable.Range(0, 3).Select(_ => ActivatorUtilities.CreateInstance<ScheduleWorker>(daemon.Services, ActivatorUtilities.CreateInstance<ScheduleRunner>(daemon.Services)))];
        foreach (var other in others)
        {
            await other.StartAsync(default);
        }

        for (var hour = 1; hour <= 5; hour++)
        {
            clock.Set(Noon.AddHours(hour));
            Parallel.ForEach([Worker(daemon), .. others], worker => worker.Wake());
            await Eventually.ShouldBeAsync(() => CountAsync(daemon, "schedule_runs where state = 2"), 8L * hour);
        }

        (await CountAsync(daemon, "schedule_runs")).ShouldBe(40);
        (await CountAsync(daemon, "operations where kind = 'instance.start'")).ShouldBe(8); // the other hours found them running
        foreach (var other in others)
        {
            await other.StopAsync(default);
        }
    }

    [Theory]
    [InlineData(MissedRuns.Once, 3_600, 10.7, RunState.Succeeded, 10)]
    [InlineData(MissedRuns.Once, 600, 10.7, RunState.Skipped, 1)]
    [InlineData(MissedRuns.Skip, 3_600, 10.7, RunState.Skipped, 1)]
    [InlineData(MissedRuns.Skip, 3_600, 10.005, RunState.Succeeded, 10)]
    public async Task Of_what_was_missed_at_most_the_newest_is_made_up_for(MissedRuns missed, double within, double hoursAway, RunState state, int dueHour)
    {
        var clock = new SetClock();
        clock.Set(Noon.AddMinutes(1));
        await using var daemon = await StartAsync(clock);
        await daemon.GivenInstanceAsync("web1");
        await daemon.Api.CreateScheduleAsync(A("hourly", "web1") with { When = new(ScheduleKind.Hourly, Minute: 0), Missed = missed, MissedWithinSeconds = within });

        await daemon.RestartAsync(() => clock.Set(Noon.AddHours(hoursAway)));

        await Eventually.ShouldBeAsync(() => CountAsync(daemon, $"schedule_runs where state = {(int)state}"), 1L);
        var run = (await daemon.Api.ListScheduleRunsAsync("hourly")).Items.ShouldHaveSingleItem();
        run.Due.ShouldBe(Noon.AddHours(dueHour));
        run.Trigger.ShouldBe(hoursAway == 10.005 ? RunTrigger.Due : RunTrigger.Missed);
        (await daemon.Api.GetScheduleAsync("hourly")).NextRun.ShouldBe(Noon.AddHours(11));
        (await CountAsync(daemon, "operations where kind = 'instance.start'")).ShouldBe(state == RunState.Succeeded ? 1 : 0);
        await Eventually.ShouldBeAsync(() => CountAsync(daemon, "events where type = 'schedule.missed'"), 1L);
    }

    [Fact]
    public async Task A_run_that_fails_does_not_stop_the_next_and_says_why_for_each_instance()
    {
        var clock = new SetClock();
        clock.Set(Noon.AddHours(-1));
        await using var daemon = await StartAsync(clock);
        await daemon.GivenInstanceAsync("web1");
        await daemon.GivenInstanceAsync("web2", InstanceState.Paused);
        await daemon.Api.CreateScheduleAsync(A("minutely") with { Action = ScheduledAction.Resume, When = new(ScheduleKind.Cron, Cron: "1-3 12 * * *") });

        for (var minute = 1; minute <= 3; minute++)
        {
            clock.Set(Noon.AddMinutes(minute).AddSeconds(1));
            Worker(daemon).Wake();
            await Eventually.ShouldBeAsync(() => CountAsync(daemon, "schedule_runs where state = 3"), (long)minute);
        }

        var runs = (await daemon.Api.ListScheduleRunsAsync("minutely")).Items;
        runs.Select(r => r.Due).ShouldBe([Noon.AddMinutes(3), Noon.AddMinutes(2), Noon.AddMinutes(1)]);
        runs[2].Results!.Select(r => (r.Instance, r.State, r.Error?.Code)).ShouldBe([("web1", RunState.Failed, "instance.wrong_state"), ("web2", RunState.Succeeded, null)]);
        runs[2].Reason!.ShouldStartWith("1 of 2 failed: 'web1' is stopped");
    }

    [Fact]
    public async Task What_a_daemon_left_is_finished_by_the_next_without_doing_anything_twice()
    {
        await using var daemon = await StartAsync(null);
        await daemon.GivenInstanceAsync("web1");
        await daemon.GivenInstanceAsync("web2");
        await daemon.Api.CreateScheduleAsync(A("left"));
        var first = await daemon.Api.RunScheduleAsync("left", 60);
        await RunningDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync("web1", InstanceAction.Stop, 60));

        await SqlAsync(daemon, "update schedule_runs set state = 1, finished_at = null, results = '[]', holder = gen_random_uuid(), lease_until = now() - interval '1 s'");
        Worker(daemon).Wake();

        await Eventually.ShouldBeAsync(() => CountAsync(daemon, "schedule_runs where state = 2"), 1L);
        var again = (await daemon.Api.ListScheduleRunsAsync("left")).Items.ShouldHaveSingleItem();
        again.Results!.Select(r => (r.Instance, r.Operation)).ShouldBe(first.Results!.Select(r => (r.Instance, r.Operation)));
        (await daemon.Api.GetInstanceAsync("web1")).State.ShouldBe(InstanceState.Stopped);
    }

    [Theory]
    [InlineData(RunTrigger.Due, MissedRuns.Skip, 600, true, "schedule.too_late")]
    [InlineData(RunTrigger.Due, MissedRuns.Once, 600, true, null)]
    [InlineData(RunTrigger.Due, MissedRuns.Once, 600, false, "schedule.disabled")]
    [InlineData(RunTrigger.Missed, MissedRuns.Once, 7_200, true, "schedule.too_late")]
    [InlineData(RunTrigger.Asked, MissedRuns.Once, 600, true, "schedule.too_late")]
    [InlineData(RunTrigger.Asked, MissedRuns.Skip, 60, false, null)]
    public async Task What_a_daemon_left_is_followed_and_nothing_is_begun_that_is_too_late(RunTrigger trigger, MissedRuns missed, int seconds, bool enabled, string? code)
    {
        var clock = new SetClock();
        clock.Set(Noon);
        await using var daemon = await StartAsync(clock);
        await daemon.GivenInstanceAsync("web1");
        var second = await daemon.GivenInstanceAsync("web2");
        await daemon.Api.CreateScheduleAsync(A("late") with { Missed = missed, Enabled = enabled });
        var first = await daemon.Api.RunScheduleAsync("late", 60);
        await RunningDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync("web2", InstanceAction.Stop, 60));
        await SqlAsync(daemon, "delete from operations where idempotency_key like '%/' || @Value", new { Value = $"{second.Id}" });

        clock.Set(Noon.AddSeconds(seconds));
        await SqlAsync(daemon, "update schedule_runs set state = 1, trigger = @trigger, finished_at = null, results = '[]', holder = gen_random_uuid(), lease_until = now() - interval '1 s'",
            new { trigger = (short)trigger });
        Worker(daemon).Wake();

        await Eventually.ShouldBeAsync(() => CountAsync(daemon, "schedule_runs where state > 1"), 1L);
        var results = (await daemon.Api.ListScheduleRunsAsync("late")).Items.ShouldHaveSingleItem().Results!;
        (results[0].Operation, results[0].State).ShouldBe((first.Results![0].Operation, RunState.Succeeded));
        (results[1].Operation is null, results[1].State, results[1].Error?.Code).ShouldBe((code is not null, code is null ? RunState.Succeeded : RunState.Failed, code));
        (await daemon.Api.GetInstanceAsync("web2")).State.ShouldBe(code is null ? InstanceState.Running : InstanceState.Stopped);
    }

    [Fact]
    public async Task What_is_left_of_another_nodes_instance_is_left_to_that_node()
    {
        await using var daemon = await StartAsync(null);
        var elsewhere = await daemon.GivenInstanceAsync("web1");
        await daemon.Api.CreateScheduleAsync(A("elsewhere", "web1"));
        await daemon.Api.RunScheduleAsync("elsewhere", 60);
        await SqlAsync(daemon, "update instances set node = gen_random_uuid() where id = @Value", elsewhere.Id);
        await SqlAsync(daemon, "update schedule_runs set state = 1, holder = gen_random_uuid(), lease_until = now() - interval '1 s'");

        (await daemon.Services.GetRequiredService<ScheduleRunStore>().TakeOverAsync(Guid.CreateVersion7(), default)).ShouldBeEmpty();

        await SqlAsync(daemon, "update schedules set instance = null");
        (await daemon.Services.GetRequiredService<ScheduleRunStore>().TakeOverAsync(Guid.CreateVersion7(), default)).Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_run_that_meets_what_nobody_expected_lets_go_and_is_taken_up_again()
    {
        await using var daemon = await StartAsync(null);
        await daemon.GivenInstanceAsync("web1");
        await daemon.Api.CreateScheduleAsync(A("stuck"));
        await SqlAsync(daemon, """
            create function nobody_expected() returns trigger language plpgsql as 'begin raise exception ''unexpected''; end';
            create trigger unexpected before update on schedule_runs for each row execute function nobody_expected()
            """);

        (await daemon.Api.RunScheduleAsync("stuck", 60)).State.ShouldBe(RunState.Running);

        await SqlAsync(daemon, "drop function nobody_expected cascade");
        await SqlAsync(daemon, "update schedule_runs set lease_until = now() - interval '1 s'");
        Worker(daemon).Wake();
        await Eventually.ShouldBeAsync(() => CountAsync(daemon, "schedule_runs where state = 2"), 1L);
    }

    [Fact]
    public async Task A_stop_waits_no_longer_than_it_may()
    {
        await using var daemon = await StartAsync(null);
        await daemon.GivenInstanceAsync("web1");
        var made = await daemon.Api.CreateScheduleAsync(A("deaf"));
        var found = await daemon.Services.GetRequiredService<ScheduleStore>().GetAsync(made.Id.ToString(), default);
        var action = new Deaf();
        using var runner = ActivatorUtilities.CreateInstance<ScheduleRunner>(daemon.Services, (object)(IScheduledAction[])[action]);
        var (id, run) = await daemon.Services.GetRequiredService<ScheduleClaims>().AskAsync(found, runner.Holder, Caller.System, null, default);
        runner.Begin(found, run!);
        await action.Asked.Task;

        await Should.ThrowAsync<OperationCanceledException>(runner.StopAsync(new(canceled: true)));

        action.Answer.SetResult(null);
        await runner.EndOfAsync(id);
        (await CountAsync(daemon, "schedule_runs where state = 1")).ShouldBe(1, "it is left to the next daemon");
    }

    [Fact]
    public async Task A_clock_that_is_put_back_repeats_no_run_and_leaves_none_out()
    {
        var clock = new SetClock();
        clock.Set(Noon.AddHours(-1));
        await using var daemon = await StartAsync(clock);
        await daemon.Api.CreateScheduleAsync(A("daily") with { When = new(ScheduleKind.Daily, Time: "12:00") });
        clock.Set(Noon);
        Worker(daemon).Wake();
        await Eventually.ShouldBeAsync(() => CountAsync(daemon, "schedule_runs"), 1L);

        clock.Set(Noon.AddDays(20)); // wrong, and somebody mends it
        Worker(daemon).Wake();
        await Eventually.ShouldBeAsync(() => CountAsync(daemon, "schedule_runs"), 2L);
        clock.Set(Noon.AddHours(-1));
        Worker(daemon).Wake();
        await Eventually.ShouldBeAsync(async () => (await daemon.Api.GetScheduleAsync("daily")).NextRun, (DateTimeOffset?)Noon);

        clock.Set(Noon.AddSeconds(5));
        Worker(daemon).Wake();
        await Eventually.ShouldBeAsync(async () => (await daemon.Api.GetScheduleAsync("daily")).NextRun, (DateTimeOffset?)Noon.AddDays(1));
        (await CountAsync(daemon, "schedule_runs")).ShouldBe(2);
    }

    [Fact]
    public async Task What_is_due_while_the_run_before_goes_on_is_left_out()
    {
        var clock = new SetClock();
        clock.Set(Noon.AddHours(-1).AddMinutes(1));
        await using var daemon = await StartAsync(clock);
        var made = await daemon.Api.CreateScheduleAsync(A("long") with { When = new(ScheduleKind.Hourly, Minute: 0) });
        await daemon.Api.RunScheduleAsync("long", 60);
        await SqlAsync(daemon, "update schedule_runs set state = 1, lease_until = now() + interval '1 hour'");
        var missed = daemon.NextEventAsync(EventTypes.ScheduleMissed, $"schedules/{made.Id}");

        clock.Set(Noon);
        Worker(daemon).Wake();

        (await missed).Data!.Value.GetProperty("reason").GetString().ShouldBe("The run before was still going on.");
        (await daemon.Api.GetScheduleAsync("long")).LastRun!.ShouldSatisfyAllConditions(run => run.Due.ShouldBe(Noon), run => run.State.ShouldBe(RunState.Skipped));
    }

    [Fact]
    public async Task Old_runs_go_by_age_and_by_count()
    {
        await using var daemon = await StartAsync(null);
        var made = await daemon.Api.CreateScheduleAsync(A("old"));
        await SqlAsync(daemon, """
            insert into schedule_runs (id, schedule, due, trigger, state, actor, started_at, finished_at)
            select gen_random_uuid(), @Value, now() - n * interval '1 hour', 1, 2, 'x', now() - n * interval '1 hour', now() - n * interval '1 hour' from generate_series(1, 1100) n
            """, made.Id);

        await daemon.Services.GetRequiredService<ScheduleRunStore>().RemoveOldAsync(TimeSpan.FromDays(365), default);
        (await CountAsync(daemon, "schedule_runs")).ShouldBe(1_000);
        await daemon.Services.GetRequiredService<ScheduleRunStore>().RemoveOldAsync(TimeSpan.FromHours(24.5), default);
        (await CountAsync(daemon, "schedule_runs")).ShouldBe(24);
    }

    /// <summary>Answers when it likes, whoever has lost patience.</summary>
    private sealed class Deaf : IScheduledAction
    {
        public TaskCompletionSource Asked { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource<Operation?> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public IReadOnlyList<ScheduledAction> Does { get; } = [ScheduledAction.Start];

        public Task<Operation?> BeginAsync(ScheduledWork work, Instance instance, BeginOptions options, CancellationToken ct)
        {
            Asked.SetResult();
            return Answer.Task;
        }
    }

    private static ScheduleSettings A(string name, string? instance = null) => new() { Name = name, Instance = instance, Filter = instance is null ? "*" : null, Action = ScheduledAction.Start, When = new(ScheduleKind.Cron, Cron: "0 0 1 1 *"), TimeZone = "UTC" };

    private async Task<RunningDaemon> StartAsync(SetClock? clock)
    {
        var daemon = new RunningDaemon(postgres) { Time = clock ?? TimeProvider.System };
        await daemon.InitializeAsync();
        return daemon;
    }

    private static ScheduleWorker Worker(RunningDaemon daemon) => daemon.Services.GetServices<IHostedService>().OfType<ScheduleWorker>().Single();

    private static Task SqlAsync(RunningDaemon daemon, string sql, object? parameters = null) => daemon.Services.GetRequiredService<Db>().WithAsync(c => c.ExecuteAsync(sql, parameters), default);

    private static Task<long> CountAsync(RunningDaemon daemon, string of) => daemon.Services.GetRequiredService<Db>().WithAsync(c => c.ExecuteScalarAsync<long>($"select count(*) from {of}"), default);
}
