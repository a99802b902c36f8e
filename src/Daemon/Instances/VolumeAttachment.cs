using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Pools;
using Gantry.Node;
using Gantry.Node.Instances;

namespace Gantry.Daemon.Instances;

/// <summary>Gives a volume that belongs to none to an instance, a running one too. It is in the one row or in the other, never in both.</summary>
internal sealed class VolumeAttachment(VolumeRows volumes, PoolVolumeStore store, LocalNode node, EventLog events) : OperationType<VolumeAttachment.Input>
{
    /// <param name="Volume">As it is shown then.</param>
    /// <param name="Spec">As the node has it then.</param>
    /// <param name="Name">As it is called before.</param>
    public sealed record Input(Id<Instance> Id, Volume Volume, VolumeSpec Spec, Id<PoolVolume> From, string Name);

    public override string Kind => "volume.attach";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        var (id, pool) = (input.Id, input.Volume.Pool ?? StoredPool.Local);
        string? pending = null;
        return
        [
            new HostStep("look at its pool", (_, ct) => node.DemandPoolAsync(input.Spec.Pool, ct)),
            new DbStep("hold it",
                async (transaction, context, _) =>
                {
                    await volumes.DemandRoomAsync(transaction, id, input.Volume, context.Operation.TargetName);
                    await store.HoldAsync(transaction, input.From, pool, input.Name, PoolVolumeState.Attaching, id);
                },
                (transaction, _, _) => store.ReleaseAsync(transaction, input.From)),
            new HostStep("hand it over and plug it in",
                async (_, ct) => pending = (await node.AttachDiskAsync(id, input.Spec, input.From, ct))?.WhyNot,
                async (_, ct) =>
                {
                    try
                    {
                        if (await node.DetachDiskAsync(id, input.Spec, input.From, ct) is { WhyNot: { } why })
                        {
                            throw VolumeErrors.Held(input.Volume.Name, why);
                        }
                    }
                    catch (Refusal refusal) when (refusal.Code == "volume.exists")
                    {
                        // Something lies in its way at the instance, so it was never handed over.
                    }
                }),
            new DbStep("write down", async (transaction, context, _) =>
            {
                var (caller, instance) = (Caller.Of(context.Operation), context.Operation.TargetName);
                await volumes.AddAsync(transaction, id, input.Volume, input.Spec, instance);
                await PoolVolumeStore.DeleteAsync(transaction, input.From);
                await events.AppendAsync(
                    transaction, EventTypes.VolumeAttached, $"volumes/{input.From}", caller.Name, caller.RequestId,
                    new { name = input.Name, pool, instance = $"{id}", instanceName = instance, volume = input.Volume.Name });
                await volumes.TellAsync(transaction, id, input.Volume.Name, caller);
                context.SetResult(new VolumeChangeResult(input.Volume.Name, pending));
            }),
        ];
    }
}
