using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Networks;

/// <summary>Changes settings, forwards or policies of a network: all of it holds afterwards, or all is as before.</summary>
internal sealed class NetworkConfiguration(NetworkStore store, NetworkSync sync, EventLog events) : OperationType<NetworkConfiguration.Input>
{
    /// <param name="Version">That the network had when the change was made of it.</param>
    public sealed record Input(Id<Network> Id, NetworkChange Change, long Version);

    public override string Kind => "network.configure";

    public Task<Operation> BeginAsync(
        Operations.Operations operations, StoredNetwork network, NetworkChange change, Caller caller, BeginOptions options, CancellationToken ct) =>
        operations.BeginAsync(this, new(network.Id, change, network.Version), $"networks/{network.Id}", network.Name, caller, options, ct);

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        // Undone last, when the rows are as before.
        new HostStep("keep what is", (_, _) => Task.CompletedTask, (_, ct) => sync.ApplyAsync([input.Id], ct)),
        new DbStep("write down",
            async (transaction, context, _) =>
            {
                await NetworkStore.LockAllAsync(transaction);
                if (await NetworkStore.VersionAsync(transaction, input.Id) is not { } version || version != input.Version)
                {
                    throw NetworkErrors.Changed(context.Operation.TargetName);
                }

                if (input.Change.Forwards is { } forwards)
                {
                    ForwardConflicts.Demand(forwards, [.. (await store.AllAsync(transaction)).Where(n => n.Id != input.Id)]);
                }

                var change = input.Change.Rule is { } rule
                    ? new NetworkChange(Policies: rule.AppliedTo(await store.PoliciesAsync(transaction, input.Id), context.Operation.TargetName))
                    : input.Change;
                await store.ReplaceAsync(transaction, input.Id, change);
            },
            (transaction, _, _) => store.PutBackAsync(transaction, input.Id)),
        new HostStep("apply on the node", (_, ct) => sync.ApplyAsync([input.Id], ct)),
        new DbStep("publish", async (transaction, context, _) =>
        {
            await NetworkStore.ForgetPreviousAsync(transaction, input.Id);
            var caller = Caller.Of(context.Operation);
            await events.AppendAsync(
                transaction, EventTypes.NetworkUpdated, $"networks/{input.Id}", caller.Name, caller.RequestId, new { name = context.Operation.TargetName, changed = input.Change.What });
            context.SetResult(new { id = $"{input.Id}", name = context.Operation.TargetName });
        }),
    ];
}
