using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Snapshots;
using Gantry.Node;
using Gantry.Node.Instances;
using Gantry.Node.Snapshots;
using Npgsql;

namespace Gantry.Daemon.Clones;

/// <summary>
/// Makes an instance of another's snapshot, or of one that it takes of it first: whole or not at all. It is the clone's operation; the source may be
/// used meanwhile, and the tie keeps it and the snapshot from being deleted.
/// </summary>
internal sealed class InstanceCloning(
    SnapshotStore snapshots, InstanceStore store, InstanceStates states, InstanceNics nics, EventLog events, LocalNode node)
    : OperationType<InstanceCloning.Input>
{
    /// <param name="Snapshot">Its name; null for one that is taken here.</param>
    /// <param name="Tied">It stands on the snapshot afterwards.</param>
    /// <param name="Macs">Those that were asked for.</param>
    public sealed record Input(
        InstanceSpec Spec, InstanceDetails Details, CloneSource From, string FromName, string? Snapshot, bool Tied, IReadOnlyList<string> Macs, bool StartNow);

    public override string Kind => "instance.clone";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        var (id, from, own) = (input.Spec.Id, input.From, input.Snapshot is null);
        var take = new HostStep("take a snapshot",
            (_, ct) => node.TakeSnapshotAsync(from.Instance, from.Snapshot, ct),
            (context, ct) => RemoveSnapshotAsync(from, context, ct));
        var clone = new HostStep(from.Linked ? "link the disks" : "copy the disks",
            (context, ct) => node.CloneAsync(input.Spec, from, context.Report, ct),
            (_, ct) => node.RemoveCloneAsync(id, from, ct));
        var start = new HostStep("start",
            (_, ct) => node.StartAsync(id, ct),
            (_, ct) => node.StopAsync(id, ct));
        return
        [
            new DbStep("reserve the name", (transaction, _, _) => ReserveAsync(transaction, input), (transaction, _, _) => nics.ForgetAsync(transaction, id)),
            .. input.Spec.Nics?.Any(n => n.Network is not null) == true ? [nics.Join(input.Spec.Nics)] : (Step[])[],
            .. own ? [take] : (Step[])[],
            clone,
            .. own && !input.Tied ? [new HostStep("remove the snapshot", (context, ct) => RemoveSnapshotAsync(from, context, ct))] : (Step[])[],
            .. input.StartNow ? [start] : (Step[])[],
            new DbStep("publish", async (transaction, context, ct) =>
            {
                var caller = Caller.Of(context.Operation);
                if (!input.Tied)
                {
                    await store.UntieAsync(transaction, id);
                }

                await store.SetVolumeSizesAsync(transaction, id, node.DiskSizes(id));
                await events.AppendAsync(
                    transaction, EventTypes.InstanceCreated, $"instances/{id}", caller.Name, caller.RequestId, new { name = input.Spec.Name, clonedFrom = input.FromName, linked = input.Tied });
                await states.FollowAsync(transaction, id, caller, ct);
                context.SetResult(new { id = $"{id}", name = input.Spec.Name });
            }),
        ];
    }

    private async Task ReserveAsync(NpgsqlTransaction transaction, Input input)
    {
        var (id, from) = (input.Spec.Id, input.From);
        var state = await store.LockAsync(transaction, from.Instance) ?? throw InstanceErrors.Unknown(input.FromName);
        if (input.Snapshot is { } snapshot)
        {
            await SnapshotStore.LockAsync(transaction, from.Snapshot, input.FromName, snapshot);
            await snapshots.SetUsedAsync(transaction, from.Snapshot);
        }
        else
        {
            SnapshotRules.DemandAtRest(input.FromName, state, "cloning it");
        }

        await store.InsertAsync(transaction, input.Spec, input.Details);
        await nics.AllotAsync(transaction, new(input.Spec, input.Details, input.StartNow));
        await store.TieAsync(transaction, id, new(from.Instance, from.Snapshot, Own: input.Snapshot is null, input.Tied));
        foreach (var mac in input.Macs)
        {
            if (await InstanceStore.WithMacAsync(transaction, mac, id) is { } other)
            {
                throw CloneErrors.MacTaken(mac, other);
            }
        }
    }

    private Task RemoveSnapshotAsync(CloneSource from, StepContext context, CancellationToken ct) =>
        node.DeleteSnapshotAsync(from.Instance, from.Snapshot, SnapshotSteps.Reporter(context), ct);
}
