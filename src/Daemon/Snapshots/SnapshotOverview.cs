using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Snapshots;

/// <summary>Which snapshots of all a list shows; what is null does not matter.</summary>
internal sealed record SnapshotChoice(Id<Instance>? Instance, Guid? Pool, Guid? Schedule, DateTimeOffset? TakenBefore, DateTimeOffset? TakenAfter);

/// <summary>The snapshots of all instances: a list, and sums. Sizes are as they were measured last.</summary>
internal sealed class SnapshotOverview(Db db, NodeIdentity node)
{
    /// <summary>How many parts a statistic names.</summary>
    private const int Named = 100;

    private static readonly Dictionary<string, FilterField> Fields = new()
    {
        ["name"] = FilterField.Text("s.name"),
        ["instance"] = FilterField.Text("i.name"),
        ["state"] = FilterField.Word<InstanceState>("s.state"),
        ["level"] = FilterField.Word<SnapshotLevel>("s.level"),
        ["sizeBytes"] = FilterField.Number("s.size_bytes"),
        ["protected"] = new("s.is_protected", text => bool.TryParse(text, out var value) ? value : null, "true, false"),
    };

    /// <summary>Those that are whole, in the order in which they were asked for. One query; its page comes from the index of what is chosen by.</summary>
    public Task<Page<StoredSnapshot>> ListAsync(SnapshotChoice choice, Paging paging, CancellationToken ct) => db.WithAsync(async connection =>
    {
        var (sql, parameters) = Query(choice, paging);
        var rows = await connection.QueryAsync<SnapshotStore.Row>(new CommandDefinition(sql, parameters, cancellationToken: ct));
        return paging.Cut([.. rows.Select(SnapshotStore.FromRow)], s => s.Id.ToString());
    }, ct);

    /// <summary>How PostgreSQL comes to that page.</summary>
    public Task<string> PlanAsync(SnapshotChoice choice, Paging paging, CancellationToken ct) => db.WithAsync(async connection =>
    {
        var (sql, parameters) = Query(choice, paging);
        return string.Join('\n', await connection.QueryAsync<string>(new CommandDefinition($"explain (analyze) {sql}", parameters, cancellationToken: ct)));
    }, ct);

    /// <summary>The schedule of this name, or else the id.</summary>
    /// <returns>Null when there is none.</returns>
    public Task<Guid?> ScheduleAsync(string nameOrId, CancellationToken ct) => Guid.TryParseExact(nameOrId, "D", out var id) ? Task.FromResult<Guid?>(id)
        : db.WithAsync(connection => connection.ExecuteScalarAsync<Guid?>(new CommandDefinition(
            """select id from schedules where name collate "C" = @nameOrId""", new { nameOrId }, cancellationToken: ct)), ct);

    /// <summary>The pool of this name, or else the id; one that is gone may have been in use.</summary>
    /// <returns>Null when there is none.</returns>
    public Task<Guid?> PoolAsync(string nameOrId, CancellationToken ct) => Guid.TryParseExact(nameOrId, "D", out var id) ? Task.FromResult<Guid?>(id)
        : nameOrId == "local" ? Task.FromResult<Guid?>(node.Id.Value)
        : db.WithAsync(connection => connection.ExecuteScalarAsync<Guid?>(new CommandDefinition(
            """select id from pools where name collate "C" = @nameOrId""", new { nameOrId }, cancellationToken: ct)), ct);

    /// <summary>Of those that are whole.</summary>
    public Task<SnapshotStatistics> StatisticsAsync(CancellationToken ct) => db.WithAsync(async connection =>
    {
        await using var answers = await connection.QueryMultipleAsync(new CommandDefinition($"""
            select count(*)::integer as count, coalesce(sum(size_bytes), 0)::bigint as bytes, (count(*) - count(size_bytes))::integer as unmeasured,
                (count(*) filter (where is_protected))::integer as is_protected, avg(size_bytes)::bigint as average,
                (count(*) filter (where level = 1))::integer as application, (count(*) filter (where level = 2))::integer as filesystem,
                (count(*) filter (where level = 3))::integer as crash, (count(*) filter (where level is null))::integer as stopped
            from snapshots where is_ready;
            select {SnapshotStore.Columns} where s.id = (select id from snapshots where is_ready order by created_at, id limit 1);
            select {SnapshotStore.Columns} where s.id = (select id from snapshots where is_ready order by created_at desc, id desc limit 1);
            select {SnapshotStore.Columns} where s.id = (select id from snapshots where is_ready and size_bytes is not null order by size_bytes desc, id limit 1);
            select i.name, part.count, part.bytes from (
                select instance, count(*)::integer as count, coalesce(sum(size_bytes), 0)::bigint as bytes from snapshots where is_ready group by instance) as part
            join instances i on i.id = part.instance order by part.bytes desc, part.count desc, i.name limit @Named;
            select coalesce(p.name, case when sp.pool = @Local then 'local' else sp.pool::text end) as name, count(*)::integer as count, coalesce(sum(sp.size_bytes), 0)::bigint as bytes
            from snapshot_pools sp join snapshots s on s.id = sp.snapshot and s.is_ready left join pools p on p.id = sp.pool group by 1 order by 3 desc, 2 desc, 1 limit @Named;
            select coalesce(c.name, s.schedule::text) as name, count(*)::integer as count, coalesce(sum(s.size_bytes), 0)::bigint as bytes
            from snapshots s left join schedules c on c.id = s.schedule where s.is_ready and s.schedule is not null group by 1 order by 3 desc, 2 desc, 1 limit @Named;
            """, new { Named, Local = node.Id.Value }, cancellationToken: ct));
        var all = await answers.ReadSingleAsync<Sums>();
        var (oldest, newest, largest) = (await OneAsync(), await OneAsync(), await OneAsync());
        return new SnapshotStatistics(
            all.count, all.bytes, all.unmeasured, all.is_protected, new(all.application, all.filesystem, all.crash, all.stopped),
            await SharesAsync(), await SharesAsync(), await SharesAsync(), all.average, oldest, newest, largest);

        async Task<Snapshot?> OneAsync() => await answers.ReadSingleOrDefaultAsync<SnapshotStore.Row>() is { } row && SnapshotStore.FromRow(row) is var one ? one.ToWire(one.MeasuredBytes) : null;

        async Task<IReadOnlyList<SnapshotShare>> SharesAsync() => [.. (await answers.ReadAsync<Share>()).Select(s => new SnapshotShare(s.name, s.count, s.bytes))];
    }, ct);

    private static (string Sql, DynamicParameters Parameters) Query(SnapshotChoice choice, Paging paging)
    {
        var after = paging.After is null ? Guid.Empty : Guid.TryParseExact(paging.After, "D", out var id) ? id : throw Refusal.Invalid(
            "request.cursor", "The cursor is not one of this list.", "Take nextCursor of the page before as it is, or leave it out to begin anew.");
        var parameters = new DynamicParameters(new
        {
            After = after,
            Take = paging.Limit + 1,
            Instance = choice.Instance?.Value,
            choice.Pool,
            choice.Schedule,
            TakenBefore = choice.TakenBefore?.UtcDateTime,
            TakenAfter = choice.TakenAfter?.UtcDateTime,
        });
        var filter = Filter.ToSql(paging.Filter, Fields, parameters);
        return ($"select {SnapshotStore.Columns} where {Where(choice)} and s.is_ready and s.id > @After and {filter} order by s.id limit @Take", parameters);
    }

    private static string Where(SnapshotChoice choice) => string.Join(" and ", ((string?[])[
        "true",
        choice.Instance is null ? null : "s.instance = @Instance",
        choice.Schedule is null ? null : "s.schedule = @Schedule",
        choice.Pool is null ? null : "s.id in (select snapshot from snapshot_pools where pool = @Pool)",
        choice.TakenBefore is null ? null : "s.created_at < @TakenBefore",
        choice.TakenAfter is null ? null : "s.created_at >= @TakenAfter"]).OfType<string>());

#pragma warning disable IDE1006 // named as the columns are, for Dapper
    private sealed record Sums(int count, long bytes, int unmeasured, int is_protected, long? average, int application, int filesystem, int crash, int stopped);

    private sealed record Share(string name, int count, long bytes);
#pragma warning restore IDE1006
}
