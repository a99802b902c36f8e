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
