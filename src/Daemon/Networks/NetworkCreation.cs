using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Networks;

/// <summary>Makes a network: listed and usable when it stands, else not there.</summary>
internal sealed class NetworkCreation(NetworkStore store, NetworkSync sync, EventLog events) : OperationType<NetworkCreation.Input>
{
    /// <param name="Settings">With nothing left out that has a default.</param>
    /// <param name="IsDefault">It is the one each node has from the start.</param>
    public sealed record Input(Id<Network> Id, NetworkSettings Settings, bool IsDefault = false);

    public override string Kind => "network.create";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        new DbStep("reserve the name",
            async (transaction, _, _) =>
            {
                await NetworkStore.LockAllAsync(transaction);
                NetworkPlan.DemandApart(input.Settings, await store.AllAsync(transaction));
                await store.InsertAsync(transaction, input.Id, input.Settings);
            },
            (transaction, _, _) => store.DeleteAsync(transaction, input.Id)),
        new HostStep("set up on the node",
            (_, ct) => sync.ApplyAsync([input.Id], ct),
            (_, ct) => sync.RemoveAsync(input.Id, ct)),
        new DbStep("publish", async (transaction, context, _) =>
        {
            var caller = Caller.Of(context.Operation);
            await store.SetReadyAsync(transaction, input.Id, ready: true);
            if (input.IsDefault)
            {
                await store.NoteDefaultAsync(transaction);
            }

            await events.AppendAsync(transaction, EventTypes.NetworkCreated, $"networks/{input.Id}", caller.Name, caller.RequestId, new { name = input.Settings.Name });
            context.SetResult(new { id = $"{input.Id}", name = input.Settings.Name });
        }),
    ];
}
