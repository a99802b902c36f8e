using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Instances;

/// <summary>Presses the reset button: the guest boots anew without having been asked, its process goes on.</summary>
internal sealed class InstanceReset(InstanceStates states, EventLog events, LocalNode node) : OperationType<InstanceReset.Input>
{
    public sealed record Input(Id<Instance> Id);

    public override string Kind => "instance.reset";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        states.Demand(input.Id, InstanceAction.Reset),
        new HostStep("reset", (_, ct) => node.ResetAsync(input.Id, ct)),
        new DbStep("publish", async (transaction, context, ct) =>
        {
            var caller = Caller.Of(context.Operation);
            await events.AppendAsync(transaction, EventTypes.InstanceReset, $"instances/{input.Id}", caller.Name, caller.RequestId, new { by = "user" });
            await states.FollowAsync(transaction, input.Id, caller, ct);
        }),
    ];
}
