using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Operations;
using Gantry.Node;

namespace Gantry.Daemon.Snapshots;

/// <summary>Takes a snapshot out of the list, then off the node; from there on it only goes forward. What came after it comes after its parent then.</summary>
internal sealed class SnapshotDeletion(InstanceStore instances, EventLog events, LocalNode node, TimeProvider time) : OperationType<SnapshotDeletion.Input>
{
    /// <param name="Reason">Why it goes; null where somebody asked for it.</param>
    /// <param name="SizeBytes">What is free without it, as far as that was known.</param>
    public sealed record Input(Id<Snapshot> Id, Id<Instance> Instance, string Name, string? Reason = null, long? SizeBytes = null);

    public override string Kind => "snapshot.delete";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        new HostStep("look at its pools", (_, ct) => node.DemandPoolsOfSnapshotAsync(input.Instance, input.Id, ct)),
        new DbStep("take out of the list", async (transaction, context, _) =>
        {
            var name = context.Operation.TargetName;
            SnapshotRules.DemandAtRest(name, await instances.LockAsync(transaction, input.Instance) ?? throw InstanceErrors.Unknown(name), "deleting a snapshot");
            await SnapshotStore.LockAsync(transaction, input.Id, name, input.Name);
            await InstanceStore.DemandNoClonesAsync(transaction, input.Instance, $"The snapshot '{input.Name}' of '{name}' cannot be deleted", input.Id);
            await SnapshotProtection.DemandNoneAsync(transaction, input.Id, input.Name, time.GetUtcNow());
            await SnapshotStore.HideAsync(transaction, input.Id);
        }, (transaction, _, _) => SnapshotStore.ShowAsync(transaction, input.Id)),
        new HostStep("remove from the node", (context, ct) => node.DeleteSnapshotAsync(input.Instance, input.Id, SnapshotSteps.Reporter(context), ct)) { OnlyForward = true },
        new DbStep("forget", async (transaction, context, _) =>
        {
            await SnapshotStore.DeleteAsync(transaction, input.Id);
            await SnapshotSteps.TellAsync(events, transaction, context, EventTypes.SnapshotDeleted, input.Id, input.Instance, input.Name, input.Reason);
        }),
    ];
}
