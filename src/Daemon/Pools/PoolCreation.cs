using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Pools;

/// <summary>Makes a pool: listed and usable when the node has it, else not there.</summary>
internal sealed class PoolCreation(PoolStore store, LocalNode node, EventLog events) : OperationType<PoolCreation.Input>
{
    public sealed record Input(Id<Pool> Id, CreatePool Wanted);

    public override string Kind => "pool.create";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        new DbStep("reserve the name",
            (transaction, _, _) => store.InsertAsync(transaction, input.Id, input.Wanted),
            (transaction, _, _) => PoolStore.DeleteAsync(transaction, input.Id)),
        new HostStep("set up on the node",
            (_, ct) => node.Context.Pools.OpenAsync(new(input.Id, input.Wanted.Kind, input.Wanted.Source, input.Wanted.Mount, input.Wanted.Format == VolumeFormat.Raw), ct),
            (_, ct) => node.Context.Pools.CloseAsync(input.Id, ct)),
        new DbStep("publish", async (transaction, context, _) =>
        {
            var caller = Caller.Of(context.Operation);
            await PoolStore.SetReadyAsync(transaction, input.Id, ready: true);
            await events.AppendAsync(transaction, EventTypes.PoolCreated, $"pools/{input.Id}", caller.Name, caller.RequestId, new { name = input.Wanted.Name });
            context.SetResult(new { id = $"{input.Id}", name = input.Wanted.Name });
        }),
    ];
}
