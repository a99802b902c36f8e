using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Pools;

/// <summary>Takes a pool without volumes out of the list, then off the node; from there on it only goes forward. The directory or data set stays.</summary>
internal sealed class PoolDeletion(LocalNode node, EventLog events) : OperationType<PoolDeletion.Input>
{
    private const int UsersNamed = 5;

    public sealed record Input(Id<Pool> Id);

    public override string Kind => "pool.delete";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        new DbStep("take out of the list", async (transaction, context, _) =>
        {
            var name = context.Operation.TargetName;
            if (!await PoolStore.LockAsync(transaction, input.Id))
            {
                throw PoolErrors.Unknown(name);
            }

            var users = await PoolStore.UsersAsync(transaction, input.Id, UsersNamed);
            var volumes = await PoolVolumeStore.NamesAsync(transaction, input.Id, UsersNamed);
            if (users.Count + volumes.Count > 0)
            {
                throw PoolErrors.InUse(name, users, volumes);
            }

            await PoolStore.SetReadyAsync(transaction, input.Id, ready: false);
        }),
        new HostStep("close on the node", (_, ct) => node.Context.Pools.CloseAsync(input.Id, ct)) { OnlyForward = true },
        new DbStep("forget", async (transaction, context, _) =>
        {
            var caller = Caller.Of(context.Operation);
            await PoolStore.DeleteAsync(transaction, input.Id);
            await events.AppendAsync(transaction, EventTypes.PoolDeleted, $"pools/{input.Id}", caller.Name, caller.RequestId, new { name = context.Operation.TargetName });
        }),
    ];
}
