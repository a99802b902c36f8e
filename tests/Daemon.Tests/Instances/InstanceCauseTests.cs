using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace Gantry.Daemon.Tests.Instances;

/// <summary>Why an instance is how it is, and what that means for its next daemon.</summary>
public sealed class InstanceCauseTests(TestPostgres postgres) : IAsyncLifetime
{
    private readonly RunningDaemon _daemon = new(postgres);

    public ValueTask InitializeAsync() => _daemon.InitializeAsync();

    public ValueTask DisposeAsync() => _daemon.DisposeAsync();

    [Theory]
    [InlineData(StopCause.GuestShutdown)]
    [InlineData(StopCause.Panicked)]
    [InlineData(StopCause.Killed)]
    [InlineData(StopCause.Failed)]
    public async Task An_end_is_written_down_with_its_cause_while_the_daemon_watches_and_while_it_is_away(StopCause cause)
    {
        var watched = await _daemon.GivenInstanceAsync("watched", InstanceState.Running);
        var told = _daemon.NextEventAsync(EventTypes.InstanceStopped, $"instances/{watched.Id}");
        _daemon.Sim.End(watched.Id, cause);
        (await told).Data!.Value.GetProperty("cause").GetString().ShouldBe(char.ToLowerInvariant($"{cause}"[0]) + $"{cause}"[1..]);

        var alone = await _daemon.GivenInstanceAsync("alone", InstanceState.Running);
        var sim = _daemon.Sim;
        await _daemon.RestartAsync(() => sim.End(alone.Id, cause));
        foreach (var name in (string[])["watched", "alone"])
        {
            var found = await _daemon.Api.GetInstanceAsync(name);
            (found.State, found.StopCause).ShouldBe((InstanceState.Stopped, cause), name);
            found.StateReason.ShouldNotBeNull();
        }

        // The node forgets with its run folders; the row does not.
        await _daemon.RestartAsync(() => Directory.Delete(_daemon.Node.Context.Folders.Run(alone.Id), recursive: true));
        (await _daemon.Api.GetInstanceAsync("alone")).StopCause.ShouldBe(cause);

        await RunningDaemon.DoneAsync(_daemon.Api.ActOnInstanceAsync("alone", InstanceAction.Start, 60));
        (await _daemon.Api.GetInstanceAsync("alone")).StopCause.ShouldBeNull();
    }

    [Theory]
    [InlineData(InstanceAction.Stop)]
    [InlineData(InstanceAction.Shutdown)]
    public async Task What_was_asked_for_is_told_apart_from_what_happened(InstanceAction action)
    {
        await _daemon.GivenInstanceAsync("asked", InstanceState.Running);
        await RunningDaemon.DoneAsync(_daemon.Api.ActOnInstanceAsync("asked", action, 60));
        await _daemon.RestartAsync();

        var found = await _daemon.Api.GetInstanceAsync("asked");
        (found.StopCause, found.StateReason).ShouldBe((StopCause.Requested, null));
        (await _daemon.GivenInstanceAsync("never-ran")).StopCause.ShouldBeNull();
        (await _daemon.GivenInstanceAsync("halted", InstanceState.Paused)).PauseCause.ShouldBe(PauseCause.Requested);
    }

    [Fact]
    public async Task A_disk_that_fails_pauses_its_instance_which_says_so_and_goes_on_when_asked()
    {
        var made = await _daemon.GivenInstanceAsync("full", InstanceState.Running);
        var told = _daemon.NextEventAsync(EventTypes.InstancePaused, $"instances/{made.Id}");

        _daemon.Sim.FailDisk(made.Id);

        (await told).Data!.Value.GetProperty("cause").GetString().ShouldBe("ioError");
        await _daemon.RestartAsync();
        var found = await _daemon.Api.GetInstanceAsync("full");
        (found.State, found.PauseCause).ShouldBe((InstanceState.Paused, PauseCause.IoError));
        found.StateReason!.ShouldContain("disk");
        await RunningDaemon.DoneAsync(_daemon.Api.ActOnInstanceAsync("full", InstanceAction.Resume, 60));
        found = await _daemon.Api.GetInstanceAsync("full");
        (found.State, found.PauseCause, found.StateReason).ShouldBe((InstanceState.Running, null, null));
    }

    [Fact]
    public async Task A_reset_is_told_with_who_asked_for_it_and_changes_no_state()
    {
        var made = await _daemon.GivenInstanceAsync("anew", InstanceState.Running);
        var byGuest = _daemon.NextEventAsync(EventTypes.InstanceReset, $"instances/{made.Id}");
        _daemon.Sim.ResetItself(made.Id);
        var told = await byGuest;
        (told.Actor, told.Data!.Value.GetProperty("by").GetString()).ShouldBe(("system", "guest"));

        var byUser = _daemon.NextEventAsync(EventTypes.InstanceReset, $"instances/{made.Id}");
        await RunningDaemon.DoneAsync(_daemon.Api.ActOnInstanceAsync("anew", InstanceAction.Reset, 60));
        (await byUser).Data!.Value.GetProperty("by").GetString().ShouldBe("user");
        var found = await _daemon.Api.GetInstanceAsync("anew");
        (found.State, found.StateSince).ShouldBe((InstanceState.Running, made.StateSince));
    }

    [Fact]
    public async Task A_node_that_is_slow_to_say_how_one_is_keeps_no_other_from_being_followed()
    {
        var mute = await _daemon.GivenInstanceAsync("mute", InstanceState.Running);
        var other = await _daemon.GivenInstanceAsync("other", InstanceState.Running);
        var gate = new Gate();
        _daemon.Sim.Before = (call, id, ct) => call == "inspect" && id == mute.Id ? gate.PassAsync(ct) : Task.CompletedTask;
        _daemon.Sim.PowerOff(mute.Id);
        await gate.Entered;

        var told = _daemon.NextEventAsync(EventTypes.InstanceStopped, $"instances/{other.Id}");
        _daemon.Sim.PowerOff(other.Id);
        await told;
        (await _daemon.Api.ListInstancesAsync("?filter=name eq mute")).Items[0].State.ShouldBe(InstanceState.Running);
        var late = _daemon.NextEventAsync(EventTypes.InstanceStopped, $"instances/{mute.Id}");
        gate.Open();
        await late;
    }

    [Fact]
    public async Task A_daemon_that_is_started_anew_brings_back_what_ran_and_leaves_what_was_stopped()
    {
        foreach (var name in (string[])["stopped", "shut", "killed", "off", "fresh"])
        {
            await RunningDaemon.DoneAsync(_daemon.Api.CreateInstanceAsync(RunningDaemon.A(name) with { AutoStart = true, StartNow = name != "fresh" }, 60));
        }

        await _daemon.GivenInstanceAsync("not-by-itself", InstanceState.Running);
        await RunningDaemon.DoneAsync(_daemon.Api.ActOnInstanceAsync("stopped", InstanceAction.Stop, 60));
        await RunningDaemon.DoneAsync(_daemon.Api.ActOnInstanceAsync("shut", InstanceAction.Shutdown, 60));
        var (sim, ids) = (_daemon.Sim, (await _daemon.Api.ListInstancesAsync()).Items.ToDictionary(i => i.Name, i => i.Id));
        await _daemon.RestartAsync(() =>
        {
            sim.End(ids["killed"], StopCause.Killed);
            sim.End(ids["off"], StopCause.GuestShutdown);
            sim.End(ids["not-by-itself"], StopCause.Killed);
        });

        await Eventually.ShouldBeAsync(async () => (await _daemon.Api.GetInstanceAsync("killed")).State, InstanceState.Running);
        (await _daemon.Api.ListOperationsAsync("?limit=1")).Items[0].TargetName.ShouldBe("killed");
        foreach (var name in (string[])["stopped", "shut", "off", "fresh", "not-by-itself"])
        {
            (await _daemon.Api.GetInstanceAsync(name)).State.ShouldBe(InstanceState.Stopped, name);
        }
    }

    [Fact]
    public async Task After_a_restart_of_the_host_what_starts_by_itself_runs_and_the_others_say_what_ended_them()
    {
        await RunningDaemon.DoneAsync(_daemon.Api.CreateInstanceAsync(RunningDaemon.A("auto") with { AutoStart = true }, 60));
        var ran = await _daemon.GivenInstanceAsync("ran", InstanceState.Running);
        await _daemon.Services.GetRequiredService<Db>().WithAsync(c => c.ExecuteAsync("update node_boots set boot_id = gen_random_uuid()"), default);

        await _daemon.RestartAsync(() => Directory.Delete(_daemon.Node.Context.Folders.Run(ran.Id), recursive: true));

        await Eventually.ShouldBeAsync(async () => (await _daemon.Api.GetInstanceAsync("auto")).State, InstanceState.Running);
        var found = await _daemon.Api.GetInstanceAsync("ran");
        (found.State, found.StopCause).ShouldBe((InstanceState.Stopped, StopCause.HostRestarted));

        // And the next daemon of the same boot finds nothing new.
        await RunningDaemon.DoneAsync(_daemon.Api.ActOnInstanceAsync("auto", InstanceAction.Stop, 60));
        await _daemon.RestartAsync();
        (await _daemon.Api.GetInstanceAsync("auto")).State.ShouldBe(InstanceState.Stopped);
    }
}
