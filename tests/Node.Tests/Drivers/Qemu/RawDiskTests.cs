using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Instances;
using Gantry.Node.Pools;
using Gantry.Node.Tests.Pools;
using DiskFormat = Gantry.Node.Pools.DiskFormat;

namespace Gantry.Node.Tests.Drivers.Qemu;

/// <summary>A real guest with its disk in a raw file of a directory.</summary>
public sealed class RawDiskTests(TestImages images) : IAsyncLifetime
{
    private readonly Id<Pool> _pool = Id<Pool>.New();
    private readonly DiskRig _rig = new(images);

    private LocalNode Node => _rig.Node;

    private IPool Pool => Node.Context.Pools.Of(_pool);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Layers_over_it_come_and_go_while_the_guest_writes_and_it_grows()
    {
        await _rig.RestartNodeAsync();
        await Node.Context.Pools.OpenAsync(new(_pool, PoolKind.Dir, $"{_rig.Path}/raw", Raw: true), default);
        await _rig.GivenAsync(InstanceKind.Vm, DiskRig.Disk("data") with { Pool = _pool });
        var disk = InstanceDisks.NameOf(_rig.Id, "data");
        await _rig.StartAsync();
        List<Id<Snapshot>> snapshots = [];
        for (var block = 0; block < 3; block++)
        {
            await WriteAsync(block, 200);
            snapshots.Add(Id<Snapshot>.New());
            await Node.TakeSnapshotAsync(_rig.Id, snapshots[^1], default);
        }

        await WriteAsync(3, 200);
        await FormatsAsync(DiskFormat.Qcow2, DiskFormat.Qcow2, DiskFormat.Qcow2, DiskFormat.Raw);

        // The one above is smaller, and goes into the raw one.
        await Node.DeleteSnapshotAsync(_rig.Id, snapshots[0], _ => { }, default);
        await FormatsAsync(DiskFormat.Qcow2, DiskFormat.Qcow2, DiskFormat.Raw);
        (await Node.VerifySnapshotAsync(_rig.Id, snapshots[1], null, default)).ShouldBeEmpty();
        (await Node.GrowDiskAsync(_rig.Id, "data", 24 * Limits.MiB, default)).ShouldBe(new DiskChange());
        (await _rig.AskAsync("echo 3 >/proc/sys/vm/drop_caches; for n in 0 1 2 3; do dd if=/dev/vda bs=64k skip=$n count=1 2>/dev/null | head -c 3; done; echo")).ShouldBe(["200200200200"]);
        await Node.StopAsync(_rig.Id, default);

        await Node.DeleteSnapshotAsync(_rig.Id, snapshots[1], _ => { }, default);
        await Node.DeleteSnapshotAsync(_rig.Id, snapshots[2], _ => { }, default);
        await FormatsAsync(DiskFormat.Raw);
        (await Pool.FindAsync(disk, default)).SizeBytes.ShouldBe(24 * Limits.MiB);
        new FileInfo((await Pool.FindAsync(disk, default)).Top.Path).Length.ShouldBe(24 * Limits.MiB);
        await _rig.StartAsync();
        (await _rig.AskAsync("for n in 0 1 2 3; do dd if=/dev/vda bs=64k skip=$n count=1 2>/dev/null | head -c 3; done; blockdev --getsize64 /dev/vda")).ShouldBe(["20020020020025165824"]);

        async Task FormatsAsync(params DiskFormat[] formats) => (await Pool.FindAsync(disk, default)).Layers.Select(l => l.Format).ShouldBe(formats);

        Task WriteAsync(int block, int value) => _rig.AskAsync($"yes {value} | head -c 65536 | dd of=/dev/vda bs=64k seek={block} conv=fsync 2>/dev/null");
    }
}
