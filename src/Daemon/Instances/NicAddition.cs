using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Node;
using Gantry.Node.Networks;

namespace Gantry.Daemon.Instances;

/// <summary>Puts a NIC into an instance, into a running one too where that can be done.</summary>
internal sealed class NicAddition(InstanceNics nics, LocalNode node) : OperationType<NicAddition.Input>
{
    public sealed record Input(Id<Instance> Id, Nic Nic, NicSpec Spec);

    public override string Kind => "nic.add";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        string? pending = null;
        return
        [
            new DbStep("write down",
                (transaction, context, _) => nics.AddAsync(transaction, input.Id, input.Nic, input.Spec, context.Operation.TargetName),
                (transaction, context, _) => nics.ChangeAsync(transaction, input.Id, input.Nic.Name, _ => null, context.Operation.TargetName)),
            nics.Join([input.Spec]),
            new HostStep("plug in",
                async (_, ct) => pending = (await node.PlugNicAsync(input.Id, input.Spec, ct))?.WhyNot,
                (_, ct) => node.UnplugNicAsync(input.Id, input.Nic.Name, ct)),
            nics.Publish(input.Id, input.Nic.Name, () => new(input.Nic.Name, pending)),
        ];
    }
}
