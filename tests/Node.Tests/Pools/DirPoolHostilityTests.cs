using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Pools;
using Gantry.Node.Tests.Images;

namespace Gantry.Node.Tests.Pools;

/// <summary>What is in a disk was written by a guest's QEMU, which may be anyone's.</summary>
public sealed class DirPoolHostilityTests : IAsyncDisposable
{
    private const long Size = 16L * TestDisks.BlockBytes;
    private readonly TestRoot _root = new();
    private readonly DiskName _disk = new($"{Id<Instance>.New()}", "root");

    private IPool Pool => _root.Context.Pools.Of(null);

    [Fact]
    public async Task A_header_that_names_another_file_is_never_followed()
    {
        await Pool.CreateAsync(_disk, Size, null, default);
        await WriteAsync(0, 1);
        var first = await SnapshotAsync();
        await WriteAsync(1, 2);
        var second = await SnapshotAsync();
        var secret = $"{_root.Path}/secret";
        await File.WriteAllTextAsync(secret, new string('s', (int)Size));
        File.SetUnixFileMode(secret, (UnixFileMode)0b110_100_100);
        foreach (var layer in (await FindAsync()).Layers)
        {
            await MadeDisks.RunAsync(["rebase", "-u", "-f", "qcow2", "-b", secret, "-F", "raw", layer.Path]);
        }

        var copy = new DiskName($"{Id<Instance>.New()}", "root");
        await _root.Context.Pools.Copies.MakeAsync(Pool, _disk, second, Pool, copy, _ => { }, default);
        await Pool.GrowAsync(_disk, 2 * Size, default);
        await Pool.DeleteSnapshotAsync(_disk.Owner, first, _root.Context.Pools.Offline, default);
        await Pool.DeleteSnapshotAsync(_disk.Owner, second, _root.Context.Pools.Offline, default);

        (await TestDisks.ReadAsync(await FindAsync(), _root.Path)).ShouldBe([1, 2, .. new int[30]]);
        (await TestDisks.ReadAsync(await Pool.FindAsync(copy, default), _root.Path)).ShouldBe([1, 2, .. new int[14]]);
        (await FindAsync()).Layers.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_disk_that_keeps_its_data_in_another_file_is_refused()
    {
        await Pool.CreateAsync(_disk, Size, null, default);
        var snapshot = await SnapshotAsync();
        MadeDisks.PatchBig((await FindAsync()).Layers[1].Path, 72, 4UL);

        (await Should.ThrowAsync<Refusal>(FindAsync)).Code.ShouldBe("volume.damaged");
        (await Should.ThrowAsync<Refusal>(() => Pool.RestoreAsync(_disk.Owner, snapshot, default))).Code.ShouldBe("volume.damaged");
        (await Pool.VerifyAsync(_disk.Owner, snapshot, default)).ShouldHaveSingleItem().ShouldContain("damaged");
    }

    [Fact]
    public async Task Verifying_names_what_is_missing_altered_and_damaged()
    {
        await Pool.CreateAsync(_disk, Size, null, default);
        await WriteAsync(0, 1);
        await SnapshotAsync();
        await WriteAsync(0, 2);
        await SnapshotAsync();
        await WriteAsync(0, 3);
        var third = await SnapshotAsync();
        (await Pool.VerifyAsync(_disk.Owner, third, default)).ShouldBeEmpty();
        var layers = (await FindAsync()).Layers.Skip(1).Select(l => l.Path).ToList();

        await MadeDisks.RunAsync(["resize", "-q", "-f", "qcow2", layers[0], $"{2 * Size}"]);
        using (var file = File.OpenHandle(layers[1], access: FileAccess.ReadWrite))
        {
            // Reference counts say that nothing of it is used.
            var table = new byte[8];
            RandomAccess.Read(file, table, 48);
            RandomAccess.Write(file, new byte[8], (long)System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(table));
        }

        File.Delete(layers[2]);

        var wrong = await Pool.VerifyAsync(_disk.Owner, third, default);
        wrong.Count.ShouldBe(3);
        wrong[0].ShouldContain($"{layers[0]} of the disk {_disk} was altered");
        wrong[1].ShouldContain($"{layers[1]} of the disk {_disk} is damaged");
        wrong[2].ShouldContain($"{layers[2]} of the disk {_disk} is missing");
    }

    [Fact]
    public async Task A_full_file_system_is_said_and_changes_nothing()
    {
        await using var host = await StorageHost.MakeAsync("mkdir small; mount -t tmpfs -o size=2m,mode=711 tmpfs small");
        var pool = new NodePools(_root.Context with { Shell = host.Shell }).Make(new(Id<Pool>.New(), PoolKind.Dir, $"{host.Seen}/small/pool"));
        await pool.OpenAsync(default);
        await pool.CreateAsync(_disk, Size, null, default);
        await TestDisks.WriteAsync(await pool.FindAsync(_disk, default), Written(3, 9));
        var taken = new List<Id<Snapshot>>();
        var refusal = await Should.ThrowAsync<Refusal>(async () =>
        {
            while (taken.Count < 100)
            {
                var id = Id<Snapshot>.New();
                await pool.SnapshotAsync(_disk.Owner, ["root"], id, default);
                taken.Add(id);
            }
        });

        refusal.Code.ShouldBe("pool.full");
        taken.ShouldNotBeEmpty();
        (await pool.SnapshotsAsync(_disk.Owner, default)).Keys.ShouldBe(taken, ignoreOrder: true);
        (await TestDisks.ReadAsync(await pool.FindAsync(_disk, default), _root.Path))[3].ShouldBe(9);
        await pool.DeleteSnapshotAsync(_disk.Owner, taken[^1], new OfflineMerging(new(host.Shell, _root.Context.ToolUids)), default);
        await pool.SnapshotAsync(_disk.Owner, ["root"], Id<Snapshot>.New(), default);
    }

    [Fact]
    public async Task Disks_made_before_there_were_pools_are_taken_over_while_they_are_open()
    {
        var id = Id<Instance>.New();
        await _root.DefineAsync(new(id, "web1", InstanceKind.Vm, "sim", 1, 64 * Limits.MiB, Firmware.Bios, null, null, null, 0));
        var old = $"{_root.Context.Folders.Data(id)}/volumes/root.qcow2";
        Directory.CreateDirectory(Path.GetDirectoryName(old)!);
        await MadeDisks.RunAsync(["create", "-q", "-f", "qcow2", old, $"{Size}"]);
        _root.Context.Folders.Write(_root.Context.Folders.Read(id) with
        {
            Volumes = [new("root", VolumeDevice.Disk, null, null, Size, VolumeBus.Virtio, VolumeCache.Writeback, false)],
        });
        using var open = File.OpenHandle(old, access: FileAccess.ReadWrite, share: FileShare.ReadWrite | FileShare.Delete);
        await using var node = new LocalNode(_root.Context);
        await node.RecoverAsync(default);
        await node.RecoverAsync(default);

        var disk = await Pool.FindAsync(new($"{id}", "root"), default);
        RandomAccess.Write(open, "still the same file"u8, 512 << 10);
        File.Exists(old).ShouldBeFalse();
        disk.SizeBytes.ShouldBe(Size);
        (await File.ReadAllBytesAsync(disk.Top.Path)).AsSpan(512 << 10, 19).SequenceEqual("still the same file"u8).ShouldBeTrue();
        await node.RemoveAsync(id, default);
        (await Pool.OwnersAsync(default)).ShouldBeEmpty();
    }

    public ValueTask DisposeAsync() => _root.DisposeAsync();

    private static IEnumerable<(int, byte)> Written(int block, byte value) => [(block, value)];

    private Task<Disk> FindAsync() => Pool.FindAsync(_disk, default);

    private async Task WriteAsync(int block, byte value) => await TestDisks.WriteAsync(await FindAsync(), Written(block, value));

    private async Task<Id<Snapshot>> SnapshotAsync()
    {
        var id = Id<Snapshot>.New();
        await Pool.SnapshotAsync(_disk.Owner, ["root"], id, default);
        return id;
    }
}
