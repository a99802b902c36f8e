using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Snapshots;
using Gantry.Node;
using Npgsql;

namespace Gantry.Daemon.Quotas;

/// <summary>Room for one more snapshot: in its instance, in the pools it will have disks in, and in the system.</summary>
internal sealed class QuotaRoom(
    QuotaStore store, QuotaItems items, SnapshotDeletion delete, Operations.Operations operations, LocalNode node, Db db, TimeProvider time) : IDisposable
{
    /// <summary>So that two that ask at once do not have the same one removed.</summary>
    private readonly SemaphoreSlim _oneAtATime = new(1);

    public void Dispose() => _oneAtATime.Dispose();

    /// <inheritdoc cref="DemandSnapshotRoom"/>
    public static async Task DemandAsync(QuotaStore store, NpgsqlTransaction transaction, Id<Instance> instance, string instanceName, IReadOnlyList<Id<Pool>?> pools)
    {
        foreach (var quota in await store.OfSnapshotAsync(transaction.Connection!, transaction, instance, instanceName, pools))
        {
            if (!Fits(quota))
            {
                throw QuotaErrors.Reached(quota.Owner, quota.Usage, quota.Limit, "what is left of it was used meanwhile");
            }
        }
    }

    /// <inheritdoc cref="MakeSnapshotRoom"/>
    public async Task<IReadOnlyList<SnapshotRemoval>> MakeAsync(Instance instance, Caller caller, BeginOptions options, CancellationToken ct)
    {
        var pools = node.SnapshotPools(instance.Id);
        await _oneAtATime.WaitAsync(ct);
        try
        {
            var removed = new Dictionary<Id<Snapshot>, SnapshotRemoval>();
            foreach (var quota in await db.WithAsync(connection => store.OfSnapshotAsync(connection, null, instance.Id, instance.Name, pools), ct))
            {
                foreach (var gone in Fits(quota) ? [] : await RemovalsAsync(quota, instance.Id, removed.Keys, ct))
                {
                    removed[gone.Id] = gone;
                }
            }

            // One whose turn it is not is refused as such, before anything of others goes for it.
            return removed.Count == 0 || (!options.Queue && await IsBusyAsync(instance.Id, ct)) ? [] : await BeginAsync([.. removed.Values], caller, options, ct);
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    private static bool Fits(StoredQuota quota) =>
        !(quota.Usage.Count + QuotaAddition.OneSnapshot.Count > quota.Limit.MaxCount) && !(quota.Usage.Bytes + QuotaAddition.OneSnapshot.Bytes > quota.Limit.MaxBytes);

    /// <param name="gone">For another quota already.</param>
    private async Task<IEnumerable<SnapshotRemoval>> RemovalsAsync(StoredQuota quota, Id<Instance> instance, IReadOnlyCollection<Id<Snapshot>> gone, CancellationToken ct)
    {
        var counted = (await items.OfAsync(quota.Owner, instance, ct)).Where(i => !gone.Contains(i.Id)).ToList();
        var decision = QuotaPlan.Of(counted, quota.Limit with { MaxAge = null }, time.GetUtcNow(), QuotaAddition.OneSnapshot);
        return decision.NotMet is { } why ? throw QuotaErrors.Reached(quota.Owner, quota.Usage, quota.Limit, why)
            : decision.Remove.Select(r => QuotaDeletions.RemovalOf(r.Item, $"quota {quota.Owner.Name}: {r.Reason}"));
    }

    private async Task<IReadOnlyList<SnapshotRemoval>> BeginAsync(IReadOnlyList<SnapshotRemoval> wanted, Caller caller, BeginOptions options, CancellationToken ct)
    {
        var begun = new List<SnapshotRemoval>();
        foreach (var gone in wanted)
        {
            var operation = await operations.BeginAsync(
                delete, QuotaDeletions.InputOf(gone), $"instances/{gone.Instance}", gone.InstanceName, caller, options.For($"room/{gone.Id}") with { Queue = true }, ct);
            begun.Add(gone with { Operation = operation.Id });
        }

        return begun;
    }

    private Task<bool> IsBusyAsync(Id<Instance> instance, CancellationToken ct) => db.WithAsync(connection => connection.ExecuteScalarAsync<bool>(new CommandDefinition(
        "select exists (select from operations where target = @Target and state in (1, 2, 5))", new { Target = $"instances/{instance}" }, cancellationToken: ct)), ct);
}
