using System.Text;
using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Host;
using Gantry.Node.Instances;

namespace Gantry.Node.Tests.Drivers.Qemu;

/// <summary>What ends or resets a real guest is told apart, on both kinds, seen while the driver watches and while nobody does.</summary>
public sealed class QemuCauseTests(TestImages images) : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    private readonly TestRoot _root = new();
    private QemuDriver _driver = null!;

    public ValueTask InitializeAsync()
    {
        _driver = new(_root.Context);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _driver.DisposeAsync();
        await _root.DisposeAsync();
    }

    public static TheoryData<InstanceKind, string, StopCause, bool> Ends()
    {
        var all = new TheoryData<InstanceKind, string, StopCause, bool>();
        foreach (var kind in (InstanceKind[])[InstanceKind.Microvm, InstanceKind.Vm])
        {
            foreach (var watched in (bool[])[true, false])
            {
                all.Add(kind, "poweroff -f", StopCause.GuestShutdown, watched);
                all.Add(kind, "echo c >/proc/sysrq-trigger", StopCause.Panicked, watched);
            }
        }

        return all;
    }

    [Theory]
    [MemberData(nameof(Ends))]
    public async Task What_a_guest_ends_itself_by_is_known(InstanceKind kind, string command, StopCause cause, bool watched)
    {
        var spec = await GivenAsync(kind, $"sleep 2; echo now; {command}");
        await _driver.StartAsync(spec.Id, default);
        if (watched)
        {
            (await NextChangeAsync()).State.ShouldBe(InstanceState.Stopped);
        }
        else
        {
            await _driver.DisposeAsync();
            await UntilAsync(() => StatusAsync(spec.Id), status => status is "shutdown" or "guest-panicked");
            _driver = new(_root.Context);
        }

        var seen = await _driver.RecoverAsync(spec.Id, default);
        (seen.State, seen.StopCause).ShouldBe((InstanceState.Stopped, cause));
        seen.Reason.ShouldBe(cause == StopCause.Panicked ? "the guest's kernel panicked" : "the guest powered itself off");
        (await QemuProcess.FindAsync(_root.Context.Folders.Run(spec.Id), TimeProvider.System)).ShouldBeNull();

        // And again for a driver that was not there when it was ended.
        await _driver.DisposeAsync();
        _driver = new(_root.Context);
        (await _driver.RecoverAsync(spec.Id, default)).ShouldBe(seen);
        await _driver.StartAsync(spec.Id, default);
        (await _driver.InspectAsync(spec.Id, default)).StopCause.ShouldBeNull();
    }

    [Theory]
    [InlineData(InstanceKind.Microvm, true)]
    [InlineData(InstanceKind.Microvm, false)]
    [InlineData(InstanceKind.Vm, true)]
    [InlineData(InstanceKind.Vm, false)]
    public async Task A_guest_that_resets_itself_boots_anew_in_the_same_QEMU(InstanceKind kind, bool watched)
    {
        var spec = await GivenAsync(kind, "sleep 3; reboot -f");
        await _driver.StartAsync(spec.Id, default);
        var pid = (await _driver.InspectAsync(spec.Id, default)).Observed!.Pid;
        if (!watched)
        {
            await _driver.DisposeAsync();
            await UntilAsync(() => Task.FromResult(Boots(spec.Id)), boots => boots > 1);
            _driver = new(_root.Context);
            (await _driver.RecoverAsync(spec.Id, default)).State.ShouldBe(InstanceState.Running);
        }

        var change = await NextChangeAsync();
        change.ShouldBe(new(spec.Id, InstanceState.Running, null, WasReset: true));
        await UntilAsync(() => Task.FromResult(Boots(spec.Id)), boots => boots > 1);
        var now = await _driver.InspectAsync(spec.Id, default);
        (now.State, now.Observed!.Pid).ShouldBe((InstanceState.Running, pid));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_reset_that_was_asked_for_is_not_the_guests(bool watched)
    {
        var spec = await GivenAsync(InstanceKind.Vm, "true");
        await _driver.StartAsync(spec.Id, default);
        await UntilAsync(() => Task.FromResult(Boots(spec.Id)), boots => boots > 0);
        await _driver.ResetAsync(spec.Id, default);
        await UntilAsync(() => Task.FromResult(Boots(spec.Id)), boots => boots > 1);
        if (!watched)
        {
            await _driver.DisposeAsync();
            _driver = new(_root.Context);
            await _driver.RecoverAsync(spec.Id, default);
        }

        Posix.Kill((await _driver.InspectAsync(spec.Id, default)).Observed!.Pid!.Value, Posix.SigKill);

        // The reset was asked for, so the kill is the first there is to tell.
        (await NextChangeAsync()).ShouldBe(new(spec.Id, InstanceState.Stopped, "QEMU was killed (signal 9)"));
    }

    [Fact]
    public async Task A_triple_fault_is_a_reset()
    {
        // With reboot=t, Linux reboots by loading an empty interrupt table.
        var spec = await GivenAsync(InstanceKind.Microvm, "sleep 1; reboot -f", "reboot=t");
        await _driver.StartAsync(spec.Id, default);

        (await NextChangeAsync()).WasReset.ShouldBeTrue();
    }

    [Fact]
    public async Task A_QEMU_that_another_told_to_quit_did_not_power_itself_off()
    {
        var spec = await GivenAsync(InstanceKind.Microvm, "true");
        await _driver.StartAsync(spec.Id, default);
        Posix.Kill((await _driver.InspectAsync(spec.Id, default)).Observed!.Pid!.Value, 15);

        await NextChangeAsync();
        var seen = await _driver.InspectAsync(spec.Id, default);
        (seen.State, seen.StopCause).ShouldBe((InstanceState.Stopped, StopCause.Killed));
        seen.Reason!.ShouldContain("terminating on signal 15");
    }

    [Fact]
    public async Task A_QEMU_that_crashed_has_failed()
    {
        var spec = await GivenAsync(InstanceKind.Microvm, "true");
        await _driver.StartAsync(spec.Id, default);
        Posix.Kill((await _driver.InspectAsync(spec.Id, default)).Observed!.Pid!.Value, 11);

        (await NextChangeAsync()).Reason!.ShouldStartWith("QEMU crashed (signal 11)");
        (await _driver.InspectAsync(spec.Id, default)).StopCause.ShouldBe(StopCause.Failed);
    }

    [Fact]
    public async Task A_QEMU_of_before_the_host_restarted_was_ended_by_that()
    {
        var spec = await GivenAsync(InstanceKind.Microvm, "true");
        var run = _root.Context.Folders.Run(spec.Id);
        Directory.CreateDirectory(run);
        await File.WriteAllTextAsync($"{run}/pids", $"1234 5678 1235 5679 {Id<Instance>.New()}\n");
        await File.WriteAllTextAsync($"{run}/exit", "");

        (await _driver.RecoverAsync(spec.Id, default)).ShouldBe(new InstanceStatus(InstanceState.Stopped, "the host restarted while it ran", StopCause: StopCause.HostRestarted));
    }

    private async Task<InstanceSpec> GivenAsync(InstanceKind kind, string run, string commandLine = "quiet") => await _root.DefineAsync(new(
        Id<Instance>.New(), "web-1", kind, "qemu", 1, 128 * Limits.MiB, Firmware.Direct, images.Kernel, images.Initrd,
        $"{commandLine} gantry.run={Convert.ToBase64String(Encoding.UTF8.GetBytes(run))}", 0));

    private int Boots(Id<Instance> id) =>
        Gantry.Node.Drivers.SerialLog.Read($"{_root.Context.Folders.Data(id)}/serial.log", 1 << 20).Text.Split("micro is up").Length - 1;

    /// <summary>Asked by a client of the test's own, as nobody else is there.</summary>
    private async Task<string?> StatusAsync(Id<Instance> id)
    {
        await using var qmp = await Qmp.ConnectAsync($"{_root.Context.Folders.Run(id)}/qmp.sock", Patience, TimeProvider.System, default);
        return (await qmp.ExecuteAsync("query-status", null, Patience, default)).Text("status");
    }

    private static async Task UntilAsync<T>(Func<Task<T>> ask, Func<T, bool> enough)
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (!enough(await ask()))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, deadline.Token);
        }
    }

    private async Task<InstanceChange> NextChangeAsync()
    {
        using var deadline = new CancellationTokenSource(Patience);
        await using var changes = _driver.ChangesAsync(deadline.Token).GetAsyncEnumerator(deadline.Token);
        (await changes.MoveNextAsync()).ShouldBeTrue();
        return changes.Current;
    }
}
