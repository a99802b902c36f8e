using Gantry.Contracts;
using Gantry.Node.Images;

namespace Gantry.Node.Pools;

/// <summary>
/// Keeps disks. Each belongs to an owner, and all disks of one owner go back in time together. Calls are idempotent, and each is
/// whole or not there after a crash at any moment. A pool trusts what it wrote itself, never what a guest's QEMU may have written: not
/// the header of a disk, nor any name in it.
/// </summary>
public interface IPool
{
    PoolKind Kind { get; }

    /// <summary>A snapshot puts a new top layer on each disk, which a running guest must be told of (<see cref="Drivers.IDisks"/>); else it is the storage's own.</summary>
    bool IsLayered { get; }

    /// <summary>A snapshot has several disks as they are at one instant; else a guest is halted for as long as it is made.</summary>
    bool TakesAllAtOnce => true;

    /// <summary>Makes what it needs in its place, and nothing that is not there for it: an empty or its own directory or data set.</summary>
    /// <exception cref="Refusal"><c>pool.not_usable</c></exception>
    Task OpenAsync(CancellationToken ct);

    /// <summary>Gives its place up, so that another pool can have it, when no disk is in it; else, and when it cannot be reached, all stays as it is.</summary>
    Task CloseAsync(CancellationToken ct);

    /// <summary>How it is and what room there is. What is wrong is an answer and not an exception; a hung file system is one too.</summary>
    Task<PoolStatus> LookAsync(CancellationToken ct);

    /// <summary>Every owner that has something here.</summary>
    Task<IReadOnlyList<string>> OwnersAsync(CancellationToken ct);

    /// <summary>An empty disk, or one that begins as an image. What is there already stays as it is.</summary>
    /// <param name="image">A qcow2 of Gantry's own that stands alone and does not change.</param>
    /// <exception cref="Refusal"><c>pool.*</c></exception>
    Task CreateAsync(DiskName disk, long sizeBytes, string? image, CancellationToken ct);

    /// <summary>What is there of it, as it is to be opened now.</summary>
    /// <exception cref="Refusal"><c>volume.missing</c>, <c>volume.damaged</c></exception>
    Task<Disk> FindAsync(DiskName disk, CancellationToken ct);

    /// <summary>Removes a disk that no snapshot has; nothing happens when it is not there.</summary>
    /// <exception cref="Refusal"><c>volume.in_use</c> while a clone stands on it.</exception>
    Task DeleteAsync(DiskName disk, CancellationToken ct);

    /// <summary>Removes all an owner has, snapshots too.</summary>
    /// <exception cref="Refusal"><c>volume.in_use</c> while a clone of another owner stands on it.</exception>
    Task DeleteOwnerAsync(string owner, CancellationToken ct);

    /// <summary>Makes a disk larger that is not open. A larger one stays as it is.</summary>
    Task GrowAsync(DiskName disk, long sizeBytes, CancellationToken ct);

    /// <summary>Notes that QEMU made a disk larger that it has open.</summary>
    Task NoteGrownAsync(DiskName disk, long sizeBytes, CancellationToken ct);

    /// <summary>
    /// Gives a disk that is not open, and of which there are no snapshots, to another owner. What broke off is gone on with by the same call, and taken back by
    /// the one from there to here.
    /// </summary>
    /// <exception cref="Refusal"><c>volume.exists</c> where the other owner has another disk of that name; <c>volume.in_use</c>, <c>volume.missing</c></exception>
    Task MoveAsync(DiskName from, DiskName to, CancellationToken ct);

    /// <summary>Keeps an owner's disks as they are at one instant. Of a running guest, what it has told to be on the disk is in it.</summary>
    Task SnapshotAsync(string owner, IReadOnlyList<string> disks, Id<Snapshot> snapshot, CancellationToken ct);

    /// <summary>Finds that all is there that a restore needs, as far as that is quick.</summary>
    /// <exception cref="Refusal"><c>snapshot.missing</c>, <c>volume.damaged</c></exception>
    Task DemandRestorableAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct);

    /// <summary>Makes the disks of a snapshot as they were in it, while none is open. Other snapshots stay, newer ones too: it is a branch then.</summary>
    /// <exception cref="Refusal"><c>snapshot.missing</c></exception>
    Task RestoreAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct);

    /// <summary>Removes a snapshot without harm to others, to branches and to clones.</summary>
    /// <param name="merging">How two layers become one; the disks may be open.</param>
    /// <exception cref="Refusal"><c>snapshot.in_use</c> while a linked clone stands on it.</exception>
    Task DeleteSnapshotAsync(string owner, Id<Snapshot> snapshot, IDiskMerging merging, CancellationToken ct);

    /// <summary>Every snapshot there is of an owner, with the bytes that would be free without it.</summary>
    Task<IReadOnlyDictionary<Id<Snapshot>, long>> SnapshotsAsync(string owner, CancellationToken ct);

    /// <summary>Looks for what is missing, damaged or altered in a snapshot.</summary>
    /// <returns>In sentences; none when it is whole.</returns>
    Task<IReadOnlyList<string>> VerifyAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct);

    /// <summary>A new disk that begins as another one in a snapshot and keeps only what differs. One that shares nothing with it is made by <see cref="DiskCopies"/>.</summary>
    /// <exception cref="Refusal"><c>snapshot.missing</c></exception>
    Task CloneAsync(DiskName from, Id<Snapshot> at, DiskName to, CancellationToken ct);
}

/// <summary>A pool whose linked clones need what they were made of. In one that is not, a linked clone stands alone from the start.</summary>
public interface ITiedClones : IPool
{
    /// <summary>
    /// Keeps disks that nobody has open, and that nobody has written to since an earlier snapshot, as what they are in that one: a hundred clones of what does
    /// not change lie no deeper than the first.
    /// </summary>
    /// <returns>False, and nothing is changed, where they were written to, or where that does not matter here.</returns>
    Task<bool> TrySnapshotAgainAsync(string owner, IReadOnlyList<string> disks, Id<Snapshot> snapshot, CancellationToken ct) => Task.FromResult(false);

    /// <summary>
    /// Makes a disk stand alone that began as a linked clone; one that does already stays as it is. Nothing else changes, its snapshots and what its guest does neither.
    /// No linked clone stands on it.
    /// </summary>
    /// <param name="merging">How two layers become one; the disk may be open.</param>
    /// <exception cref="Refusal"><c>volume.tied</c> where that is not possible as it is; <c>pool.*</c></exception>
    Task PromoteAsync(DiskName disk, IDiskMerging merging, Action<DiskProgress> report, CancellationToken ct);
}

/// <summary>A disk of a pool.</summary>
/// <param name="Owner">The id of the instance, or of a volume that belongs to none.</param>
/// <param name="Name">As its instance calls it.</param>
public readonly record struct DiskName(string Owner, string Name)
{
    public override string ToString() => $"{Owner}/{Name}";
}

/// <summary>A disk as it is to be opened.</summary>
/// <param name="Layers">The one that is written to first, what lies under it after it; the last stands alone.</param>
public sealed record Disk(long SizeBytes, IReadOnlyList<DiskLayer> Layers)
{
    public DiskLayer Top => Layers[0];
}

/// <param name="Name">Once in a disk: letters, digits and '-', at most 20.</param>
/// <param name="Path">A file or block device of the node; what has neither is named in a way of its own.</param>
public sealed record DiskLayer(string Name, string Path, DiskFormat Format)
{
    /// <summary>How it is opened where that is not by its path.</summary>
    public RbdImage? Rbd { get; init; }
}

public enum DiskFormat
{
    Raw = 1,
    Qcow2 = 2,

    /// <summary>A block device, which has the disk on it as it is.</summary>
    Device = 3,

    /// <summary>An image in Ceph, which QEMU and its tools talk to by themselves (<see cref="DiskLayer.Rbd"/>).</summary>
    Rbd = 4,
}

public readonly record struct DiskProgress(long DoneBytes, long TotalBytes)
{
    /// <param name="stage">What is done, for people.</param>
    public Progress ToWire(string stage) => new(stage, TotalBytes > 0 ? Math.Min(100, 100.0 * DoneBytes / TotalBytes) : null, DoneBytes, TotalBytes);
}

/// <summary>Makes two layers of a disk one, whether a guest has it open or not. A step that is asked for again after it was done, or half done, changes nothing more.</summary>
public interface IDiskMerging
{
    /// <summary>Has a guest that runs write to the tops the pool names now; where it does already, nothing changes.</summary>
    /// <returns>False when no guest has the disks open.</returns>
    Task<bool> SwitchAsync(CancellationToken ct);

    /// <summary>
    /// Writes all of a layer into the one below it; those above the upper lie over the lower then. The upper is whole still, and may be removed.
    /// It is never the one a running guest writes to.
    /// </summary>
    Task CommitAsync(DiskName disk, Disk chain, DiskLayer upper, CancellationToken ct);

    /// <summary>
    /// Copies into a layer what shows through from the one below it; it lies over that one's own base then. The lower is as it was.
    /// Only asked for where a guest runs, and of its chain; the upper may be the one it writes to.
    /// </summary>
    Task StreamAsync(DiskName disk, Disk chain, DiskLayer upper, CancellationToken ct);
}
