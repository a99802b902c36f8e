using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Pools;
using Gantry.Node;
using Gantry.Node.Instances;

namespace Gantry.Daemon.Instances;

/// <summary>Takes a volume out of an instance and keeps it in its pool. Its guest lets go of it first, or nothing happens.</summary>
internal sealed class VolumeDetachment(InstanceStore instances, VolumeRows volumes, PoolVolumeStore store, LocalNode node, EventLog events) : OperationType<VolumeDetachment.Input>
{
    /// <param name="Volume">As it is shown before.</param>
    /// <param name="Spec">As the node has it before.</param>
    /// <param name="To">What it is then.</param>
    /// <param name="IsBoot">The instance runs from it when it runs.</param>
    public sealed record Input(Id<Instance> Id, Volume Volume, VolumeSpec Spec, NewVolume To, bool IsBoot);

    public override string Kind => "volume.detach";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        var (id, name, to) = (input.Id, input.Volume.Name, input.To);
        return
        [
            new HostStep("look at its pool", (_, ct) => node.DemandPoolAsync(input.Spec.Pool, ct)),
            new DbStep("hold it",
                async (transaction, context, _) =>
                {
                    var instance = context.Operation.TargetName;
                    await volumes.DemandNoClonesAsync(transaction, id, $"The disk '{name}' of '{instance}' cannot be detached", instance);
                    if (input.IsBoot && await instances.LockAsync(transaction, id) != InstanceState.Stopped)
                    {
                        throw VolumeErrors.Boots(instance, name);
                    }

                    await store.InsertAsync(transaction, to, PoolVolumeState.Detaching, id);
                },
                (transaction, _, _) => PoolVolumeStore.DeleteAsync(transaction, to.Id)),
            new HostStep("pull it out and hand it over",
                async (_, ct) =>
                {
                    if (await node.DetachDiskAsync(id, input.Spec, to.Id, ct) is { WhyNot: { } why })
                    {
                        throw VolumeErrors.Held(name, why);
                    }
                },
                (_, ct) => node.AttachDiskAsync(id, input.Spec, to.Id, ct)),
            new DbStep("write down", async (transaction, context, _) =>
            {
                var (caller, instance) = (Caller.Of(context.Operation), context.Operation.TargetName);
                await volumes.RemoveAsync(transaction, id, input.Volume, instance);
                await VolumeRows.LeaveAsync(transaction, id, input.Volume, input.Spec.Pool);
                await store.ReleaseAsync(transaction, to.Id);
                await events.AppendAsync(
                    transaction, EventTypes.VolumeDetached, $"volumes/{to.Id}", caller.Name, caller.RequestId,
                    new { name = to.Name, pool = to.PoolName, instance = $"{id}", instanceName = instance, volume = name });
                await volumes.TellAsync(transaction, id, name, caller);
                context.SetResult(new { id = $"{to.Id}", name = to.Name, pool = to.PoolName });
            }),
        ];
    }
}
