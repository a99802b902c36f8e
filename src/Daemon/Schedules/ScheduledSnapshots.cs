using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Snapshots;

namespace Gantry.Daemon.Schedules;

/// <summary>Takes snapshots, and deletes those of the same schedule that its retention does not keep.</summary>
internal sealed class ScheduledSnapshots(
    SnapshotStore store, SnapshotTaking taking, SnapshotDeletion delete, Operations.Operations operations, TimeProvider time) : IScheduledAction
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMinutes(10);

    /// <summary>What is dated later than so much from now was taken by a clock that was wrong, and says nothing about the age of others.</summary>
    private static readonly TimeSpan Ahead = TimeSpan.FromMinutes(5);

    public IReadOnlyList<ScheduledAction> Does { get; } = [ScheduledAction.Snapshot];

    public async Task<Operation?> BeginAsync(ScheduledWork work, Instance instance, BeginOptions options, CancellationToken ct)
    {
        var how = work.Settings.Snapshot;
        var wanted = new CreateSnapshot(work.SnapshotName, how?.Description, how?.Memory ?? false, how?.Quiesce);
        try
        {
            return await taking.BeginAsync(instance, wanted, work.Schedule, work.Actor, options, ct);
        }
        catch (Refusal refusal) when (refusal.Code == SnapshotErrors.OwnQuotaReached)
        {
            if (await MakeRoomAsync(work, instance, ct) == 0)
            {
                throw;
            }

            return await taking.BeginAsync(instance, wanted, work.Schedule, work.Actor, options with { Queue = true }, ct); // behind the deletions
        }
    }

    public async Task FollowAsync(ScheduledWork work, Instance instance, Operation ended, CancellationToken ct)
    {
        if (ended.State != OperationState.Succeeded)
        {
            if (ended.Error?.Code is "pool.full" or "image.no_space" or "snapshot.no_space")
            {
                await MakeRoomAsync(work, instance, ct);
            }

            return;
        }

        var mine = await MineAsync(work, instance, ct);
        foreach (var id in Superfluous(work, mine.Select(s => new RetentionItem($"{s.Id}", s.CreatedAt, 0))))
        {
            // The one that was just taken stays, whatever the clock says.
            if (mine.Single(s => $"{s.Id}" == id) is var gone && gone.Name != work.SnapshotName && !gone.IsKept(time.GetUtcNow()))
            {
                await EndOfAsync(await DeleteAsync(work, instance, gone, ct), ct);
            }
        }
    }

    /// <summary>
    /// Begins to delete what retention would not keep once there is one more. Of those that there are the newest stays, since that one more may never come.
    /// </summary>
    /// <returns>How many.</returns>
    private async Task<int> MakeRoomAsync(ScheduledWork work, Instance instance, CancellationToken ct)
    {
        var begun = 0;
        var mine = await MineAsync(work, instance, ct);
        var next = new RetentionItem("next", time.GetUtcNow(), 0);
        var newest = mine.MaxBy(s => s.CreatedAt);
        foreach (var id in Superfluous(work, [next, .. mine.Select(s => new RetentionItem($"{s.Id}", s.CreatedAt, 0))]))
        {
            if (mine.SingleOrDefault(s => $"{s.Id}" == id) is { } gone && gone != newest && !gone.IsKept(time.GetUtcNow()))
            {
                await DeleteAsync(work, instance, gone, ct);
                begun++;
            }
        }

        return begun;
    }

    private async Task<IReadOnlyList<StoredSnapshot>> MineAsync(ScheduledWork work, Instance instance, CancellationToken ct) =>
        [.. (await store.TakenByAsync(instance.Id, work.Schedule, ct)).Where(s => s.CreatedAt <= time.GetUtcNow() + Ahead)];

    /// <summary>The ids of those that no rule keeps.</summary>
    private static IEnumerable<string> Superfluous(ScheduledWork work, IEnumerable<RetentionItem> items) => work.Settings.Snapshot?.Retention is not { } rule ? []
        : RetentionPlan.Of(items, rule, TimeZones.Get(work.Settings.TimeZone!)).Where(v => !v.Keep).Select(v => v.Item.Id);

    private Task<Operation> DeleteAsync(ScheduledWork work, Instance instance, StoredSnapshot gone, CancellationToken ct) => operations.BeginAsync(
        delete, new(gone.Id, instance.Id, gone.Name), $"instances/{instance.Id}", instance.Name, work.Actor, new(Queue: true), ct);

    private async Task EndOfAsync(Operation begun, CancellationToken ct)
    {
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
