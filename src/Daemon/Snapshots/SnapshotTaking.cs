using Gantry.Contracts;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Snapshots;

/// <summary>Begins to take snapshots, for whoever asks: what has to go for one is deleted before, and the creation queues behind that.</summary>
internal sealed class SnapshotTaking(SnapshotCreation create, SnapshotStore store, MakeSnapshotRoom makeRoom, Operations.Operations operations)
{
    /// <exception cref="Refusal"><c>snapshot.name_taken</c>, <c>quota.reached</c>, <c>quota.instance_reached</c>, <c>operation.target_busy</c></exception>
    public async Task<Operation> BeginAsync(Instance instance, CreateSnapshot wanted, Id<Schedule>? schedule, Caller caller, BeginOptions options, CancellationToken ct)
    {
        if (await operations.ReplayAsync(caller, options, ct) is { } first)
        {
            return first;
        }

        await store.DemandNameAsync(instance.Id, wanted.Name, ct);
        var removed = await makeRoom(instance, caller, options, ct);
        var behind = options with { Queue = options.Queue || removed.Any(r => r.Instance == instance.Id) };
        return await operations.BeginAsync(create, new(Id<Snapshot>.New(), instance.Id, wanted, schedule, removed.Count > 0 ? removed : null), instance, caller, behind, ct);
    }
}
