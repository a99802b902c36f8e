using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Networks;

/// <summary>Changes settings, forwards or policies of a network: all of it holds afterwards, or all is as before.</summary>
internal sealed class NetworkConfiguration(NetworkStore store, NetworkSync sync, EventLog events) : OperationType<NetworkConfiguration.Input>
{
    /// <param name="Version">That <paramref name="Before"/> had.</param>
    /// <param name="What">For the event: <c>settings</c>, <c>forwards</c> or <c>policies</c>.</param>
    public sealed record Input(Id<Network> Id, NetworkDocument Before, NetworkDocument After, long Version, string What);

    public override string Kind => "network.configure";

    public Task<Operation> BeginAsync(
        Operations.Operations operations, StoredNetwork network, NetworkDocument after, string what, Caller caller, BeginOptions options, CancellationToken ct) =>
        operations.BeginAsync(this, new(network.Id, network.Document, after, network.Version, what), $"networks/{network.Id}", network.Name, caller, options, ct);

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        // Undone last, when the rows are as before.
        new HostStep("keep what is", (_, _) => Task.CompletedTask, (_, ct) => sync.ApplyAsync([input.Id], ct)),
        new DbStep("write down",
            async (transaction, context, _) =>
            {
                await NetworkStore.LockAllAsync(transaction);
                var found = await NetworkStore.LockAsync(transaction, input.Id);
                if (found is not { IsReady: true } || found.Version != input.Version)
                {
                    throw found is null ? NetworkErrors.Unknown(context.Operation.TargetName) : NetworkErrors.Changed(found.Name);
                }

                ForwardConflicts.Demand(input.After.Forwards, [.. (await NetworkStore.AllAsync(transaction)).Where(n => n.Id != input.Id)]);
                await store.ReplaceAsync(transaction, input.Id, input.After);
            },
            (transaction, _, _) => store.ReplaceAsync(transaction, input.Id, input.Before)),
        new HostStep("apply on the node", (_, ct) => sync.ApplyAsync([input.Id], ct)),
        new DbStep("publish", async (transaction, context, _) =>
        {
            var caller = Caller.Of(context.Operation);
            await events.AppendAsync(
                transaction, EventTypes.NetworkUpdated, $"networks/{input.Id}", caller.Name, caller.RequestId, new { name = input.After.Settings.Name, changed = input.What });
            context.SetResult(new { id = $"{input.Id}", name = input.After.Settings.Name });
        }),
    ];
}
