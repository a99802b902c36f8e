using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Networks;

/// <summary>Takes a network that no NIC is on out of the list, then off the node; from there on it only goes forward.</summary>
internal sealed class NetworkDeletion(NetworkStore store, NetworkSync sync, EventLog events) : OperationType<NetworkDeletion.Input>
{
    private const int UsersNamed = 5;

    public sealed record Input(Id<Network> Id);

    public override string Kind => "network.delete";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        new DbStep("take out of the list", async (transaction, context, _) =>
        {
            var found = await store.LockAsync(transaction, input.Id) ?? throw NetworkErrors.Unknown(context.Operation.TargetName);
            var (names, count) = await AddressStore.UsersAsync(transaction, input.Id, UsersNamed);
            if (count > 0)
            {
                throw NetworkErrors.InUse(found.Name, names, count);
            }

            await store.SetReadyAsync(transaction, input.Id, ready: false);
        }),
        new HostStep("remove from the node", (_, ct) => sync.RemoveAsync(input.Id, ct)) { OnlyForward = true },
        new DbStep("forget", async (transaction, context, _) =>
        {
            var caller = Caller.Of(context.Operation);
            await store.DeleteAsync(transaction, input.Id);
            await events.AppendAsync(transaction, EventTypes.NetworkDeleted, $"networks/{input.Id}", caller.Name, caller.RequestId, new { name = context.Operation.TargetName });
        }),
    ];
}
