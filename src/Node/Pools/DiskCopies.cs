using Gantry.Contracts;
using Gantry.Node.Images;

namespace Gantry.Node.Pools;

/// <summary>
/// Copies disks, in a pool and from one to another. That is long work, during which no pool holds up what is done to other disks: a disk is read through
/// a linked clone of it, made for as long, and written beside its place.
/// </summary>
public sealed class DiskCopies(QemuImg qemu)
{
    /// <summary>Copies all of a disk that does not change into an empty one of at least its size, which nobody has open.</summary>
    /// <exception cref="Refusal"><c>image.damaged</c>, <c>image.no_space</c>, <c>pool.full</c></exception>
    public async Task CopyAsync(Disk from, Disk to, Action<DiskProgress> report, CancellationToken ct)
    {
        if (IsPlain(from) && IsPlain(to))
        {
            await PoolWork.TryAsync(to.Top.Path, $"Copying {from.Top.Path}", () => RawFiles.CopyIntoAsync(from.Top.Path, from.SizeBytes, to.Top.Path, report, ct));
        }
        else
        {
            await qemu.CopyAsync(NodePools.FilesOf(from), NodePools.FilesOf(to)[0], percent => report(new((long)(percent / 100 * from.SizeBytes), from.SizeBytes)), ct);
        }

        report(new(from.SizeBytes, from.SizeBytes));
    }

    /// <summary>Shows a disk as it was in a snapshot for as long as the work takes, whatever is done to its owner meanwhile.</summary>
    /// <param name="reader">What the work is for: two at once have two names.</param>
    /// <exception cref="Refusal"><c>snapshot.missing</c>, <c>pool.*</c></exception>
    public static async Task ReadAsync(IPool pool, DiskName disk, Id<Snapshot> at, string reader, Func<Disk, Task> work, CancellationToken ct)
    {
        var shown = new DiskName(ReaderOf(reader), disk.Name);
        await pool.CloneAsync(disk, at, shown, ct);
        await work(await pool.FindAsync(shown, ct));
        await pool.DeleteOwnerAsync(shown.Owner, ct);
    }

    /// <summary>A new disk that begins as another was in a snapshot and shares nothing with it: whole or not there. One that is there already stays.</summary>
    /// <exception cref="Refusal"><c>snapshot.missing</c>, <c>image.*</c>, <c>pool.*</c></exception>
    public async Task MakeAsync(IPool pool, DiskName disk, Id<Snapshot> at, IPool into, DiskName copy, Action<DiskProgress> report, CancellationToken ct)
    {
        if (!await IsThereAsync(into, copy, ct))
        {
            var beside = new DiskName(UnfinishedOf(copy.Owner), copy.Name);
            await ReadAsync(pool, disk, at, copy.Owner, async shown =>
            {
                await into.DeleteOwnerAsync(beside.Owner, ct);
                await into.CreateAsync(beside, shown.SizeBytes, null, ct);
                await CopyAsync(shown, await into.FindAsync(beside, ct), report, ct);
                await into.MoveAsync(beside, copy, ct);
            }, ct);
        }

        await EndAsync([pool, into], copy.Owner, ct);
    }

    /// <summary>Removes what was made only for reading, or was not finished.</summary>
    /// <param name="name">The reader's, or the copy's owner.</param>
    public static async Task EndAsync(IEnumerable<IPool> pools, string name, CancellationToken ct)
    {
        foreach (var pool in pools.Distinct())
        {
            await pool.DeleteOwnerAsync(UnfinishedOf(name), ct);
            await pool.DeleteOwnerAsync(ReaderOf(name), ct);
        }
    }

    private static async Task<bool> IsThereAsync(IPool pool, DiskName disk, CancellationToken ct)
    {
        try
        {
            await pool.FindAsync(disk, ct);
            return true;
        }
        catch (Refusal refusal) when (refusal.Code == "volume.missing")
        {
            return false;
        }
    }

    /// <summary>Its bytes are the disk's, in their places.</summary>
    private static bool IsPlain(Disk disk) => disk.Layers is [{ Format: DiskFormat.Raw or DiskFormat.Device }];

    private static string ReaderOf(string name) => $"read-{name}";

    private static string UnfinishedOf(string owner) => $"copy-{owner}";
}
