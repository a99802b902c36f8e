using Gantry.Contracts;
using Gantry.Node.Images;
using Gantry.Node.Pools;
using DiskFormat = Gantry.Node.Pools.DiskFormat;

namespace Gantry.Node.Tests.Pools;

public sealed class RawDirPoolTests : PoolConformance
{
    private protected override PoolKind Kind => PoolKind.Dir;

    private protected override string Source => $"{Node.Root.Path}/disks";

    private protected override IPool Reopen() => new DirPool(Source, $"{PoolId}", new QemuImg(Node.Shell, Node.ToolUids), Node.Time, raw: true) { Written = Faults.Pass };

    [Fact]
    public async Task A_disk_is_a_file_of_its_bytes_and_is_so_again_when_its_snapshots_are_gone()
    {
        await Pool.CreateAsync(Root, 16 * TestDisks.BlockBytes, await GivenImageAsync((0, 1)), default);
        var file = (await FindAsync(Root)).Layers.ShouldHaveSingleItem();
        (file.Format, Path.GetExtension(file.Path)).ShouldBe((DiskFormat.Raw, ".raw"));
        (await File.ReadAllBytesAsync(file.Path))[0].ShouldBe((byte)1);

        var snapshots = new List<Id<Snapshot>>();
        for (var block = 1; block < 4; block++)
        {
            snapshots.Add(await SnapshotAsync("root"));
            await WriteAsync((Root, block, (byte)(block + 1)));
        }

        (await FindAsync(Root)).Layers.Select(l => l.Format).ShouldBe([.. Enumerable.Repeat(DiskFormat.Qcow2, 3), DiskFormat.Raw]);
        foreach (var snapshot in snapshots)
        {
            await DeleteAsync(snapshot);
        }

        (await FindAsync(Root)).Layers.ShouldBe([file]);
        (await File.ReadAllBytesAsync(file.Path))[3 * TestDisks.BlockBytes].ShouldBe((byte)4);
        (await ReadAsync(Root)).ShouldBe([1, 2, 3, 4, .. new int[12]]);
    }

    [Fact]
    public async Task A_raw_file_that_was_cut_is_told()
    {
        await Pool.CreateAsync(Root, 16 * TestDisks.BlockBytes, null, default);
        var snapshot = await SnapshotAsync("root");
        var path = (await FindAsync(Root)).Layers[^1].Path;
        await using (var file = File.OpenWrite(path))
        {
            file.SetLength(TestDisks.BlockBytes);
        }

        (await Pool.VerifyAsync(Owner, snapshot, default)).ShouldHaveSingleItem().ShouldContain($"{path} of the disk");
    }
}
