using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Gantry.Node.Instances;

namespace Gantry.Daemon.Instances;

/// <summary>Makes an instance and, when asked to, starts it: whole or not at all.</summary>
internal sealed class InstanceCreation(InstanceStore store, InstanceStates states, InstanceNics nics, EventLog events, LocalNode node)
    : OperationType<InstanceCreation.Input>
{
    public sealed record Input(InstanceSpec Spec, InstanceDetails Details, bool StartNow);

    public override string Kind => "instance.create";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        var id = input.Spec.Id;
        var define = new HostStep("define on the node",
            (_, ct) => node.DefineAsync(input.Spec, ct),
            (_, ct) => node.RemoveAsync(id, ct));
        var start = new HostStep("start",
            (_, ct) => node.StartAsync(id, ct),
            (_, ct) => node.StopAsync(id, ct));
        return
        [
            new DbStep("reserve the name",
                async (transaction, _, _) =>
                {
                    await store.InsertAsync(transaction, input.Spec, input.Details);
                    await nics.AllotAsync(transaction, input);
                },
                (transaction, _, _) => nics.ForgetAsync(transaction, id)),
            .. input.Spec.Nics?.Any(n => n.Network is not null) == true ? [nics.Join(input.Spec.Nics)] : (Step[])[],
            define,
            .. input.StartNow ? [start] : (Step[])[],
            new DbStep("publish", async (transaction, context, ct) =>
            {
                var caller = Caller.Of(context.Operation);
                await events.AppendAsync(transaction, EventTypes.InstanceCreated, $"instances/{id}", caller.Name, caller.RequestId, new { name = input.Spec.Name });
                await states.FollowAsync(transaction, id, caller, ct);
                context.SetResult(new { id = $"{id}", name = input.Spec.Name });
            }),
        ];
    }
}
