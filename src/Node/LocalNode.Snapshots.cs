using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Guests;
using Gantry.Node.Instances;
using Gantry.Node.Pools;
using Gantry.Node.Snapshots;
using Microsoft.Extensions.Logging;

namespace Gantry.Node;

public sealed partial class LocalNode
{
    private InstanceSnapshots Snapshots => field ??= new(this);

    /// <summary>Keeps an instance as it is: all disks at one instant, what its firmware and TPM remember, and its specification. One that was taken already stays as it is.</summary>
    /// <param name="wish">How; as <see cref="SnapshotWish.Default"/> when left out.</param>
    /// <param name="report">Told how much of the memory was written.</param>
    /// <exception cref="Refusal"><c>instance.wrong_state</c>, <c>snapshot.*</c>, <c>memory.not_saved</c>, <c>pool.*</c>, <c>volume.*</c></exception>
    public Task<TakenSnapshot> TakeSnapshotAsync(Id<Instance> id, Id<Snapshot> snapshot, CancellationToken ct, SnapshotWish? wish = null, Action<DiskProgress>? report = null) =>
        Snapshots.TakeAsync(id, snapshot, wish ?? SnapshotWish.Default, report ?? (_ => { }), ct);

    /// <summary>Finds that a snapshot is there, unaltered as far as can be seen at once, and fits the disks the instance has.</summary>
    /// <param name="sha256">Of its record, as <see cref="TakeSnapshotAsync"/> said; null where nobody knows.</param>
    /// <param name="memory">The instance is to go on from the memory in it.</param>
    /// <exception cref="Refusal"><c>snapshot.missing</c>, <c>snapshot.damaged</c>, <c>snapshot.other_disks</c>, <c>snapshot.no_memory</c>, <c>snapshot.other_machine</c>, <c>pool.*</c></exception>
    public Task DemandRestorableAsync(Id<Instance> id, Id<Snapshot> snapshot, string? sha256, CancellationToken ct, bool memory = false) =>
        Snapshots.DemandRestorableAsync(id, snapshot, sha256, memory, ct);

    /// <summary>Lets an instance, whose disks were put back from a snapshot, go on from the memory in it.</summary>
    /// <param name="pause">It stays halted there.</param>
    /// <exception cref="Refusal"><c>driver.start_failed</c>, <c>snapshot.missing</c>, <c>snapshot.no_memory</c>, <c>driver.no_answer</c></exception>
    public async Task ContinueFromSnapshotAsync(Id<Instance> id, Id<Snapshot> snapshot, bool pause, CancellationToken ct)
    {
        _volumes.EnsureSeed(Context.Folders.Read(id));
        await Snapshots.ContinueAsync(id, snapshot, pause, ct);
    }

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

    /// <exception cref="Refusal"><c>driver.cannot</c></exception>
    internal IMemory MemoryOf(Id<Instance> id) => Able<IMemory>(id, "keep memory");

    /// <summary>The socket a guest's agent is reached through; null when none listens.</summary>
    internal async Task<string?> FindAgentAsync(Id<Instance> id, CancellationToken ct) => DriverOf(id) is IAgentChannel able ? await able.FindAgentAsync(id, ct) : null;

    /// <summary>Has a guest's file systems go on that were brought to rest by a daemon which is no more.</summary>
    internal async Task ThawLeftoverAsync(Id<Instance> id)
    {
        if (await GuestFreeze.EndLeftoverAsync(Context, id, () => FindAgentAsync(id, CancellationToken.None)) is { } why)
        {
            TellNotThawed(id, why);
        }
    }

    internal void TellNotThawed(Id<Instance> id, string why) => LogNotThawed(_logger, id, why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The file systems in the guest of instance {Id} may still be frozen: {Reason}")]
    private static partial void LogNotThawed(ILogger logger, Id<Instance> id, string reason);

    /// <summary>Takes an instance up, and lets its guest go on where one was halted, or brought to rest, for a snapshot by a daemon that is no more.</summary>
    private async Task<InstanceStatus> RecoverAsync(IDriver driver, Id<Instance> id, CancellationToken ct)
    {
        await _volumes.TakeOverAsync(Context.Folders.Read(id), ct);
        var status = await driver.RecoverAsync(id, ct);
        status = await GuestHalt.EndLeftoverAsync(this, id) ? await driver.InspectAsync(id, ct) : status;
        await ThawLeftoverAsync(id);
        return status;
    }
}
