using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Images;
using Gantry.Node.Instances;
using Gantry.Node.Pools;

namespace Gantry.Node;

/// <summary>Volumes that belong to no instance, and how they come to one and from one. Such a volume's disk has itself as its owner.</summary>
public sealed partial class LocalNode
{
    private const string DiskOfVolume = "disk";

    /// <summary>Finds that a pool answers.</summary>
    /// <exception cref="Refusal"><c>pool.unknown</c>, <c>pool.gone</c></exception>
    public Task DemandPoolAsync(Id<Pool>? pool, CancellationToken ct) => Context.Pools.DemandAsync([pool], ct);

    /// <summary>An empty volume, or one that begins as an image. What is there already stays as it is.</summary>
    /// <param name="pool">Null for the one beside the instances.</param>
    /// <exception cref="Refusal"><c>pool.*</c></exception>
    public Task MakeVolumeAsync(Id<PoolVolume> id, Id<Pool>? pool, long sizeBytes, Id<Image>? image, CancellationToken ct) =>
        Context.Pools.Of(pool).CreateAsync(NameOf(id), sizeBytes, image is { } begins ? ImageFolders.Disk(Context.Root, begins) : null, ct);

    /// <summary>How large it is, in bytes.</summary>
    /// <exception cref="Refusal"><c>volume.missing</c>, <c>volume.damaged</c>, <c>pool.*</c></exception>
    public async Task<long> VolumeBytesAsync(Id<PoolVolume> id, Id<Pool>? pool, CancellationToken ct) => (await Context.Pools.Of(pool).FindAsync(NameOf(id), ct)).SizeBytes;

    /// <summary>Makes it larger; a larger one stays as it is.</summary>
    /// <exception cref="Refusal"><c>volume.missing</c>, <c>pool.*</c></exception>
    public Task GrowVolumeAsync(Id<PoolVolume> id, Id<Pool>? pool, long sizeBytes, CancellationToken ct) => Context.Pools.Of(pool).GrowAsync(NameOf(id), sizeBytes, ct);

    /// <summary>Deletes it with all that is in it, and what there is of one half made.</summary>
    /// <exception cref="Refusal"><c>pool.*</c></exception>
    public Task RemoveVolumeAsync(Id<PoolVolume> id, Id<Pool>? pool, CancellationToken ct) => Context.Pools.Of(pool).DeleteOwnerAsync($"{id}", ct);

    /// <summary>
    /// Gives a volume to an instance, and plugs it in where that runs, as far as that can be done. One that broke off, or a detaching that did, is gone on with:
    /// in the end it is the instance's.
    /// </summary>
    /// <param name="volume">As the instance is to have it, in the pool in which it lies.</param>
    /// <returns>Null when it does not run.</returns>
    /// <exception cref="Refusal"><c>volume.exists</c> where the instance's own lies in the way; <c>volume.missing</c>, <c>pool.*</c></exception>
    public async Task<DiskChange?> AttachDiskAsync(Id<Instance> id, VolumeSpec volume, Id<PoolVolume> from, CancellationToken ct)
    {
        using var turn = await Snapshots.TurnAsync(id, ct);
        var pool = Context.Pools.Of(volume.Pool);
        await pool.MoveAsync(NameOf(from), InstanceDisks.NameOf(id, volume.Name), ct);
        await pool.DeleteOwnerAsync($"{from}", ct);
        return await PlugDiskAsync(id, volume, ct);
    }

    /// <summary>
    /// Takes a volume out of an instance and keeps what is in it. One that broke off, or an attaching that did, is gone on with: in the end it is nobody's.
    /// A guest that does not let go of it keeps it; the instance is to be told so by <see cref="AttachDiskAsync"/>.
    /// </summary>
    /// <returns>With a reason where the guest has it still; else null, or when it runs none.</returns>
    /// <exception cref="Refusal"><c>volume.in_snapshot</c>, <c>volume.in_use</c>, <c>volume.missing</c>, <c>pool.*</c></exception>
    public async Task<DiskChange?> DetachDiskAsync(Id<Instance> id, VolumeSpec volume, Id<PoolVolume> to, CancellationToken ct)
    {
        using var turn = await Snapshots.TurnAsync(id, ct);
        await DemandRemovableAsync(id, volume.Name, ct);
        if (await UnplugDiskAsync(id, volume.Name, ct) is { WhyNot: not null } held)
        {
            return held;
        }

        await Context.Pools.Of(volume.Pool).MoveAsync(InstanceDisks.NameOf(id, volume.Name), NameOf(to), ct);
        return null;
    }

    private static DiskName NameOf(Id<PoolVolume> id) => new($"{id}", DiskOfVolume);
}
