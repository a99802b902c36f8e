using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Host;
using Gantry.Node.Instances;

namespace Gantry.Node.Tests.Drivers.Qemu;

/// <summary>What is QEMU's own, beyond the suite every driver passes.</summary>
public sealed class QemuDriverTests(TestImages images) : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(6);

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

    [Fact]
    public async Task A_running_QEMU_has_a_user_of_its_own_and_no_privilege()
    {
        var spec = await GivenAsync();
        await _driver.StartAsync(spec.Id, default);
        var pid = (await _driver.InspectAsync(spec.Id, default)).Observed!.Pid!.Value;

        foreach (var process in (int[])[pid, SupervisorOf(spec.Id)])
        {
            var status = File.ReadLines($"/proc/{process}/status").Select(l => l.Split(':', 2)).ToDictionary(l => l[0], l => l[1].Trim());
            status["Uid"].ShouldBe(string.Join('\t', Enumerable.Repeat(spec.Uid, 4)));
            status["Gid"].ShouldBe(string.Join('\t', Enumerable.Repeat(spec.Uid, 4)));
            status["Groups"].ShouldBe("");
            foreach (var set in (string[])["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
            {
                status[set].ShouldBe("0000000000000000", set);
            }

            status["NoNewPrivs"].ShouldBe("1");
            status["Seccomp"].ShouldBe(process == pid ? "2" : "0");
            File.ReadAllText($"/proc/{process}/limits").ShouldMatch(@"Max core file size +0 +0 ");
        }

        foreach (var file in Directory.GetFiles(_root.Context.Folders.Run(spec.Id)).Concat(Directory.GetFiles(_root.Context.Folders.Data(spec.Id))))
        {
            ((int)File.GetUnixFileMode(file) & 0b000_111_111).ShouldBe(0, file);
        }
    }

    [Fact]
    public async Task A_killed_QEMU_is_told_of_also_when_nobody_was_there()
    {
        var spec = await GivenAsync();
        await _driver.StartAsync(spec.Id, default);
        Posix.Kill((await _driver.InspectAsync(spec.Id, default)).Observed!.Pid!.Value, Posix.SigKill);
        (await NextChangeAsync()).ShouldBe(new(spec.Id, InstanceState.Stopped, "QEMU was killed (signal 9)"));
        (await _driver.InspectAsync(spec.Id, default)).StopCause.ShouldBe(StopCause.Killed);

        await _driver.StartAsync(spec.Id, default);
        var pid = (await _driver.InspectAsync(spec.Id, default)).Observed!.Pid!.Value;
        await _driver.DisposeAsync();
        using (var process = (await QemuProcess.FindAsync(_root.Context.Folders.Run(spec.Id), TimeProvider.System))!)
        {
            Posix.Kill(pid, Posix.SigKill);
            await process.SettleAsync(TimeProvider.System);
        }

        _driver = new(_root.Context);
        (await _driver.RecoverAsync(spec.Id, default)).ShouldBe(new InstanceStatus(InstanceState.Stopped, "QEMU was killed (signal 9)", StopCause: StopCause.Killed));
    }

    [Fact]
    public async Task A_killed_supervisor_takes_QEMU_along()
    {
        var spec = await GivenAsync();
        await _driver.StartAsync(spec.Id, default);
        Posix.Kill(SupervisorOf(spec.Id), Posix.SigKill);

        var change = await NextChangeAsync();
        change.State.ShouldBe(InstanceState.Stopped);
        change.Reason!.ShouldContain("together with its supervisor");
    }

    [Fact]
    public async Task A_hung_QEMU_can_be_looked_at_and_stopped()
    {
        const int stop = 19; // SIGSTOP
        var spec = await GivenAsync();
        await _driver.StartAsync(spec.Id, default);
        var pid = (await _driver.InspectAsync(spec.Id, default)).Observed!.Pid!.Value;
        Posix.Kill(pid, stop);
        Posix.Kill(SupervisorOf(spec.Id), stop);

        var status = await _driver.InspectAsync(spec.Id, default);
        status.State.ShouldBe(InstanceState.Running);
        status.Reason!.ShouldContain("does not answer");
        await _driver.StopAsync(spec.Id, StopMode.PowerOff, TimeSpan.Zero, default);

        HostProcess.StartOf(pid).ShouldBeNull();
        (await _driver.InspectAsync(spec.Id, default)).ShouldBe(new InstanceStatus(InstanceState.Stopped));
    }

    [Fact]
    public async Task A_QEMU_whose_monitor_is_gone_can_be_looked_at_and_stopped()
    {
        var spec = await GivenAsync();
        await _driver.StartAsync(spec.Id, default);
        await _driver.DisposeAsync();
        File.Delete($"{_root.Context.Folders.Run(spec.Id)}/qmp.sock");
        _driver = new(_root.Context);

        var status = await _driver.RecoverAsync(spec.Id, default);
        status.State.ShouldBe(InstanceState.Running);
        status.Reason!.ShouldContain("cannot be reached");
        (await Should.ThrowAsync<Refusal>(() => _driver.ResizeAsync(spec.Id, new(1, 64 * Limits.MiB), default))).Code.ShouldBe("driver.no_answer");
        await _driver.StopAsync(spec.Id, StopMode.PowerOff, TimeSpan.Zero, default);

        HostProcess.StartOf(status.Observed!.Pid!.Value).ShouldBeNull();
    }

    [Fact]
    public async Task A_guest_that_writes_without_end_fills_no_disk_and_waits_for_no_reader()
    {
        const string line = "0123456789012345678901234567890123456789012345678901234567890123456789";
        var spec = await GivenAsync($"quiet rdinit=/bin/sh -- -c \"yes {line} | head -c 20000000; echo the end; poweroff -f\"");
        await _driver.StartAsync(spec.Id, default);
        await using var stalled = await _driver.OpenSerialAsync(spec.Id, 0, 0, default);
        await using var reader = new LineTypist(await _driver.OpenSerialAsync(spec.Id, 0, 0, default), Patience);

        await reader.WaitForAsync("the end");
        (await NextChangeAsync()).State.ShouldBe(InstanceState.Stopped);

        (reader.Start, reader.Missed).ShouldBe((0, 0));
        Directory.GetFiles(_root.Context.Folders.Data(spec.Id), "serial.log*").Where(f => !f.EndsWith(".times", StringComparison.Ordinal))
            .Sum(f => new FileInfo(f).Length).ShouldBeInRange(2 << 20, 4 << 20);
        (await _driver.ReadSerialAsync(spec.Id, 100, default)).Text.ShouldContain("the end");
    }

    [Fact]
    public async Task A_supervisor_from_before_there_were_consoles_is_told_of()
    {
        var spec = await GivenAsync();
        await _driver.StartAsync(spec.Id, default);
        File.Delete($"{_root.Context.Folders.Run(spec.Id)}/tty.sock");

        (await Should.ThrowAsync<Refusal>(() => _driver.OpenSerialAsync(spec.Id, null, 0, default))).Code.ShouldBe("console.supervisor_too_old");
    }

    [Fact]
    public async Task A_QEMU_that_ends_at_once_leaves_its_last_words_and_nothing_else()
    {
        var kernel = $"{_root.Path}/not-a-kernel";
        await File.WriteAllTextAsync(kernel, "no kernel");
        File.SetUnixFileMode(kernel, (UnixFileMode)0b110_100_100);
        var spec = await GivenAsync(kernel: kernel);

        var refusal = await Should.ThrowAsync<Refusal>(() => _driver.StartAsync(spec.Id, default));

        refusal.Code.ShouldBe("driver.start_failed");
        refusal.Message.ShouldContain("kernel", Case.Insensitive);
        NothingRuns(spec);
        (await _driver.InspectAsync(spec.Id, default)).State.ShouldBe(InstanceState.Stopped);
    }

    [Fact]
    public async Task A_program_that_never_opens_its_monitor_is_ended_when_the_start_is_cancelled()
    {
        await using var driver = new QemuDriver(_root.Context, await GivenProgramAsync("[ \"$1\" = --version ] && exit; exec sleep 1000"));
        var spec = await GivenAsync();
        using var cancel = new CancellationTokenSource();
        var start = driver.StartAsync(spec.Id, cancel.Token);
        while (!File.Exists($"{_root.Context.Folders.Run(spec.Id)}/pids"))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        }

        await cancel.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => start);

        NothingRuns(spec);
    }

    [Fact]
    public async Task Without_QEMU_the_driver_says_which_package_is_missing()
    {
        await using var driver = new QemuDriver(_root.Context, "/nowhere/qemu");
        var spec = await GivenAsync();

        (await driver.ProbeAsync(default)).Health.ShouldBe(DriverHealth.Unusable);
        var refusal = await Should.ThrowAsync<Refusal>(() => driver.StartAsync(spec.Id, default));
        refusal.Code.ShouldBe("driver.unusable");
        refusal.Message.ShouldContain("apt-get install qemu-system-x86");
    }

    [Fact]
    public async Task Without_the_launcher_nothing_is_started_and_the_driver_says_why()
    {
        var node = _root.Context with { Launcher = $"{_root.Path}/gone" };
        await using var driver = new QemuDriver(node);
        var spec = await GivenAsync();

        (await driver.ProbeAsync(default)).Health.ShouldBe(DriverHealth.Unusable);
        var refusal = await Should.ThrowAsync<Refusal>(() => driver.StartAsync(spec.Id, default));
        (refusal.Code, refusal.Message).ShouldBe(("driver.unusable", $"The driver 'qemu' cannot run instances here: the launcher {node.Launcher} is missing: install Gantry anew."));
        await using var local = new LocalNode(node);
        (await local.ExamineIsolationAsync(default)).ShouldHaveSingleItem().Finding.ShouldContain("gone");
        NothingRuns(spec);
    }

    [Fact]
    public async Task A_kernel_that_a_guests_user_cannot_read_is_refused()
    {
        var secret = $"{_root.Path}/secret";
        await File.WriteAllTextAsync(secret, "x");
        File.SetUnixFileMode(secret, UnixFileMode.UserRead);
        var spec = await GivenAsync();

        foreach (var (kernel, why) in new[] { ("/nowhere/kernel", "no such file"), (secret, "not everyone may read"), ("/tmp", "directory"), ("kernel", "absolute"), ("/dev/null", "regular") })
        {
            var refusal = await Should.ThrowAsync<Refusal>(() => _driver.CheckAsync(spec with { Kernel = kernel }, default));
            refusal.Code.ShouldBe("kernel.missing");
            refusal.Message.ShouldContain(why);
        }

        (await Should.ThrowAsync<Refusal>(() => _driver.CheckAsync(spec with { Kernel = null }, default))).Code.ShouldBe("kernel.needed");
        (await Should.ThrowAsync<Refusal>(() => _driver.CheckAsync(spec with { Initrd = "/nowhere" }, default))).Code.ShouldBe("initrd.missing");
        (await Should.ThrowAsync<Refusal>(() => _driver.CheckAsync(spec with { Firmware = Firmware.Uefi }, default))).Code.ShouldBe("driver.cannot");
        (await Should.ThrowAsync<Refusal>(() => _driver.CheckAsync(spec with { Tpm = true }, default))).Code.ShouldBe("driver.cannot");
        (await Should.ThrowAsync<Refusal>(() => _driver.CheckAsync(spec with { Architecture = Architecture.Aarch64 }, default))).Code.ShouldBe("driver.architecture");
    }

    private async Task<InstanceSpec> GivenAsync(string commandLine = "quiet", string? kernel = null) => await _root.DefineAsync(new(
        Id<Instance>.New(), "web-1", InstanceKind.Microvm, "qemu", 1, 128 * Limits.MiB, Firmware.Direct, kernel ?? images.Kernel, images.Initrd, commandLine, 0));

    private async Task<string> GivenProgramAsync(string script)
    {
        var path = $"{_root.Path}/program";
        await File.WriteAllTextAsync(path, $"#!/bin/sh\n{script}\n");
        File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101);
        return path;
    }

    private int SupervisorOf(Id<Instance> id) => int.Parse(File.ReadAllText($"{_root.Context.Folders.Run(id)}/pids").Split(' ')[2], System.Globalization.CultureInfo.InvariantCulture);

    private void NothingRuns(InstanceSpec spec)
    {
        Directory.Exists(_root.Context.Folders.Run(spec.Id)).ShouldBeFalse();
        Directory.GetDirectories("/proc").Where(p => IsOf(p, spec.Uid)).ShouldBeEmpty();
    }

    private static bool IsOf(string process, int uid)
    {
        try
        {
            // What has ended and only waits for init to look at it does not run.
            var status = File.ReadAllText($"{process}/status");
            return status.Contains($"Uid:\t{uid}\t", StringComparison.Ordinal) && !status.Contains("State:\tZ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
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
