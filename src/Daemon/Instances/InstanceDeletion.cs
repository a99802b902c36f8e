using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Instances;

/// <summary>Takes an instance out of the list at once, then off its node; from there on it only goes forward.</summary>
internal sealed class InstanceDeletion(
    InstanceStore store, InstanceNics nics, IEnumerable<InstanceGone> others, EventLog events, LocalNode node) : OperationType<InstanceDeletion.Input>
{
    /// <param name="Force">A running one is killed first.</param>
    public sealed record Input(Id<Instance> Id, bool Force);

    public override string Kind => "instance.delete";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        new HostStep("look at its pools", (_, ct) => node.DemandPoolsAsync(input.Id, ct)),
        new DbStep("take out of the list", async (transaction, context, _) =>
        {
            var name = context.Operation.TargetName;
            var state = await store.LockAsync(transaction, input.Id) ?? throw InstanceErrors.Unknown(name);
            InstanceActions.Demand(name, state, InstanceAction.Delete, input.Force);
            await InstanceStore.DemandNoClonesAsync(transaction, input.Id, $"'{name}' cannot be deleted");
            await store.HideAsync(transaction, input.Id);
        }),
        new HostStep("remove from the node", async (_, ct) =>
        {
            await node.RemoveAsync(input.Id, ct);
            if (await store.TieAsync(input.Id, ct) is { Own: true } tie)
            {
                await node.DeleteSnapshotAsync(tie.Source, tie.Snapshot, _ => { }, ct);
            }
        })
        { OnlyForward = true },
        new DbStep("forget", async (transaction, context, _) =>
        {
            var caller = Caller.Of(context.Operation);
            foreach (var other in others)
            {
                await other(transaction, input.Id, caller);
            }

            await nics.ForgetAsync(transaction, input.Id);
            await events.AppendAsync(transaction, EventTypes.InstanceDeleted, $"instances/{input.Id}", caller.Name, caller.RequestId, new { name = context.Operation.TargetName });
        }),
    ];
}
