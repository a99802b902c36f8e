using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Snapshots;

namespace Gantry.Daemon.Quotas;

/// <summary>
/// Deletes what a quota does not allow, one after another, until it is kept or nothing more can go. Each is a deletion of its own, named in
/// the result; one that fails is told and the next is tried. One enforcement works at a time, so that it always finds a place for its deletions.
/// </summary>
internal sealed class QuotaEnforcement(QuotaStore store, QuotaItems items, SnapshotSizes sizes, DeleteForQuota delete, EventLog events, TimeProvider time) : OperationType<QuotaEnforcement.Input>
{
    /// <summary>What all enforcements change.</summary>
    public const string Target = "quotas";

    /// <summary>Sizes change as neighbours go, so it is measured and decided again.</summary>
    private const int MostRounds = 10;

    /// <param name="Name">What the quota was called when it began.</param>
    public sealed record Input(QuotaScope Scope, Guid? Subject, string Name)
    {
        public static Input Of(QuotaOwner owner) => new(owner.Scope, owner.Subject, owner.Name);

        internal QuotaOwner Owner => new(Scope, Subject, Name);
    }

    public override string Kind => "quota.enforce";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        QuotaUsage? before = null;
        IReadOnlyList<SnapshotRemoval> failed = [];
        return
        [
            new HostStep("measure", async (_, ct) =>
            {
                await MeasureAsync(input.Owner, ct);
                before = (await store.GetAsync(input.Owner, ct)).Usage;
            }),
            new HostStep("remove", async (context, ct) => failed = await RemoveAsync(input.Owner, context, ct)) { OnlyForward = true },
            new DbStep("publish", async (transaction, context, ct) =>
            {
                var quota = await store.GetAsync(input.Owner, ct);
                var left = QuotaPlan.Of(await items.OfAsync(input.Owner, null, ct), quota.Limit, time.GetUtcNow());
                var begun = await QuotaDeletions.BegunAsync(transaction, context.Operation.Id);
                var removed = begun.Concat(failed.Where(f => begun.All(b => b.Id != f.Id))).ToList();
                var gone = removed.Where(r => r.Error is null).ToList();
                before ??= quota.Usage with { Count = quota.Usage.Count + gone.Count, Bytes = quota.Usage.Bytes + gone.Sum(r => r.SizeBytes ?? 0) };
                context.SetResult(new QuotaEnforced(input.Name, DryRun: false, removed, before, quota.Usage, left.NotMet));
                if (removed.Count > 0)
                {
                    var caller = Caller.Of(context.Operation);
                    await events.AppendAsync(transaction, EventTypes.QuotaEnforced, Target, caller.Name, caller.RequestId, new
                    {
                        quota = input.Name,
                        removed = gone.Select(r => new { id = $"{r.Id}", name = r.Name, instanceName = r.InstanceName, reason = r.Reason }),
                        failed = removed.Count - gone.Count,
                        notMet = left.NotMet,
                    });
                }
            }),
        ];
    }

    /// <summary>What it would do now, by the sizes that were measured last.</summary>
    public async Task<QuotaEnforced> PlanAsync(QuotaOwner owner, CancellationToken ct)
    {
        var quota = await store.GetAsync(owner, ct);
        var decision = QuotaPlan.Of(await items.OfAsync(owner, null, ct), quota.Limit, time.GetUtcNow());
        return new(owner.Name, DryRun: true, [.. decision.Remove.Select(r => QuotaDeletions.RemovalOf(r.Item, ReasonOf(owner, r.Reason)))], decision.Before, decision.After, decision.NotMet);
    }

    private async Task<IReadOnlyList<SnapshotRemoval>> RemoveAsync(QuotaOwner owner, StepContext context, CancellationToken ct)
    {
        var failed = new Dictionary<Id<Snapshot>, SnapshotRemoval>();
        for (var round = 0; round < MostRounds; round++)
        {
            var removes = false;
            while (await NextAsync(owner, failed.Keys, ct) is { } next)
            {
                removes = true;
                var (item, reason) = next;
                var wanted = QuotaDeletions.RemovalOf(item, ReasonOf(owner, reason));
                var problem = await delete(wanted, context.Operation, ct);
                context.Log($"{item.InstanceName}/{item.Name}, {reason}: {(problem is null ? "deleted" : problem.Detail)}");
                if (problem is not null)
                {
                    failed[item.Id] = wanted with { Error = problem.Detail };
                }
            }

            if (!removes)
            {
                break;
            }

            await MeasureAsync(owner, ct);
        }

        return [.. failed.Values];
    }

    /// <summary>What is to go first as things are now: the quota may have been changed and snapshots deleted meanwhile.</summary>
    /// <param name="failed">What could not be deleted.</param>
    private async Task<(QuotaItem Item, string Reason)?> NextAsync(QuotaOwner owner, IReadOnlyCollection<Id<Snapshot>> failed, CancellationToken ct)
    {
        var quota = await store.GetAsync(owner, ct);
        var counted = (await items.OfAsync(owner, null, ct)).Select(i => failed.Contains(i.Id) ? i with { Kept = "it could not be deleted" } : i).ToList();
        return QuotaPlan.Of(counted, quota.Limit, time.GetUtcNow()).Remove is [var first, ..] ? first : null;
    }

    private async Task MeasureAsync(QuotaOwner owner, CancellationToken ct)
    {
        foreach (var instance in owner.Instance is { } one ? [new(one)] : await sizes.InstancesAsync(ct))
        {
            await sizes.MeasureAsync(instance, ct);
        }
    }

    private static string ReasonOf(QuotaOwner owner, string reason) => $"quota {owner.Name}: {reason}";
}
