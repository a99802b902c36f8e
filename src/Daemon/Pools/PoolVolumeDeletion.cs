using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Pools;

/// <summary>Deletes a volume that belongs to no instance with all that is in it; once it is held it only goes forward.</summary>
internal sealed class PoolVolumeDeletion(PoolVolumeStore store, LocalNode node, EventLog events) : OperationType<PoolVolumeDeletion.Input>
{
    public sealed record Input(Id<PoolVolume> Id, Id<Pool>? Pool, string PoolName);

    public override string Kind => "volume.delete";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        new HostStep("look at its pool", (_, ct) => node.DemandPoolAsync(input.Pool, ct)),
        new DbStep("hold it", (transaction, context, _) => store.HoldAsync(transaction, input.Id, input.PoolName, context.Operation.TargetName, PoolVolumeState.Deleting)),
        new HostStep("delete", (_, ct) => node.RemoveVolumeAsync(input.Id, input.Pool, ct)) { OnlyForward = true },
        new DbStep("forget", async (transaction, context, _) =>
        {
            var caller = Caller.Of(context.Operation);
            await PoolVolumeStore.DeleteAsync(transaction, input.Id);
            await events.AppendAsync(
                transaction, EventTypes.VolumeDeleted, $"volumes/{input.Id}", caller.Name, caller.RequestId, new { name = context.Operation.TargetName, pool = input.PoolName });
        }),
    ];
}
