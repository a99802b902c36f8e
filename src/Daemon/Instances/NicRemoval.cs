using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Node;

namespace Gantry.Daemon.Instances;

/// <summary>Takes a NIC out of an instance; from its first step on it only goes forward.</summary>
internal sealed class NicRemoval(InstanceNics nics, LocalNode node) : OperationType<NicRemoval.Input>
{
    public sealed record Input(Id<Instance> Id, string Nic);

    public override string Kind => "nic.remove";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        string? pending = null;
        return
        [
            new HostStep("unplug", async (_, ct) => pending = (await node.UnplugNicAsync(input.Id, input.Nic, ct))?.WhyNot) { OnlyForward = true },
            new DbStep("write down", (transaction, context, _) => nics.ChangeAsync(transaction, input.Id, input.Nic, _ => null, context.Operation.TargetName)),
            nics.Publish(input.Id, input.Nic, () => new(input.Nic, pending)),
        ];
    }
}
