using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Gantry.Node.Host;

namespace Gantry.Daemon.Snapshots;

/// <summary>Measures what snapshots occupy and writes it down, for lists and sums of many.</summary>
internal sealed class SnapshotSizes(Db db, LocalNode node, NodeIdentity identity, TimeProvider time)
{
    /// <summary>A pool that does not answer keeps the others from nothing.</summary>
    private static readonly TimeSpan Within = TimeSpan.FromSeconds(30);

    /// <summary>Every instance of this node that has snapshots.</summary>
    public Task<IReadOnlyList<Id<Instance>>> InstancesAsync(CancellationToken ct) => db.WithAsync<IReadOnlyList<Id<Instance>>>(async connection =>
        [.. (await connection.QueryAsync<Guid>(new CommandDefinition(
            "select i.id from instances i where i.node = @Node and not i.deleted and exists (select from snapshots s where s.instance = i.id) order by i.id",
            new { Node = identity.Id.Value }, cancellationToken: ct))).Select(id => new Id<Instance>(id))], ct);

    /// <returns>False when they could not be measured: those of another node, or of a pool that does not answer. What was written down last stays then.</returns>
    public async Task<bool> MeasureAsync(Id<Instance> instance, CancellationToken ct)
    {
        try
        {
            var spaces = await node.SnapshotSpacesAsync(instance, ct).WaitAsync(Within, time, ct);
            await WriteAsync(instance, spaces, ct);
            return true;
        }
        catch (Exception e) when (e is Refusal { Code: not "database.unavailable" } or CommandFailed or TimeoutException or IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private Task<int> WriteAsync(Id<Instance> instance, IReadOnlyDictionary<Id<Snapshot>, Gantry.Node.Snapshots.SnapshotSpace> spaces, CancellationToken ct)
    {
        var all = spaces.Select(s => (s.Key.Value, s.Value.Bytes)).ToList();
        var parts = spaces.SelectMany(s => s.Value.Pools.Select(p => (Snapshot: s.Key.Value, Pool: p.Pool?.Value, p.Bytes))).ToList();
        return db.WithAsync(connection => connection.ExecuteAsync(new CommandDefinition("""
            with measured as (
                update snapshots s set size_bytes = m.bytes, measured_at = @Now
                from unnest(@Ids, @Sizes) as m (id, bytes) where s.id = m.id and s.instance = @Instance and s.is_ready returning s.id)
            insert into snapshot_pools (snapshot, pool, size_bytes)
            select m.id, coalesce(p.pool, i.node), sum(p.bytes)
            from measured m join unnest(@Parts, @Pools::uuid[], @Bytes) as p (snapshot, pool, bytes) on p.snapshot = m.id join instances i on i.id = @Instance
            group by 1, 2
            on conflict (snapshot, pool) do update set size_bytes = excluded.size_bytes
            """, new
        {
            Instance = instance.Value,
            Now = time.GetUtcNow(),
            Ids = all.Select(a => a.Value).ToArray(),
            Sizes = all.Select(a => a.Bytes).ToArray(),
            Parts = parts.Select(p => p.Snapshot).ToArray(),
            Pools = parts.Select(p => p.Pool).ToArray(),
            Bytes = parts.Select(p => p.Bytes).ToArray(),
        }, cancellationToken: ct)), ct);
    }
}
