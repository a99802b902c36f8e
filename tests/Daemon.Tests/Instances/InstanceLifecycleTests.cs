using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Instances;

public sealed class InstanceLifecycleTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    [Fact]
    public async Task An_instance_is_created_started_paused_resumed_stopped_and_deleted()
    {
        await daemon.GivenInstanceAsync("round");
        foreach (var (action, state) in ((InstanceAction, InstanceState)[])
        [
            (InstanceAction.Start, InstanceState.Running),
            (InstanceAction.Pause, InstanceState.Paused),
            (InstanceAction.Resume, InstanceState.Running),
            (InstanceAction.Shutdown, InstanceState.Stopped),
            (InstanceAction.Start, InstanceState.Running),
            (InstanceAction.Stop, InstanceState.Stopped),
        ])
        {
            await RunningDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync("round", action, 60));
            (await daemon.Api.GetInstanceAsync("round")).State.ShouldBe(state);
        }

        await RunningDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync("round", force: false, 60));
        (await RunningDaemon.RefusedAsync(() => daemon.Api.GetInstanceAsync("round"))).Code.ShouldBe("instance.unknown");
    }

    [Fact]
    public async Task An_instance_can_be_started_as_it_is_created()
    {
        await RunningDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(RunningDaemon.A("at-once") with { StartNow = true }, 60));

        var found = await daemon.Api.GetInstanceAsync("at-once");
        found.State.ShouldBe(InstanceState.Running);
        found.Observed.ShouldNotBeNull();
        (await daemon.Api.GetLogsAsync("at-once")).Text.ShouldContain("at-once has started");
        (await daemon.Api.GetCommandLineAsync("at-once")).Text.ShouldBe("sim at-once");
    }

    [Fact]
    public async Task An_instance_is_found_by_its_id_too()
    {
        var made = await daemon.GivenInstanceAsync("by-id");

        (await daemon.Api.GetInstanceAsync(made.Id.ToString())).Name.ShouldBe("by-id");
    }

    [Fact]
    public async Task A_guest_that_powers_itself_off_is_seen_as_stopped()
    {
        var made = await daemon.GivenInstanceAsync("self-off", InstanceState.Running);
        var stopped = daemon.NextEventAsync(EventTypes.InstanceStopped, $"instances/{made.Id}");

        daemon.Sim.PowerOff(made.Id);

        (await stopped).Actor.ShouldBe("system");
        (await daemon.Api.GetInstanceAsync("self-off")).State.ShouldBe(InstanceState.Stopped);
    }

    [Fact]
    public async Task A_name_is_used_once_and_free_again_after_the_deletion()
    {
        await daemon.GivenInstanceAsync("once");

        (await RunningDaemon.RefusedAsync(() => daemon.Api.CreateInstanceAsync(RunningDaemon.A("once"), 60))).Code.ShouldBe("instance.name_taken");
        await RunningDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync("once", force: false, 60));
        await daemon.GivenInstanceAsync("once");
    }

    [Fact]
    public async Task A_launch_that_does_not_start_leaves_no_instance_behind()
    {
        daemon.Sim.Before = (call, id, _) => call == "start" && daemon.Node.Context.Folders.Read(id).Name == "wont-start"
            ? throw Gantry.Node.Drivers.DriverErrors.StartFailed("wont-start", "out of luck") : Task.CompletedTask;
        var folders = daemon.Node.Context.Folders.All().Count;

        var refusal = await RunningDaemon.RefusedAsync(() => daemon.Api.CreateInstanceAsync(RunningDaemon.A("wont-start") with { StartNow = true }, 60));

        refusal.Code.ShouldBe("driver.start_failed");
        refusal.Message.ShouldContain("out of luck");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.GetInstanceAsync("wont-start"))).Code.ShouldBe("instance.unknown");
        daemon.Node.Context.Folders.All().Count.ShouldBe(folders);
    }

    [Fact]
    public async Task A_guest_that_does_not_react_to_the_power_button_keeps_running()
    {
        await daemon.GivenInstanceAsync("stubborn", InstanceState.Running);
        daemon.Sim.Before = (call, id, _) => call == "stop" && daemon.Node.Context.Folders.Read(id).Name == "stubborn"
            ? throw Gantry.Node.Drivers.DriverErrors.ShutdownTimeout("stubborn", TimeSpan.FromSeconds(1)) : Task.CompletedTask;

        var refusal = await RunningDaemon.RefusedAsync(() => daemon.Api.ShutdownInstanceAsync("stubborn", 1, 60));

        (refusal.Code, refusal.Status).ShouldBe(("instance.shutdown_timeout", 504));
        (await daemon.Api.GetInstanceAsync("stubborn")).State.ShouldBe(InstanceState.Running);
    }

    [Theory]
    [InlineData(InstanceState.Stopped, InstanceAction.Start)]
    [InlineData(InstanceState.Running, InstanceAction.Shutdown)]
    public async Task What_did_not_come_about_is_told_as_no_change(InstanceState before, InstanceAction action)
    {
        var name = $"no-news-{action}".ToLowerInvariant();
        var made = await daemon.GivenInstanceAsync(name, before);
        daemon.Sim.Before = (call, id, _) => call is "start" or "stop" && id == made.Id && !call.StartsWith(action == InstanceAction.Start ? "stop" : "start", StringComparison.Ordinal)
            ? throw Gantry.Node.Drivers.DriverErrors.StartFailed(name, "out of luck") : Task.CompletedTask;
        var events = daemon.EventsUntilAsync(e => e.Type == EventTypes.OperationFinished && e.RequestId == name);

        (await daemon.SendAsync(HttpMethod.Post, $"/instances/{name}/{action.ToString().ToLowerInvariant()}?wait=60", null, ("X-Request-Id", name))).Status.ShouldBe(503);

        (await events).Where(e => e.Topic == "instance" && e.RequestId == name).ShouldBeEmpty();
        (await daemon.Api.GetInstanceAsync(name)).State.ShouldBe(before);
    }

    [Fact]
    public async Task A_change_with_an_outdated_ETag_is_refused()
    {
        var made = await daemon.GivenInstanceAsync("tagged");
        await RunningDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync("tagged", InstanceAction.Start, 60));

        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/instances/tagged/stop", null, ("If-Match", made.Etag));

        (status, problem!.Code).ShouldBe((412, "instance.changed"));
        (await daemon.Api.GetInstanceAsync("tagged")).State.ShouldBe(InstanceState.Running);
    }

    [Fact]
    public async Task The_same_idempotency_key_creates_one_instance()
    {
        const string body = """{"name":"keyed","boot":{"kernel":"/boot/any"}}""";
        var first = await daemon.SendAsync(HttpMethod.Post, "/instances?wait=60", body, ("Idempotency-Key", "k1"));
        var second = await daemon.SendAsync(HttpMethod.Post, "/instances?wait=60", body, ("Idempotency-Key", "k1"));

        first.Status.ShouldBe(200);
        second.Body.GetProperty("id").GetString().ShouldBe(first.Body.GetProperty("id").GetString());
        (await daemon.SendAsync(HttpMethod.Post, "/instances/keyed/start?wait=60", null, ("Idempotency-Key", "k2"))).Status.ShouldBe(200);
        (await daemon.SendAsync(HttpMethod.Post, "/instances/keyed/start?wait=60", null, ("Idempotency-Key", "k2"))).Status.ShouldBe(200);
    }
}
