using System.Globalization;
using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Host;
using Gantry.Node.Instances;
using Gantry.Node.Tests.Drivers.Qemu;
using Gantry.Node.Tests.Pools;

namespace Gantry.Node.Tests.Snapshots;

/// <summary>Snapshots with memory of a real guest, in which a counter counts: it goes on from the value it had, or not at all.</summary>
public sealed class MemorySnapshotTests(TestImages images) : IAsyncDisposable
{
    private const string Counts = "(n=0; while :; do n=$((n+1)); echo $n >/n; sleep 0.1; done) &";

    private readonly DiskRig _rig = new(images);

    private LocalNode Node => _rig.Node;

    private Id<Instance> Id => _rig.Id;

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task A_guest_goes_on_from_the_value_its_counter_had_with_its_disk_as_it_was()
    {
        var (first, second, third) = (Id<Snapshot>.New(), Id<Snapshot>.New(), Id<Snapshot>.New());
        await CountingAsync(InstanceKind.Microvm, spec => spec with { Nics = [new("eth0", "02:00:00:00:00:01")] });
        await WriteAsync("first");
        var before = await CountedAsync(3);
        var taken = await TakeAsync(first);
        (taken.Record.Level, taken.Record.State).ShouldBe((SnapshotLevel.Application, InstanceState.Running));
        taken.Record.Memory!.Bytes.ShouldBeInRange(8 * Limits.MiB, 200 * Limits.MiB);
        (await StateAsync()).ShouldBe(InstanceState.Running);
        var after = await CountedAsync(before + 20);
        await WriteAsync("second");

        // One that is paused stays so, and has its disks: another of it follows at once.
        await Node.PauseAsync(Id, default);
        (await TakeAsync(second)).Record.State.ShouldBe(InstanceState.Paused);
        await TakeAsync(third);
        (await StateAsync()).ShouldBe(InstanceState.Paused);
        await Node.DeleteSnapshotAsync(Id, third, _ => { }, default);
        await Node.ResumeAsync(Id, default);
        await CountedAsync(after + 1);
        await WriteAsync("third");

        await Node.StopAsync(Id, default);
        await Node.DemandRestorableAsync(Id, first, taken.Sha256, default, memory: true);
        await Node.RestoreSnapshotAsync(Id, first, default);
        await Node.ContinueFromSnapshotAsync(Id, first, pause: true, default);
        (await StateAsync()).ShouldBe(InstanceState.Paused);
        await Node.ContinueFromSnapshotAsync(Id, first, pause: false, default);
        (await CountedAsync(1)).ShouldBeInRange(before, after - 10);
        await CountedAsync(before + 5);
        (await ReadAsync()).ShouldBe("first");
        await WriteAsync("fourth");
        await _rig.DemandOpenAsync("data");

        // From there it has written to its disk: memory that knows nothing of that is not loaded a second time.
        await KillAsync();
        await Node.ContinueFromSnapshotAsync(Id, first, pause: false, default);
        (await StateAsync()).ShouldBe(InstanceState.Stopped);

        // It has room for what it had, whatever it is to have at its next start.
        var had = Node.Context.Folders.Read(Id).MemoryBytes;
        await Node.ResizeAsync(Id, new(1, had / 2), null, default);
        await BackAsync(second);
        long.Parse(File.ReadLines($"{Node.Context.Folders.Run(Id)}/cgroups").First(), CultureInfo.InvariantCulture).ShouldBeGreaterThan(had);
        (await CountedAsync(1)).ShouldBeGreaterThanOrEqualTo(after);
        (await ReadAsync()).ShouldBe("second");

        // What was altered is told, and never loaded.
        (await Node.VerifySnapshotAsync(Id, first, taken.Sha256, default)).ShouldBeEmpty();
        var memory = $"{Node.Context.Folders.Data(Id)}/snapshots/{first}/memory";
        await using (var file = File.OpenWrite(memory))
        {
            file.Position = file.Length / 2;
            file.WriteByte(77);
            file.WriteByte(78);
        }

        (await Node.VerifySnapshotAsync(Id, first, taken.Sha256, default)).ShouldHaveSingleItem().ShouldStartWith($"{memory} was altered");
        (await Should.ThrowAsync<Refusal>(() => Node.DemandRestorableAsync(Id, first, taken.Sha256, default, memory: true))).Code.ShouldBe("snapshot.damaged");
        File.Delete(memory);
        (await Node.VerifySnapshotAsync(Id, first, taken.Sha256, default)).ShouldBe([$"{memory} is missing."]);
    }

    /// <summary>What was plugged in while it ran, and what it was started with and has lost since.</summary>
    [Fact]
    public async Task A_VM_goes_on_with_the_devices_processors_and_memory_it_had_by_then_and_is_refused_with_others()
    {
        var snapshot = Id<Snapshot>.New();
        await CountingAsync(InstanceKind.Vm, spec => spec with { MemoryBytes = 256 * Limits.MiB, MaxCpus = 3, MaxMemoryBytes = 768 * Limits.MiB, Nics = [new("gone", "02:00:00:00:00:01"), new("kept", "02:00:00:00:00:02")] });
        (await Node.UnplugNicAsync(Id, "gone", default)).ShouldBe(new NicChange());
        (await Node.PlugNicAsync(Id, new("extra", "02:00:00:00:00:03"), default)).ShouldBe(new NicChange());
        (await Node.PlugDiskAsync(Id, DiskRig.Disk("more", Limits.MiB), default)).ShouldBe(new DiskChange());
        var size = new InstanceSize(2, 384 * Limits.MiB);
        (await Node.ResizeAsync(Id, size, size, default))!.Now.ShouldBe(size);
        const string sees = "for d in /sys/block/vd*; do echo $(cat $d/serial) $(basename $(readlink -f $d/device/..)); done; cat /sys/devices/system/cpu/online; awk '/MemTotal/ { print $2 }' /proc/meminfo";
        await _rig.AskAsync("while [ ! -b /dev/vdb ] || [ $(cat /sys/devices/system/cpu/online) != 0-1 ]; do sleep 0.1; done");
        var seen = await _rig.AskAsync(sees);
        var before = await CountedAsync(3);
        var taken = await TakeAsync(snapshot);
        await Node.StopAsync(Id, default);

        // With its next start it would have other sizes; its memory goes on with those it had.
        await Node.ResizeAsync(Id, new(1, 256 * Limits.MiB), null, default);
        await BackAsync(snapshot);
        (await CountedAsync(1)).ShouldBeInRange(before, before + 200);
        (await _rig.AskAsync(sees)).ShouldBe(seen);
        var observed = (await Node.InspectAsync(Id, default)).Observed!;
        (observed.Cpus, observed.MemoryBytes).ShouldBe((2, 384 * Limits.MiB));

        // And its hands are not tied: what can be plugged in can be pulled out.
        (await Node.UnplugNicAsync(Id, "extra", default)).ShouldBe(new NicChange());
        var refusal = await Should.ThrowAsync<Refusal>(() => Node.DemandRestorableAsync(Id, snapshot, taken.Sha256, default, memory: true));
        (refusal.Code, refusal.Message).ShouldBe(("snapshot.other_machine", "'guest' cannot go on from the memory of the snapshot: it had the NIC 'extra' then."));
        await Node.DemandRestorableAsync(Id, snapshot, taken.Sha256, default);
    }

    [Fact]
    public async Task A_daemon_or_a_QEMU_that_dies_between_any_two_commands_leaves_the_snapshot_or_none_and_a_guest_that_goes_on()
    {
        var start = Id<Snapshot>.New();
        await CountingAsync(InstanceKind.Microvm);
        await CountedAsync(3);
        await TakeAsync(start);
        List<string> commands = [];
        await _rig.RestartNodeAsync(commands.Add);
        await TakeAndDeleteAsync();
        string[] steps = ["stop", "transaction", "getfd", "migrate", "query-migrate", "cont"];
        steps.Select(s => commands.IndexOf(s)).ShouldBeInOrder();
        foreach (var at in steps.Select(s => commands.IndexOf(s)))
        {
            // The daemon: the next one lets the guest go on, and the same call then does all of it.
            var snapshot = Id<Snapshot>.New();
            await RestartDyingAsync(at, () => throw new QmpGone());
            (await Record.ExceptionAsync(() => TakeAsync(snapshot))).ShouldNotBeNull($"died before {commands[at]}");
            await _rig.RestartNodeAsync();
            (await Node.RecoverAsync(default))[Id].State.ShouldBe(InstanceState.Running, $"died before {commands[at]}");
            await TakeAsync(snapshot);
            await Node.DeleteSnapshotAsync(Id, snapshot, _ => { }, default);

            // QEMU: nothing is left of the snapshot, and the one before is whole.
            var pid = (await Node.InspectAsync(Id, default)).Observed!.Pid!.Value;
            await RestartDyingAsync(at, () => Posix.Kill(pid, Posix.SigKill));
            await Record.ExceptionAsync(() => TakeAsync(snapshot));
            _rig.Spare();
            while (await StateAsync() != InstanceState.Stopped)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
            }

            await Node.DeleteSnapshotAsync(Id, snapshot, _ => { }, default);
            (await Node.SnapshotSizesAsync(Id, default)).Keys.ShouldBe([start]);
            await BackAsync(start);
        }

        // While it is put back: whoever comes next does all of it.
        commands.Clear();
        await _rig.RestartNodeAsync(commands.Add);
        await Node.StopAsync(Id, default);
        await Node.RestoreSnapshotAsync(Id, start, default);
        commands.Clear();
        await Node.ContinueFromSnapshotAsync(Id, start, pause: false, default);
        foreach (var at in ((string[])["query-status", "cont"]).Select(s => commands.IndexOf(s)))
        {
            await Node.StopAsync(Id, default);
            await Node.RestoreSnapshotAsync(Id, start, default);
            await RestartDyingAsync(at, () => throw new QmpGone());
            await Record.ExceptionAsync(() => Node.ContinueFromSnapshotAsync(Id, start, pause: false, default));
            await _rig.RestartNodeAsync();
            await Node.RecoverAsync(default);
            await Node.ContinueFromSnapshotAsync(Id, start, pause: false, default);
            (await StateAsync()).ShouldBe(InstanceState.Running, $"died before {commands[at]}");
        }

        await CountedAsync(await CountedAsync(1) + 2);

        async Task TakeAndDeleteAsync()
        {
            var snapshot = Id<Snapshot>.New();
            await TakeAsync(snapshot);
            await Node.DeleteSnapshotAsync(Id, snapshot, _ => { }, default);
        }

        async Task RestartDyingAsync(int at, Action die)
        {
            var number = 0;
            await _rig.RestartNodeAsync(_ =>
            {
                if (number++ == at)
                {
                    die();
                }
            });
        }
    }

    [Fact]
    public async Task A_cancelled_one_and_one_for_which_there_is_no_room_leave_nothing_and_the_guest_goes_on()
    {
        await using var small = await StorageHost.MakeAsync("mkdir small; mount -t tmpfs -o size=220m none small");
        await CountingAsync(InstanceKind.Microvm);
        var driver = (IMemory)Node.Driver("qemu");
        await Node.PauseAsync(Id, default);
        using var cancel = new CancellationTokenSource();
        await Should.ThrowAsync<OperationCanceledException>(() => driver.SaveMemoryAsync(Id, async (_, _) => await cancel.CancelAsync(), _ => { }, cancel.Token));
        await Should.ThrowAsync<IOException>(() => driver.SaveMemoryAsync(Id, (_, _) => throw new IOException("broken"), _ => { }, default));
        var written = 0L;
        await driver.SaveMemoryAsync(Id, (piece, _) =>
        {
            written += piece.Length;
            return default;
        }, _ => { }, default);
        written.ShouldBeGreaterThan(8 * Limits.MiB);
        await Node.ResumeAsync(Id, default);
        await CountedAsync(await CountedAsync(1) + 1);

        var folder = $"{small.Seen}/small";
        Directory.CreateSymbolicLink($"{Node.Context.Folders.Data(Id)}/snapshots", folder);
        var snapshot = Id<Snapshot>.New();
        await _rig.RestartNodeAsync(command =>
        {
            if (command == "migrate")
            {
                using var filler = File.Create($"{folder}/filler");
                filler.Write(new byte[210 * Limits.MiB]);
            }
        });
        var refusal = await Should.ThrowAsync<Refusal>(() => TakeAsync(snapshot));
        (refusal.Code, refusal.Message.Contains("became full", StringComparison.Ordinal)).ShouldBe(("snapshot.no_space", true));
        File.Exists($"{folder}/{snapshot}/memory").ShouldBeFalse();
        await CountedAsync(await CountedAsync(1) + 1);
        await Node.DeleteSnapshotAsync(Id, snapshot, _ => { }, default);

        // Known before anything is begun.
        (await Should.ThrowAsync<Refusal>(() => TakeAsync(snapshot))).Message.ShouldContain("may need 192 MiB");
        (await StateAsync()).ShouldBe(InstanceState.Running);
        await Node.StopAsync(Id, default);
        (await Should.ThrowAsync<Refusal>(() => TakeAsync(snapshot))).Code.ShouldBe("snapshot.nothing_in_memory");
        (await Node.TakeSnapshotAsync(Id, snapshot, default, new(Memory: true, IfAny: true))).Record.Memory.ShouldBeNull();
    }

    private Task<Gantry.Node.Snapshots.TakenSnapshot> TakeAsync(Id<Snapshot> snapshot) => Node.TakeSnapshotAsync(Id, snapshot, default, new(Memory: true));

    private async Task BackAsync(Id<Snapshot> snapshot)
    {
        await Node.StopAsync(Id, default);
        await Node.RestoreSnapshotAsync(Id, snapshot, default);
        await Node.ContinueFromSnapshotAsync(Id, snapshot, pause: false, default);
    }

    private async Task CountingAsync(InstanceKind kind, Func<InstanceSpec, InstanceSpec>? change = null)
    {
        await _rig.GivenAsync(kind, DiskRig.Disk("data"));
        if (change is not null)
        {
            await Node.DefineAsync(change(Node.Context.Folders.Read(Id)), default);
        }

        await _rig.StartAsync();
        await _rig.TypeAsync(Counts);
    }

    private async Task<int> CountedAsync(int least) =>
        int.Parse((await _rig.AskAsync(string.Create(CultureInfo.InvariantCulture, $"until c=$(cat /n 2>/dev/null); [ \"$c\" -ge {least} ] 2>/dev/null; do sleep 0.05; done; echo $c"))).Single(), CultureInfo.InvariantCulture);

    private Task WriteAsync(string text) => _rig.AskAsync($"echo {text} | dd of=/dev/vda bs=512 conv=sync,fsync 2>/dev/null");

    /// <summary>From the disk itself, not from what the guest remembers of it.</summary>
    private async Task<string> ReadAsync() => (await _rig.AskAsync("echo 3 >/proc/sys/vm/drop_caches; head -n 1 /dev/vda")).Single();

    private async Task<InstanceState> StateAsync() => (await Node.InspectAsync(Id, default)).State;

    private async Task KillAsync()
    {
        Posix.Kill((await Node.InspectAsync(Id, default)).Observed!.Pid!.Value, Posix.SigKill);
        await DiskRig.Eventually(async () => await StateAsync() == InstanceState.Stopped);
    }

    /// <summary>As when the daemon is killed there.</summary>
    private sealed class QmpGone : Exception;
}
