using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Node;
using Gantry.Node.Instances;

namespace Gantry.Daemon.Instances;

/// <summary>Takes a volume out of an instance and deletes what is in it. Its guest lets go of it first, or nothing happens.</summary>
internal sealed class VolumeRemoval(VolumeRows volumes, LocalNode node) : OperationType<VolumeRemoval.Input>
{
    public sealed record Input(Id<Instance> Id, Volume Volume, VolumeSpec Spec);

    public override string Kind => "volume.remove";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        new DbStep("look for clones", (transaction, context, _) => input.Volume.Device == VolumeDevice.Cdrom ? Task.CompletedTask
            : volumes.DemandNoClonesAsync(transaction, input.Id, $"The disk '{input.Volume.Name}' of '{context.Operation.TargetName}' cannot be removed", context.Operation.TargetName)),
        new HostStep("pull out",
            async (_, ct) =>
            {
                await node.DemandRemovableAsync(input.Id, input.Volume.Name, ct);
                if (await node.UnplugDiskAsync(input.Id, input.Volume.Name, ct) is { WhyNot: { } why })
                {
                    throw VolumeErrors.Held(input.Volume.Name, why);
                }
            },
            (_, ct) => node.PlugDiskAsync(input.Id, input.Spec, ct)),
        new DbStep("write down",
            (transaction, context, _) => volumes.RemoveAsync(transaction, input.Id, input.Volume, context.Operation.TargetName),
            (transaction, context, _) => volumes.AddAsync(transaction, input.Id, input.Volume, input.Spec, context.Operation.TargetName)),
        new HostStep("delete", (_, ct) => node.DeleteDiskAsync(input.Id, input.Spec, ct)) { OnlyForward = true },
        new DbStep("let go of its pool", (transaction, _, _) => VolumeRows.LeaveAsync(transaction, input.Id, input.Volume, input.Spec.Pool)),
        volumes.Publish(input.Id, input.Volume.Name, () => new(input.Volume.Name, null)),
    ];
}
