using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Snapshots;

namespace Gantry.Daemon.Quotas;

/// <summary>The snapshots a quota counts, with what keeps each from being removed now.</summary>
internal sealed class QuotaItems(Db db, TimeProvider time)
{
    /// <param name="self">An operation that asks, and an instance whose own operations keep nothing: what is begun queues behind them.</param>
    public Task<IReadOnlyList<QuotaItem>> OfAsync(QuotaOwner owner, Id<Instance>? self, CancellationToken ct) => db.WithAsync<IReadOnlyList<QuotaItem>>(async connection =>
        [.. (await connection.QueryAsync<Row>(new CommandDefinition($"""
            with kept as materialized ({SnapshotProtection.AllReasons}),
            busy as materialized (select distinct target from operations where state in (1, 2, 5) and target like 'instances/%'),
            counted as (
                select s.id, s.size_bytes as bytes from snapshots s where @Scope = 1
                union all
                select p.snapshot, p.size_bytes from snapshot_pools p where @Scope = 2 and p.pool = @Subject
                union all
                select s.id, s.size_bytes from snapshots s where @Scope = 3 and s.instance = @Subject)
            select s.id, s.name, s.instance, i.name as instance_name, s.created_at, coalesce(s.last_used_at, s.created_at) as used_at, c.bytes, s.is_ready, i.state,
                (select reason from kept k where k.snapshot = s.id limit 1) as reason, 'instances/' || i.id in (select target from busy) as is_busy
            from counted c join snapshots s on s.id = c.id join instances i on i.id = s.instance
            where s.id not in (select snapshot from snapshots_going)
            order by s.created_at, s.id
            """, new { Scope = (int)owner.Scope, owner.Subject, Now = time.GetUtcNow() }, cancellationToken: ct))).Select(row => ItemOf(row, self))], ct);

    private static QuotaItem ItemOf(Row row, Id<Instance>? self) => new(
        new(row.id), row.name, new(row.instance), row.instance_name, row.created_at, row.used_at, row.bytes,
        !row.is_ready ? "it is being taken or deleted"
        : row.reason ?? ((InstanceState)row.state is not (InstanceState.Running or InstanceState.Paused or InstanceState.Stopped)
            ? $"its instance is {((InstanceState)row.state).ToString().ToLowerInvariant()}"
            : row.is_busy && row.instance != self?.Value ? "an operation is at work on its instance" : null));

#pragma warning disable IDE1006 // named as the columns are, for Dapper
    private sealed record Row(
        Guid id, string name, Guid instance, string instance_name, DateTime created_at, DateTime used_at, long? bytes, bool is_ready, short state, string? reason, bool is_busy);
#pragma warning restore IDE1006
}
