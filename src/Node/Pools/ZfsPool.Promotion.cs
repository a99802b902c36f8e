using Gantry.Contracts;

namespace Gantry.Node.Pools;

/// <summary>
/// A linked clone becomes a disk that stands alone by a copy, under an owner of its own until it takes the disk's place. <c>zfs promote</c> would
/// not do: the snapshots of the other owner that the disk stands on would become this one's.
/// </summary>
internal sealed partial class ZfsPool
{
    public async Task PromoteAsync(DiskName disk, IDiskMerging merging, Action<DiskProgress> report, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, disk);
        await FinishPromotionAsync(disk, ct);
        if (!(await TreeAsync(ct)).Ties((_, _, clone) => clone == disk).Any())
        {
            return;
        }

        if ((await SnapshotDisksAsync(disk.Owner, ct)).Values.Any(d => d.Contains(disk.Name)))
        {
            throw PoolErrors.Tied(disk, "snapshots have it, and stand on the same", "Delete its snapshots first: `gantry snapshot list`.");
        }

        if (await merging.SwitchAsync(ct))
        {
            throw PoolErrors.Tied(disk, "its guest runs", "Stop it first: `gantry shutdown`.");
        }

        var copy = CopyOf(disk);
        await TryAsync(
            $"Copying {disk}",
            async () =>
            {
                await DestroyAsync(SetOf(copy.Owner), ct);
                await _zfs.RunAsync(ct, "create", "-p", SetOf(copy));
                await RawFiles.CopyAsync(PathOf(disk), PathOf(copy), report, ct);
                await DestroyAsync(SetOf(disk), ct);
            });
        await FinishPromotionAsync(disk, CancellationToken.None);
    }

    /// <summary>A copy that is all there is of a disk takes its place; another one is removed.</summary>
    private async Task FinishPromotionAsync(DiskName disk, CancellationToken ct)
    {
        var copy = CopyOf(disk);
        if (!Directory.Exists(PathOf(SetOf(copy.Owner))))
        {
            return;
        }

        await TryAsync(
            $"Moving {copy}",
            async () =>
            {
                if (!await IsThereAsync(disk, ct) && await IsThereAsync(copy, ct))
                {
                    await _zfs.RenameAsync(SetOf(copy), SetOf(disk), ct);
                    await _zfs.RunAsync(ct, "mount", SetOf(disk));
                }

                await DestroyAsync(SetOf(copy.Owner), ct);
            });
    }

    private static DiskName CopyOf(DiskName disk) => new($"alone-{disk.Owner}", disk.Name);
}
