using System.Text.Json;
using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;
using Gantry.Node.Drivers.Qemu;

namespace Gantry.Daemon.Tests.Instances;

/// <summary>The main job, whole: a real daemon, a real image, real QEMU.</summary>
public sealed class RealMachineTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    [Fact]
    public async Task Machines_of_both_kinds_run_on_through_the_death_of_their_daemon_and_shut_down_when_asked()
    {
        using var root = new TestRoot();
        await using var daemon = new DaemonProcess(root.Path, Database, driver: "qemu");
        await daemon.StartAsync();
        await RunningDaemon.DoneAsync(daemon.Api.BuildImageAsync(new("micro"), 120));
        var pids = new Dictionary<string, int>();
        try
        {
            foreach (var kind in (InstanceKind[])[InstanceKind.Microvm, InstanceKind.Vm])
            {
                var name = $"a-{kind}".ToLowerInvariant();
                await RunningDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(new() { Name = name, Image = "micro", Kind = kind, StartNow = true }, 120));
                pids[name] = (await daemon.Api.GetInstanceAsync(name)).Observed!.Pid!.Value;
            }

            foreach (var name in pids.Keys)
            {
                await Eventually.ShouldBeAsync(async () => (await daemon.Api.GetLogsAsync(name)).Text.Contains($"micro is up: {name}", StringComparison.Ordinal), true);
            }

            await daemon.KillAsync();
            pids.Values.ShouldAllBe(pid => Directory.Exists($"/proc/{pid}"));
            await daemon.StartAsync();
            await Eventually.ShouldBeAsync(async () => (await daemon.Api.GetHealthAsync()).Status, "ok");

            foreach (var (name, pid) in pids)
            {
                var found = await daemon.Api.GetInstanceAsync(name);
                (found.State, found.Observed?.Pid).ShouldBe((InstanceState.Running, pid));
                await RunningDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync(name, InstanceAction.Pause, 60));
                await RunningDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync(name, InstanceAction.Resume, 60));
                await RunningDaemon.DoneAsync(daemon.Api.ShutdownInstanceAsync(name, 110, 120));
                Directory.Exists($"/proc/{pid}").ShouldBeFalse();
                await RunningDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync(name, force: false, 60));
            }

            Directory.GetFileSystemEntries($"{root.Path}/data/instances").ShouldBeEmpty();
            Directory.GetFileSystemEntries($"{root.Path}/run/instances").ShouldBeEmpty();
        }
        finally
        {
            foreach (var run in Directory.GetDirectories($"{root.Path}/run/instances"))
            {
                if (await QemuProcess.FindAsync(run, TimeProvider.System) is { } left)
                {
                    left.Kill();
                    await left.SettleAsync(TimeProvider.System);
                }
            }
        }
    }

    [Fact]
    public async Task What_guests_did_while_the_daemon_was_dead_is_told_by_the_next_one()
    {
        using var root = new TestRoot();
        await using var daemon = new DaemonProcess(root.Path, Database, driver: "qemu");
        await daemon.StartAsync();
        await RunningDaemon.DoneAsync(daemon.Api.BuildImageAsync(new("micro"), 120));
        var guests = new (string Name, InstanceKind Kind, string Run, string Done)[]
        {
            ("off", InstanceKind.Vm, "sleep 3; poweroff -f", "Power down"),
            ("panicked", InstanceKind.Microvm, "sleep 3; echo c >/proc/sysrq-trigger", "Kernel panic"),
            ("again", InstanceKind.Vm, "sleep 3; reboot -f", "Restarting system"),
        };
        var pids = new List<int>();
        try
        {
            var ids = new Dictionary<string, Id<Instance>>();
            foreach (var (name, kind, run, _) in guests)
            {
                var commandLine = $"quiet gantry.run={Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(run))}";
                await RunningDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(new() { Name = name, Image = "micro", Kind = kind, Boot = new() { CommandLine = commandLine }, StartNow = true }, 120));
                var made = await daemon.Api.GetInstanceAsync(name);
                ids[name] = made.Id;
                pids.Add(made.Observed!.Pid!.Value);
            }

            await daemon.KillAsync();
            foreach (var (name, _, _, done) in guests)
            {
                await Eventually.ShouldBeAsync(
                    async () => (await File.ReadAllTextAsync($"{root.Path}/data/instances/{ids[name]}/serial.log")).Contains(done, StringComparison.Ordinal), true);
            }

            await daemon.StartAsync();
            await Eventually.ShouldBeAsync(async () => (await daemon.Api.GetInstanceAsync("off")).StopCause, StopCause.GuestShutdown);
            await Eventually.ShouldBeAsync(async () => (await daemon.Api.GetInstanceAsync("panicked")).StopCause, StopCause.Panicked);
            (await daemon.Api.GetInstanceAsync("again")).State.ShouldBe(InstanceState.Running);
            using var deadline = new CancellationTokenSource(TestDaemon.Deadline, TimeProvider.System);
            await foreach (var json in daemon.Api.StreamEventsAsync(since: 0, "instance", ct: deadline.Token))
            {
                var happened = JsonSerializer.Deserialize(json, WireJson.Default.Event)!;
                if (happened.Type == EventTypes.InstanceReset && happened.Subject == $"instances/{ids["again"]}")
                {
                    happened.Data!.Value.GetProperty("by").GetString().ShouldBe("guest");
                    break;
                }
            }

            foreach (var (name, _, _, _) in guests)
            {
                await RunningDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync(name, force: true, 60));
            }
        }
        finally
        {
            foreach (var pid in pids.Where(pid => IsOurs(pid, root.Path)))
            {
                Posix.Kill(pid, Posix.SigKill);
            }
        }
    }

    [Fact]
    public async Task A_machine_whose_QEMU_ends_at_once_is_not_launched_and_its_last_words_are_told()
    {
        using var root = new TestRoot();
        await using var daemon = new DaemonProcess(root.Path, Database, driver: "qemu");
        await daemon.StartAsync();

        // Not a kernel: QEMU says so and ends.
        var refusal = await RunningDaemon.RefusedAsync(() => daemon.Api.CreateInstanceAsync(
            new() { Name = "no-kernel", Kind = InstanceKind.Vm, Boot = new() { Kernel = "/etc/hostname" }, StartNow = true }, 120));

        refusal.Code.ShouldBe("driver.start_failed");
        refusal.Message.ShouldContain("qemu", Case.Insensitive);
        (await daemon.Api.ListInstancesAsync()).Items.ShouldBeEmpty();
        Directory.GetFileSystemEntries($"{root.Path}/data/instances").ShouldBeEmpty();
        Directory.GetFileSystemEntries($"{root.Path}/run/instances").ShouldBeEmpty();
    }
}
