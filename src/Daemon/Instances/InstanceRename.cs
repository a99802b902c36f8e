using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Networks;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Instances;

/// <summary>Gives an instance another name, also while it runs: first on its node, then, with its success, in the list.</summary>
internal sealed class InstanceRename(InstanceStates states, InstanceStore store, NetworkStore networks, EventLog events, LocalNode node) : OperationType<InstanceRename.Input>
{
    public sealed record Input(Id<Instance> Id, string Name);

    public override string Kind => "instance.rename";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        states.Demand(input.Id, InstanceAction.Rename, (transaction, _) => store.DemandFreeAsync(transaction, input.Id, input.Name)),
        new HostStep("rename on the node",
            (_, ct) => node.RenameAsync(input.Id, input.Name, ct),
            async (_, ct) => await node.RenameAsync(input.Id, (await store.GetAsync(input.Id.ToString(), ct)).Name, ct)),
        new DbStep("publish", async (transaction, context, _) =>
        {
            var caller = Caller.Of(context.Operation);
            if (await store.RenameAsync(transaction, input.Id, input.Name))
            {
                await networks.TouchOfAsync(transaction, input.Id);
                await events.AppendAsync(
                    transaction, EventTypes.InstanceRenamed, $"instances/{input.Id}", caller.Name, caller.RequestId, new { from = context.Operation.TargetName, name = input.Name });
            }

            context.SetResult(new { id = $"{input.Id}", name = input.Name });
        }),
    ];
}
