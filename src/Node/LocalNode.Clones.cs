using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Host;
using Gantry.Node.Images;
using Gantry.Node.Instances;
using Gantry.Node.Pools;
using Gantry.Node.Snapshots;

namespace Gantry.Node;

/// <summary>What a control plane may ask about clones.</summary>
public sealed partial class LocalNode
{
    private InstanceClones Clones => field ??= new(this);

    /// <summary>The disks an instance has, or had in a snapshot.</summary>
    /// <exception cref="Refusal"><c>snapshot.missing</c></exception>
    public IReadOnlyList<SnapshotDisk> DisksOf(Id<Instance> id, Id<Snapshot>? snapshot) => snapshot is { } then
        ? (new SnapshotFolder(Context.Root, id, then).TryRead() ?? throw NodeSnapshotErrors.Missing(then)).Record.Disks
        : [.. InstanceVolumes.Disks(Context.Folders.Read(id)).Select(v => new SnapshotDisk(v.Name, v.SizeBytes, v.Pool))];

    /// <summary>A linked clone with such disks needs what it was made of for as long as it is there.</summary>
    public bool TiesClones(IEnumerable<VolumeSpec> volumes) => volumes.Any(v => v.Device == VolumeDevice.Disk && Context.Pools.Of(v.Pool) is ITiedClones);

    /// <summary>Makes an instance of a snapshot. What is there of it already stays as it is.</summary>
    /// <param name="spec">Its disks are in the snapshot, under the same names; a linked one's lie where they do there.</param>
    /// <exception cref="Refusal"><c>snapshot.*</c>, <c>pool.*</c>, <c>volume.*</c></exception>
    public Task CloneAsync(InstanceSpec spec, CloneSource source, Action<Progress> report, CancellationToken ct) => Clones.MakeAsync(spec, source, report, ct);

    /// <summary>Removes what there is of a clone, one half made too.</summary>
    public Task RemoveCloneAsync(Id<Instance> id, CloneSource source, CancellationToken ct) => Clones.RemoveAsync(id, source, ct);

    /// <summary>Makes a linked clone stand alone, whether it runs or not. No other stands on it.</summary>
    /// <exception cref="Refusal"><c>volume.tied</c>, <c>pool.*</c></exception>
    public Task PromoteAsync(Id<Instance> id, Action<Progress> report, CancellationToken ct) => Clones.PromoteAsync(id, report, ct);

    /// <summary>Makes an image of the first disk of a snapshot, whatever its instance does.</summary>
    /// <param name="plan">Without a disk.</param>
    /// <exception cref="Refusal"><c>image.*</c>, <c>snapshot.missing</c>, <c>pool.*</c></exception>
    public Task CaptureImageAsync(Id<Image> id, CapturePlan plan, Id<Instance> instance, Id<Snapshot> snapshot, Action<Progress> report, CancellationToken ct) =>
        Clones.ReadAsync(instance, snapshot, $"{id}", disk => CaptureImageAsync(id, plan with { Disk = NodePools.FilesOf(disk) }, report, ct), ct);

    /// <summary>Removes an image that was being made of a snapshot.</summary>
    public async Task RemoveImageAsync(Id<Image> id, Id<Instance> instance, CancellationToken ct)
    {
        await RemoveImageAsync(id, ct);
        await Clones.EndReadingAsync(instance, $"{id}", ct);
    }

    internal Task<NamedLocks.Held> TurnAsync(Id<Instance> id, CancellationToken ct) => Snapshots.TurnAsync(id, ct);
}
