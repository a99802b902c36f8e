using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Node;
using Gantry.Node.Instances;

namespace Gantry.Daemon.Instances;

/// <summary>Makes a volume and puts it into an instance, into a running one too where that can be done.</summary>
internal sealed class VolumeAddition(VolumeRows volumes, LocalNode node) : OperationType<VolumeAddition.Input>
{
    public sealed record Input(Id<Instance> Id, Volume Volume, VolumeSpec Spec);

    public override string Kind => "volume.add";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        string? pending = null;
        return
        [
            new DbStep("write down",
                (transaction, context, _) => volumes.AddAsync(transaction, input.Id, input.Volume, input.Spec, context.Operation.TargetName),
                async (transaction, context, _) =>
                {
                    await volumes.RemoveAsync(transaction, input.Id, input.Volume, context.Operation.TargetName);
                    await VolumeRows.LeaveAsync(transaction, input.Id, input.Volume, input.Spec.Pool);
                }),
            new HostStep("make it and plug it in",
                async (_, ct) => pending = (await node.PlugDiskAsync(input.Id, input.Spec, ct))?.WhyNot,
                async (_, ct) =>
                {
                    if (await node.UnplugDiskAsync(input.Id, input.Volume.Name, ct) is { WhyNot: { } why })
                    {
                        throw VolumeErrors.Held(input.Volume.Name, why);
                    }

                    await node.DeleteDiskAsync(input.Id, input.Spec, ct);
                }),
            volumes.Publish(input.Id, input.Volume.Name, () => new(input.Volume.Name, pending)),
        ];
    }
}
