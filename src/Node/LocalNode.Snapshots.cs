using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Instances;
using Gantry.Node.Pools;
using Gantry.Node.Snapshots;

namespace Gantry.Node;

public sealed partial class LocalNode
{
    private InstanceSnapshots Snapshots => field ??= new(this);

    /// <summary>Keeps an instance as it is: all disks at one instant, what its firmware and TPM remember, and its specification. One that was taken already stays as it is.</summary>
    /// <exception cref="Refusal"><c>instance.wrong_state</c>, <c>pool.*</c>, <c>volume.*</c></exception>
    public Task<TakenSnapshot> TakeSnapshotAsync(Id<Instance> id, Id<Snapshot> snapshot, CancellationToken ct) => Snapshots.TakeAsync(id, snapshot, ct);

    /// <summary>Finds that a snapshot is there, unaltered as far as can be seen at once, and fits the disks the instance has.</summary>
    /// <param name="sha256">Of its record, as <see cref="TakeSnapshotAsync"/> said; null where nobody knows.</param>
    /// <exception cref="Refusal"><c>snapshot.missing</c>, <c>snapshot.damaged</c>, <c>snapshot.other_disks</c>, <c>pool.*</c></exception>
    public Task DemandRestorableAsync(Id<Instance> id, Id<Snapshot> snapshot, string? sha256, CancellationToken ct) => Snapshots.DemandRestorableAsync(id, snapshot, sha256, ct);

    /// <summary>Makes a stopped instance's disks, and what its firmware and TPM remember, what they were then; what it has written since is gone, other snapshots stay.</summary>
    /// <exception cref="Refusal"><c>instance.wrong_state</c>, <c>snapshot.missing</c>, <c>pool.*</c></exception>
    public Task RestoreSnapshotAsync(Id<Instance> id, Id<Snapshot> snapshot, CancellationToken ct) => Snapshots.RestoreAsync(id, snapshot, ct);

    /// <summary>Finds that the pools answer in which a snapshot has something.</summary>
    /// <exception cref="Refusal"><c>pool.*</c></exception>
    public Task DemandPoolsOfSnapshotAsync(Id<Instance> id, Id<Snapshot> snapshot, CancellationToken ct) => Snapshots.DemandPoolsAsync(id, snapshot, ct);

    /// <summary>Removes a snapshot, or what there is of one; others, branches and what the instance does now stay as they are.</summary>
    /// <exception cref="Refusal"><c>snapshot.in_use</c> while a linked clone stands on it; <c>pool.*</c></exception>
    public Task DeleteSnapshotAsync(Id<Instance> id, Id<Snapshot> snapshot, Action<DiskProgress> report, CancellationToken ct) => Snapshots.DeleteAsync(id, snapshot, report, ct);

    /// <summary>Looks for what is missing, damaged or altered in a snapshot.</summary>
    /// <returns>In sentences; none when it is whole.</returns>
    public Task<IReadOnlyList<string>> VerifySnapshotAsync(Id<Instance> id, Id<Snapshot> snapshot, string? sha256, CancellationToken ct) => Snapshots.VerifyAsync(id, snapshot, sha256, ct);

    /// <summary>What would be free without each snapshot of an instance, in bytes.</summary>
    public Task<IReadOnlyDictionary<Id<Snapshot>, long>> SnapshotSizesAsync(Id<Instance> id, CancellationToken ct) => Snapshots.SizesAsync(id, ct);

    /// <summary>Where that is, of each snapshot of an instance.</summary>
    public Task<IReadOnlyDictionary<Id<Snapshot>, SnapshotSpace>> SnapshotSpacesAsync(Id<Instance> id, CancellationToken ct) => Snapshots.SpacesAsync(id, ct);

    /// <summary>The pools in which a snapshot that is taken now would have disks; null for the one beside the instances.</summary>
    public IReadOnlyList<Id<Pool>?> SnapshotPools(Id<Instance> id) => Snapshots.PoolsOf(id);

    /// <summary>How large an instance's disks are, by the volume's name.</summary>
    public IReadOnlyDictionary<string, long> DiskSizes(Id<Instance> id) =>
        InstanceVolumes.Disks(Context.Folders.Read(id)).ToDictionary(v => v.Name, v => v.SizeBytes);

    /// <summary>Takes an instance up, and lets its guest go on where one was halted for a snapshot by a daemon that is no more.</summary>
    private async Task<InstanceStatus> RecoverAsync(IDriver driver, Id<Instance> id, CancellationToken ct)
    {
        await _volumes.TakeOverAsync(Context.Folders.Read(id), ct);
        var status = await driver.RecoverAsync(id, ct);
        return await GuestHalt.EndLeftoverAsync(this, id) ? await driver.InspectAsync(id, ct) : status;
    }
}
