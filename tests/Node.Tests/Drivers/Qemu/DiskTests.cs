using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Host;
using Gantry.Node.Instances;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Drivers.Qemu;

/// <summary>Disks of real guests, changed while these run.</summary>
public sealed class DiskTests(TestImages images) : IAsyncLifetime
{
    private readonly DiskRig _rig = new(images);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Disks_are_plugged_in_limited_grown_and_pulled_out_while_the_guest_uses_them()
    {
        await _rig.GivenAsync(InstanceKind.Vm, DiskRig.Disk("first"), DiskRig.Disk("last", 2 * Limits.MiB));
        await _rig.StartAsync();
        (await _rig.AskAsync("cat /sys/block/vd*/serial; echo; ls /sys/block")).ShouldContain("firstlast");

        // Plugged in, twice the same as once, and read after what was written.
        (await _rig.Node.PlugDiskAsync(_rig.Id, DiskRig.Disk("more") with { Limits = new() { ReadOperationsPerSecond = 100_000 } }, default)).ShouldBe(new DiskChange());
        (await _rig.Node.PlugDiskAsync(_rig.Id, DiskRig.Disk("more") with { Limits = new() { ReadOperationsPerSecond = 100_000 } }, default)).ShouldBe(new DiskChange());
        (await _rig.AskAsync("while [ ! -b /dev/vdc ]; do sleep 0.1; done; cat /sys/block/vdc/serial; echo; echo kept >/dev/vdc; sync; echo 3 >/proc/sys/vm/drop_caches; head -c 5 /dev/vdc")).ShouldBe(["more", "kept"]);

        // Limits hold at once and go at once: a quarter of a MiB at 64 KiB a second takes seconds.
        (await _rig.Node.LimitDiskAsync(_rig.Id, "more", new() { WriteBytesPerSecond = 64 << 10 }, default)).ShouldBe(new DiskChange());
        (await MillisecondsOfAsync("dd if=/dev/zero of=/dev/vdc bs=64k count=5 seek=1 oflag=direct 2>/dev/null")).ShouldBeGreaterThan(2500);
        (await _rig.Node.LimitDiskAsync(_rig.Id, "more", null, default)).ShouldBe(new DiskChange());
        (await MillisecondsOfAsync("dd if=/dev/zero of=/dev/vdc bs=64k count=64 seek=1 oflag=direct 2>/dev/null")).ShouldBeLessThan(60_000);

        // Larger, as the guest sees without a restart, and never smaller.
        (await _rig.Node.GrowDiskAsync(_rig.Id, "more", 24 * Limits.MiB, default)).ShouldBe(new DiskChange());
        (await _rig.AskAsync("while [ $(cat /sys/block/vdc/size) != 49152 ]; do sleep 0.1; done; blockdev --getsize64 /dev/vdc")).ShouldBe(["25165824"]);
        (await _rig.DiskAsync("more")).SizeBytes.ShouldBe(24 * Limits.MiB);
        (await Should.ThrowAsync<Refusal>(() => _rig.Node.GrowDiskAsync(_rig.Id, "more", 16 * Limits.MiB, default))).Code.ShouldBe("volume.no_shrink");

        // Pulled out: those it was started with and those that came later. None of their files is open then.
        (await _rig.Node.UnplugDiskAsync(_rig.Id, "first", default)).ShouldBe(new DiskChange());
        (await _rig.Node.UnplugDiskAsync(_rig.Id, "more", default)).ShouldBe(new DiskChange());
        (await _rig.Node.UnplugDiskAsync(_rig.Id, "more", default)).ShouldBe(new DiskChange());
        (await _rig.AskAsync("ls /sys/block | grep vd; cat /sys/block/vdb/serial; echo")).ShouldBe(["vdb", "last"]);
        (await _rig.OpenFilesAsync()).ShouldHaveSingleItem().ShouldContain("/last/");

        await _rig.DemandOpenAsync("last");

        // And in again, at the same place as after the next start.
        (await _rig.Node.PlugDiskAsync(_rig.Id, DiskRig.Disk("more", 24 * Limits.MiB), default)).ShouldBe(new DiskChange());
        (await _rig.AskAsync("while ! cat /sys/block/vd*/serial | grep -q more; do sleep 0.1; done; for d in /sys/block/vd*; do echo $(cat $d/serial) $(basename $(readlink -f $d/device/..)); done")).Order(StringComparer.Ordinal).ShouldBe(
            await PlacesAfterRestartAsync());
    }

    [Fact]
    public async Task A_snapshot_of_three_disks_is_one_instant_and_what_was_written_outlives_QEMU_and_a_forged_header()
    {
        string[] names = ["one", "two", "three"];
        await _rig.GivenAsync(InstanceKind.Microvm, [.. names.Select(n => DiskRig.Disk(n, 2 * Limits.MiB))]);
        await _rig.StartAsync();
        (await _rig.Node.PlugDiskAsync(_rig.Id, DiskRig.Disk("more", Limits.MiB), default)).ShouldBe(new DiskChange(DiskReasons.NoPlug));
        (await _rig.Node.UnplugDiskAsync(_rig.Id, "more", default)).ShouldBe(new DiskChange());

        // Numbered blocks, each on one disk before the same is written to the next.
        await _rig.TypeAsync("(i=0; while [ $i -lt 4000 ]; do for d in vda vdb vdc; do printf '%-512s' $i | dd of=/dev/$d bs=512 seek=$i conv=fsync 2>/dev/null; done; i=$((i+1)); done) &");
        for (var round = 1; round <= 3; round++)
        {
            await WrittenAsync(_rig, "one", round * 10);
            if (round == 2)
            {
                await _rig.Node.PauseAsync(_rig.Id, default);
            }

            await _rig.SnapshotAsync(names);
            var blocks = await Task.WhenAll(names.Select(async name => Blocks(await _rig.ReadAsync((await _rig.DiskAsync(name)).Layers.Skip(1)))));
            blocks[0].ShouldBeGreaterThanOrEqualTo(round * 10);
            blocks.ShouldBe(blocks.OrderDescending());
            (blocks[0] - blocks[2]).ShouldBeInRange(0, 1);

            // QEMU closes nothing while its guest is paused: what is left is closed by the next call.
            await _rig.Node.ResumeAsync(_rig.Id, default);
            (await _rig.Node.SwitchLayersAsync(_rig.Id, default)).ShouldBeTrue();
            await _rig.DemandOpenAsync(names);
        }

        // The power goes right after a switch.
        var seen = await WrittenAsync(_rig, "three", 50);
        await _rig.SnapshotAsync(names);
        Posix.Kill((await _rig.Node.InspectAsync(_rig.Id, default)).Observed!.Pid!.Value, Posix.SigKill);
        await DiskRig.Eventually(async () => (await _rig.Node.InspectAsync(_rig.Id, default)).State == InstanceState.Stopped);
        var disk = await _rig.DiskAsync("three");
        foreach (var layer in disk.Layers.Skip(1))
        {
            await DiskRig.RunAsync("qemu-img", "check", "-q", "-f", "qcow2", layer.Path);
        }

        // Of the top, QEMU counts again what is used when it opens it, as this does.
        await DiskRig.RunAsync("qemu-img", "check", "-q", "-r", "all", "-f", "qcow2", disk.Top.Path);
        var left = await _rig.ReadAsync(disk.Layers);
        Blocks(left).ShouldBeGreaterThanOrEqualTo(seen);

        // What a guest that broke out of its QEMU might write: nobody follows it.
        await DiskRig.RunAsync("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", "/etc/passwd", disk.Top.Path);
        await DiskRig.RunAsync("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", "/etc/passwd", disk.Layers[^1].Path);
        await _rig.StartAsync();
        (await _rig.AskAsync("sha256sum </dev/vdc")).ShouldBe([$"{Convert.ToHexStringLower(SHA256.HashData(left))}  -"]);
        await _rig.DemandOpenAsync(names);
    }

    [Fact]
    public async Task Layers_become_one_while_the_guest_writes_and_a_daemon_that_dies_between_any_two_commands_is_taken_up_by_the_next()
    {
        await _rig.GivenAsync(InstanceKind.Vm, DiskRig.Disk("data"));
        await _rig.StartAsync();
        await _rig.AskAsync("dd if=/dev/urandom of=/dev/vda bs=64k count=64 conv=fsync 2>/dev/null");
        var lowest = await _rig.SnapshotAsync("data");
        await _rig.TypeAsync("(i=16384; while [ $i -lt 32768 ]; do printf '%-512s' $i | dd of=/dev/vda bs=512 seek=$i conv=fsync 2>/dev/null; i=$((i+1)); done) & writer=$!");
        var second = await _rig.SnapshotAsync("data");
        var third = await _rig.SnapshotAsync("data");

        // A large one under a small one is written into: committed. A small one under a large one is taken in: streamed.
        await _rig.DeleteSnapshotAsync(lowest);
        (await _rig.DiskAsync("data")).Layers.Count.ShouldBe(3);
        await _rig.DemandOpenAsync("data");
        await _rig.AskAsync("dd if=/dev/urandom of=/dev/vda bs=64k count=96 seek=1 conv=fsync 2>/dev/null");
        var previous = await _rig.SnapshotAsync("data");
        await _rig.DeleteSnapshotAsync(third);
        (await _rig.DiskAsync("data")).Layers.Count.ShouldBe(3);
        await _rig.DemandOpenAsync("data");

        // Paused, as when the pool is full and room is to be made.
        await _rig.Node.PauseAsync(_rig.Id, default);
        await _rig.DeleteSnapshotAsync(second);
        (await _rig.DiskAsync("data")).Layers.Count.ShouldBe(2);
        await _rig.Node.ResumeAsync(_rig.Id, default);

        var deaths = 0;
        for (var (step, died) = (1, true); died; step++)
        {
            var taken = Id<Snapshot>.New();
            died = await DiesAtAsync(step, () => _rig.SnapshotAsync(taken, "data"));
            died |= await DiesAtAsync(step, () => _rig.DeleteSnapshotAsync(previous));
            previous = taken;
            (await _rig.DiskAsync("data")).Layers.Count.ShouldBe(2, $"after a death at command {step}");
            deaths += died ? 1 : 0;
        }

        deaths.ShouldBeGreaterThan(10);
        await _rig.RestartNodeAsync();
        await _rig.DemandOpenAsync("data");
        var sum = await _rig.AskAsync("kill $writer; wait; sync; echo 3 >/proc/sys/vm/drop_caches; sha256sum </dev/vda");
        await _rig.Node.PauseAsync(_rig.Id, default);
        var disk = await _rig.DiskAsync("data");
        sum[^1].ShouldBe($"{Convert.ToHexStringLower(SHA256.HashData(await _rig.ReadAsync(disk.Layers)))}  -");
        await _rig.Node.ResumeAsync(_rig.Id, default);
        await _rig.Node.StopAsync(_rig.Id, default);
        foreach (var layer in disk.Layers)
        {
            await DiskRig.RunAsync("qemu-img", "check", "-q", "-f", "qcow2", layer.Path);
        }

        async Task<bool> DiesAtAsync(int step, Func<Task> work)
        {
            var left = step;
            await _rig.RestartNodeAsync(_ =>
            {
                if (Interlocked.Decrement(ref left) <= 0)
                {
                    throw new DaemonDied();
                }
            });
            var died = await Record.ExceptionAsync(work) is { } e ? e.ShouldBeOfType<DaemonDied>() : null;
            await _rig.RestartNodeAsync();
            if (died is not null)
            {
                await work();
            }

            return died is not null;
        }
    }

    [Fact]
    public async Task A_disk_moves_while_it_is_written_to_and_drives_and_other_buses_take_what_they_can()
    {
        var disc = $"{_rig.Path}/a.iso";
        await File.WriteAllBytesAsync(disc, new byte[Limits.MiB]);
        await _rig.GivenAsync(InstanceKind.Vm, DiskRig.Disk("data"), Drive("drive", null), DiskRig.Disk("scsi", bus: VolumeBus.Scsi));
        await _rig.StartAsync();
        await _rig.AskAsync("dd if=/dev/urandom of=/dev/vda bs=64k count=64 conv=fsync 2>/dev/null");
        await _rig.SnapshotAsync("data");
        await _rig.TypeAsync("(i=16384; while [ $i -lt 32768 ]; do printf '%-512s' $i | dd of=/dev/vda bs=512 seek=$i conv=fsync 2>/dev/null; i=$((i+1)); done) & writer=$!");
        await _rig.Pool.CreateAsync(new($"{_rig.Id}", "moved"), 16 * Limits.MiB, null, default);
        var (target, settled, told) = (await _rig.DiskAsync("moved"), 0, new DiskProgress());

        // The daemon dies when both are the same, just before the guest is to leave the first.
        await _rig.RestartNodeAsync(command =>
        {
            if (command == "job-complete")
            {
                throw new DaemonDied();
            }
        });
        (await Record.ExceptionAsync(MoveAsync)).ShouldBeOfType<DaemonDied>();
        await _rig.RestartNodeAsync();
        (await MoveAsync()).ShouldBeTrue();
        (await MoveAsync()).ShouldBeTrue("it was done before");

        settled.ShouldBe(2);
        told.TotalBytes.ShouldBeGreaterThanOrEqualTo(4 * Limits.MiB, "what holds nothing is not copied");
        told.DoneBytes.ShouldBe(told.TotalBytes);
        (await _rig.OpenFilesAsync()).Where(f => !f.Contains("/scsi/", StringComparison.Ordinal)).ShouldBe([$"rw {target.Top.Path}"]);
        var sum = await _rig.AskAsync("kill $writer; wait; sync; echo 3 >/proc/sys/vm/drop_caches; sha256sum </dev/vda");
        await _rig.Node.PauseAsync(_rig.Id, default);
        sum[^1].ShouldBe($"{Convert.ToHexStringLower(SHA256.HashData(await _rig.ReadAsync(target.Layers)))}  -");
        await _rig.Node.ResumeAsync(_rig.Id, default);

        // A disc is put into the drive and taken out of it; the drive stays.
        (await _rig.Node.PlugDiskAsync(_rig.Id, Drive("drive", disc), default)).ShouldBe(new DiskChange());
        (await _rig.Node.PlugDiskAsync(_rig.Id, Drive("drive", disc), default)).ShouldBe(new DiskChange());
        (await _rig.OpenFilesAsync(".iso")).ShouldBe([$"r {disc}"]);
        (await _rig.Node.PlugDiskAsync(_rig.Id, Drive("drive", null), default)).ShouldBe(new DiskChange());
        (await _rig.OpenFilesAsync(".iso")).ShouldBeEmpty();
        await _rig.Node.PlugDiskAsync(_rig.Id, Drive("drive", disc), default);
        (await _rig.Node.UnplugDiskAsync(_rig.Id, "drive", default)).ShouldBe(new DiskChange(DiskReasons.DriveStays));
        (await _rig.OpenFilesAsync(".iso")).ShouldBeEmpty();
        (await _rig.Node.PlugDiskAsync(_rig.Id, DiskRig.Disk("ata", bus: VolumeBus.Sata), default)).ShouldBe(new DiskChange(DiskReasons.NoSata));

        (await _rig.Node.PlugDiskAsync(_rig.Id, DiskRig.Disk("more", bus: VolumeBus.Scsi), default)).ShouldBe(new DiskChange());
        (await _rig.Node.UnplugDiskAsync(_rig.Id, "more", default)).ShouldBe(new DiskChange());
        (await _rig.Node.PlugDiskAsync(_rig.Id, DiskRig.Disk("fast", bus: VolumeBus.Nvme), default)).ShouldBe(new DiskChange());
        await _rig.Node.PauseAsync(_rig.Id, default);
        (await _rig.Node.UnplugDiskAsync(_rig.Id, "fast", default)).ShouldBe(new DiskChange(DiskReasons.Unanswered));
        (await _rig.Node.PlugDiskAsync(_rig.Id, DiskRig.Disk("fast", bus: VolumeBus.Nvme), default)).ShouldBe(new DiskChange(DiskReasons.Held));

        Task<bool> MoveAsync() => _rig.Node.MirrorDiskAsync(_rig.Id, "data", target, _ =>
        {
            settled++;
            return Task.CompletedTask;
        }, progress => told = progress, default);
    }

    private static VolumeSpec Drive(string name, string? path) => new(name, VolumeDevice.Cdrom, null, path, 0, VolumeBus.Sata, VolumeCache.Writeback, true);

    /// <summary>In place of a kill of this process.</summary>
    private sealed class DaemonDied : OperationCanceledException;

    /// <summary>How many numbered blocks are there, from the first on, without a gap.</summary>
    private static int Blocks(byte[] disk) => Enumerable.Range(0, disk.Length / 512)
        .TakeWhile(i => Encoding.ASCII.GetString(disk, i * 512, 512) == i.ToString(CultureInfo.InvariantCulture).PadRight(512)).Count();

    /// <summary>Waits until a disk has so many blocks, as its guest sees it.</summary>
    private static async Task<int> WrittenAsync(DiskRig rig, string disk, int blocks)
    {
        var device = disk switch { "one" => "vda", "two" => "vdb", _ => "vdc" };
        await rig.AskAsync($"while [ \"$(dd if=/dev/{device} bs=512 skip={blocks} count=1 2>/dev/null | cut -c1-1 | tr -d '\\0')\" = '' ]; do sleep 0.1; done");
        return blocks;
    }

    private async Task<string[]> PlacesAfterRestartAsync()
    {
        await _rig.Node.StopAsync(_rig.Id, default);
        await _rig.StartAsync();
        return [.. (await _rig.AskAsync("for d in /sys/block/vd*; do echo $(cat $d/serial) $(basename $(readlink -f $d/device/..)); done")).Order(StringComparer.Ordinal)];
    }

    private async Task<int> MillisecondsOfAsync(string command)
    {
        var times = await _rig.AskAsync($"cut -d' ' -f1 /proc/uptime; {command}; cut -d' ' -f1 /proc/uptime");
        return (int)((double.Parse(times[^1], CultureInfo.InvariantCulture) - double.Parse(times[0], CultureInfo.InvariantCulture)) * 1000);
    }
}
