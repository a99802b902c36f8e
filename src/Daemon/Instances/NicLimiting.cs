using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Node;

namespace Gantry.Daemon.Instances;

/// <summary>Changes the limits of a NIC, of a running instance at once.</summary>
internal sealed class NicLimiting(InstanceNics nics, LocalNode node) : OperationType<NicLimiting.Input>
{
    public sealed record Input(Id<Instance> Id, string Nic, NicLimits? Before, NicLimits? After);

    public override string Kind => "nic.limit";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        string? pending = null;
        return
        [
            new HostStep("limit",
                async (_, ct) => pending = (await node.LimitNicAsync(input.Id, input.Nic, input.After, ct))?.WhyNot,
                (_, ct) => node.LimitNicAsync(input.Id, input.Nic, input.Before, ct)),
            new DbStep("write down",
                (transaction, context, _) => nics.ChangeAsync(transaction, input.Id, input.Nic, nic => nic with { Limits = input.After }, context.Operation.TargetName),
                (transaction, context, _) => nics.ChangeAsync(transaction, input.Id, input.Nic, nic => nic with { Limits = input.Before }, context.Operation.TargetName)),
            nics.Publish(input.Id, input.Nic, () => new(input.Nic, pending)),
        ];
    }
}
