using System.Text.Json.Serialization;
using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Gantry.Node.Snapshots;

namespace Gantry.Daemon.Snapshots;

/// <summary>Takes a snapshot of an instance. It is the instance's operation, so that nothing else changes meanwhile.</summary>
internal sealed class SnapshotCreation(SnapshotStore store, InstanceStore instances, EventLog events, LocalNode node, DemandSnapshotRoom demandRoom) : OperationType<SnapshotCreation.Input>
{
    /// <param name="Schedule">Whose run takes it; null where somebody asked for it.</param>
    /// <param name="Removed">What was removed to make room for it; its deletions were begun before.</param>
    public sealed record Input(Id<Snapshot> Id, Id<Instance> Instance, CreateSnapshot Wanted, Id<Schedule>? Schedule = null, IReadOnlyList<SnapshotRemoval>? Removed = null);

    public override string Kind => "snapshot.create";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        // A schedule's run takes what there is: nobody is there to whom it could be refused.
        var wish = new SnapshotWish(input.Wanted.Memory, input.Wanted.Quiesce ?? SnapshotQuiesce.Auto, IfAny: input.Schedule is not null);
        TakenSnapshot? taken = null;
        return
        [
            new DbStep("reserve its name", async (transaction, context, _) =>
            {
                var name = context.Operation.TargetName;
                var state = await instances.LockAsync(transaction, input.Instance) ?? throw InstanceErrors.Unknown(name);
                SnapshotRules.DemandAtRest(name, state, "a snapshot");
                if (!wish.IfAny)
                {
                    SnapshotRules.DemandMemory(name, state, input.Wanted);
                }

                var pools = node.SnapshotPools(input.Instance);
                await demandRoom(transaction, input.Instance, name, pools);
                await store.InsertAsync(transaction, input.Id, input.Instance, name, input.Wanted, state, input.Schedule);
                await SnapshotStore.NotePoolsAsync(transaction, input.Id, pools);
                foreach (var gone in input.Removed ?? [])
                {
                    context.Log($"To make room, {gone.InstanceName}/{gone.Name} was removed: {gone.Reason}. Operation {gone.Operation}");
                }
            }, (transaction, _, _) => SnapshotStore.DeleteAsync(transaction, input.Id)),
            new HostStep("take",
                async (context, ct) => taken = await node.TakeSnapshotAsync(input.Instance, input.Id, ct, wish, SnapshotSteps.Reporter(context, "save memory")),
                (context, ct) => node.DeleteSnapshotAsync(input.Instance, input.Id, SnapshotSteps.Reporter(context), ct)),
            new DbStep("publish", async (transaction, context, ct) =>
            {
                // A run that was broken off between the steps finds what the one before it took.
                var (record, sha256) = taken ?? await node.TakeSnapshotAsync(input.Instance, input.Id, ct, wish);
                await store.SetTakenAsync(transaction, input.Id, input.Instance, record.TakenAt, record.State, record.Level, sha256, record.Memory?.Bytes);
                await SnapshotSteps.TellAsync(events, transaction, context, EventTypes.SnapshotCreated, input.Id, input.Instance, input.Wanted.Name);
                if (record.NotThawed is not null)
                {
                    await SnapshotSteps.TellAsync(events, transaction, context, EventTypes.SnapshotNotThawed, input.Id, input.Instance, input.Wanted.Name);
                }

                Remark(context, input, record);
                context.SetResult(new SnapshotTaken($"{input.Id}", input.Wanted.Name, input.Removed is { Count: > 0 } removed ? removed : null));
            }),
        ];
    }

    /// <summary>What is other than one may think.</summary>
    private static void Remark(StepContext context, Input input, SnapshotRecord record)
    {
        if (input.Wanted.Memory && record.Memory is null)
        {
            context.Log("It was stopped: there was no memory to keep.");
        }

        if (record.NotQuiesced is { } why)
        {
            context.Log($"Its file systems were not brought to rest: {why}.");
        }

        if (record.NotThawed is { } still)
        {
            context.Log($"Its file systems may still be at rest: {still}. `fsfreeze --unfreeze` in the guest, or a restart of it, has them go on.");
        }
    }
}

/// <summary>What a creation answers with.</summary>
/// <param name="Removed">What had to go first; null when nothing had.</param>
internal sealed record SnapshotTaken(string Id, string Name, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<SnapshotRemoval>? Removed);
