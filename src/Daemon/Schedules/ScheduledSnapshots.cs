using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Snapshots;

namespace Gantry.Daemon.Schedules;

/// <summary>Takes snapshots, and deletes those of the same schedule that its retention does not keep.</summary>
internal sealed class ScheduledSnapshots(SnapshotStore store, SnapshotCreation create, SnapshotDeletion delete, Operations.Operations operations) : IScheduledAction
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMinutes(10);

    public IReadOnlyList<ScheduledAction> Does { get; } = [ScheduledAction.Snapshot];

    public async Task<Operation?> BeginAsync(ScheduledWork work, Instance instance, BeginOptions options, CancellationToken ct)
    {
        var wanted = new CreateSnapshot(work.SnapshotName, work.Settings.Snapshot?.Description);
        return await operations.BeginAsync(create, new(Id<Snapshot>.New(), instance.Id, wanted), $"instances/{instance.Id}", instance.Name, work.Actor, options, ct);
    }

    public async Task FollowAsync(ScheduledWork work, Instance instance, CancellationToken ct)
    {
        if (work.Settings.Snapshot?.Retention is not { } rule)
        {
            return;
        }

        var mine = await store.NamedAsync(instance.Id, $"{work.Settings.Name}_", ct);
        var plan = RetentionPlan.Of(mine.Select(s => new RetentionItem($"{s.Id}", s.CreatedAt, 0)), rule, TimeZones.Get(work.Settings.TimeZone!));
        foreach (var verdict in plan.Where(v => !v.Keep))
        {
            var gone = mine.Single(s => $"{s.Id}" == verdict.Item.Id);
            var begun = await operations.BeginAsync(
                delete, new(gone.Id, instance.Id, gone.Name), $"instances/{instance.Id}", instance.Name, work.Actor, new(Queue: true), ct);
            Operation ended;
            while ((ended = await operations.WaitAsync(begun.Id, LookEvery, ct)).FinishedAt is null)
            {
            }

            // Somebody else may have deleted it meanwhile.
            if (ended.Error is { Code: not "snapshot.unknown" } error)
            {
                throw Refusal.Unavailable(error.Code, error.Detail, error.Hint ?? "See the operation of the deletion.");
            }
        }
    }
}
