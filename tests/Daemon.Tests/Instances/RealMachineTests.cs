using System.Text.Json;
using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Instances;

/// <summary>The main job, whole: a real daemon, a real image, real QEMU.</summary>
public sealed class RealMachineTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    [Fact]
    public async Task Machines_of_both_kinds_run_on_through_the_death_of_their_daemon_and_shut_down_when_asked()
    {
        await using var machines = await RealMachines.WithMicroAsync(Database);
        var pids = new Dictionary<string, int>();
        foreach (var kind in (InstanceKind[])[InstanceKind.Microvm, InstanceKind.Vm])
        {
            var name = $"a-{kind}".ToLowerInvariant();
            pids[name] = (await machines.LaunchAsync(name, kind)).Observed!.Pid!.Value;
        }

        foreach (var name in pids.Keys)
        {
            await machines.SaysAsync(name, $"micro is up: {name}");
        }

        await machines.Daemon.KillAsync();
        pids.Values.ShouldAllBe(pid => Directory.Exists($"/proc/{pid}"));
        await machines.Daemon.StartAsync();
        await Eventually.ShouldBeAsync(async () => (await machines.Api.GetHealthAsync()).Status, "ok");

        foreach (var (name, pid) in pids)
        {
            var found = await machines.Api.GetInstanceAsync(name);
            (found.State, found.Observed?.Pid).ShouldBe((InstanceState.Running, pid));
            await RunningDaemon.DoneAsync(machines.Api.ActOnInstanceAsync(name, InstanceAction.Pause, 60));
            await RunningDaemon.DoneAsync(machines.Api.ActOnInstanceAsync(name, InstanceAction.Resume, 60));
            await RunningDaemon.DoneAsync(machines.Api.ShutdownInstanceAsync(name, 110, 120));
            Directory.Exists($"/proc/{pid}").ShouldBeFalse();
            await RunningDaemon.DoneAsync(machines.Api.DeleteInstanceAsync(name, force: false, 60));
        }

        machines.ShouldBeEmpty();
    }

    [Fact]
    public async Task What_guests_did_while_the_daemon_was_dead_is_told_by_the_next_one()
    {
        await using var machines = await RealMachines.WithMicroAsync(Database);
        var guests = new (string Name, InstanceKind Kind, string Run, string Done)[]
        {
            ("off", InstanceKind.Vm, "sleep 3; poweroff -f", "Power down"),
            ("panicked", InstanceKind.Microvm, "sleep 3; echo c >/proc/sysrq-trigger", "Kernel panic"),
            ("again", InstanceKind.Vm, "sleep 3; reboot -f", "Restarting system"),
        };
        var ids = new Dictionary<string, Id<Instance>>();
        foreach (var (name, kind, run, _) in guests)
        {
            ids[name] = (await machines.LaunchAsync(name, kind, run)).Id;
        }

        await machines.Daemon.KillAsync();
        foreach (var (name, _, _, done) in guests)
        {
            await Eventually.ShouldBeAsync(
                async () => (await File.ReadAllTextAsync($"{machines.Root}/data/instances/{ids[name]}/serial.log")).Contains(done, StringComparison.Ordinal), true);
        }

        await machines.Daemon.StartAsync();
        await Eventually.ShouldBeAsync(async () => (await machines.Api.GetInstanceAsync("off")).StopCause, StopCause.GuestShutdown);
        await Eventually.ShouldBeAsync(async () => (await machines.Api.GetInstanceAsync("panicked")).StopCause, StopCause.Panicked);
        (await machines.Api.GetInstanceAsync("again")).State.ShouldBe(InstanceState.Running);
        using var deadline = new CancellationTokenSource(TestDaemon.Deadline, TimeProvider.System);
        await foreach (var json in machines.Api.StreamEventsAsync(since: 0, "instance", ct: deadline.Token))
        {
            var happened = JsonSerializer.Deserialize(json, WireJson.Default.Event)!;
            if (happened.Type == EventTypes.InstanceReset && happened.Subject == $"instances/{ids["again"]}")
            {
                happened.Data!.Value.GetProperty("by").GetString().ShouldBe("guest");
                break;
            }
        }

        await machines.DeleteAsync(guests.Select(g => g.Name));
    }

    [Fact]
    public async Task A_machine_whose_QEMU_ends_at_once_is_not_launched_and_its_last_words_are_told()
    {
        await using var machines = await RealMachines.StartAsync(Database);

        // Not a kernel: QEMU says so and ends.
        var refusal = await RunningDaemon.RefusedAsync(() => machines.Api.CreateInstanceAsync(
            new() { Name = "no-kernel", Kind = InstanceKind.Vm, Boot = new() { Kernel = "/etc/hostname" }, StartNow = true }, 120));

        refusal.Code.ShouldBe("driver.start_failed");
        refusal.Message.ShouldContain("qemu", Case.Insensitive);
        (await machines.Api.ListInstancesAsync()).Items.ShouldBeEmpty();
        machines.ShouldBeEmpty();
    }
}
