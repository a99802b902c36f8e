using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Pools;
using Npgsql;

namespace Gantry.Daemon.Quotas;

/// <summary>The table of quotas, and what is used of each.</summary>
internal sealed class QuotaStore(Db db, InstanceStore instances, PoolStore pools, NodeIdentity node, TimeProvider time)
{
    /// <summary>Of a row <c>q</c>: what is used, in columns of <c>u</c>. Each part is only read for its own scope.</summary>
    private const string Usage = """
        cross join lateral (
            select count(*)::integer as used_count, coalesce(sum(part.bytes), 0)::bigint as used_bytes, (count(*) - count(part.bytes))::integer as unmeasured from (
                select s.size_bytes as bytes from snapshots s where q.scope = 1 and s.id not in (select snapshot from snapshots_going)
                union all
                select p.size_bytes from snapshot_pools p where q.scope = 2 and p.pool = q.pool and p.snapshot not in (select snapshot from snapshots_going)
                union all
                select s.size_bytes from snapshots s where q.scope = 3 and s.instance = q.instance and s.id not in (select snapshot from snapshots_going)
            ) as part) as u
        """;

    private const string Columns = $"""
        q.key, q.scope, coalesce(q.pool, q.instance) as subject,
        case q.scope when 1 then 'system' when 2 then 'pool:' || coalesce(p.name, case when q.pool = @Local then 'local' else q.pool::text end) else 'instance:' || i.name end as name,
        q.max_count, q.max_bytes, q.max_age, q.warn_percent, q.policy, q.level, q.updated_at, q.version, u.used_count, u.used_bytes, u.unmeasured
        from quotas q left join instances i on i.id = q.instance left join pools p on p.id = q.pool {Usage}
        """;

    private static readonly Dictionary<string, FilterField> Fields = new()
    {
        ["scope"] = FilterField.Word<QuotaScope>("q.scope"),
        ["policy"] = FilterField.Word<QuotaPolicy>("q.policy"),
    };

    /// <param name="name"><c>system</c>, <c>pool:NAME</c> or <c>instance:NAME</c>; an id does for a name.</param>
    /// <exception cref="Refusal"><c>quota.unknown</c>, <c>instance.unknown</c>, <c>pool.unknown</c></exception>
    public async Task<QuotaOwner> OwnerAsync(string name, CancellationToken ct)
    {
        switch (name.Split(':', 2))
        {
            case ["system"]:
                return QuotaOwner.System;
            case ["pool", { Length: > 0 } pool]:
                var place = await pools.GetReadyAsync(pool, ct);
                return new(QuotaScope.Pool, place.Id.Value, $"pool:{place.Name}");
            case ["instance", { Length: > 0 } instance]:
                return OwnerOf(await instances.GetAsync(instance, ct));
            default:
                throw QuotaErrors.Unknown(name);
        }
    }

    public static QuotaOwner OwnerOf(Instance instance) => new(QuotaScope.Instance, instance.Id.Value, $"instance:{instance.Name}");

    /// <summary>Those that were set.</summary>
    public Task<Page<StoredQuota>> ListAsync(Paging paging, CancellationToken ct) => db.WithAsync(async connection =>
    {
        var parameters = new DynamicParameters(new { After = paging.After ?? "", Take = paging.Limit + 1, Local = node.Id.Value });
        var filter = Filter.ToSql(paging.Filter, Fields, parameters);
        var rows = await connection.QueryAsync<Row>(new CommandDefinition(
            $"""select {Columns} where q.key collate "C" > @After and {filter} order by q.key collate "C" limit @Take""", parameters, cancellationToken: ct));
        return paging.Cut([.. rows.Select(FromRow)], q => q.Owner.Key);
    }, ct);

    /// <summary>Every one that was set.</summary>
    public Task<IReadOnlyList<StoredQuota>> AllAsync(CancellationToken ct) => db.WithAsync<IReadOnlyList<StoredQuota>>(async connection =>
        [.. (await connection.QueryAsync<Row>(new CommandDefinition($"select {Columns} order by q.key", new { Local = node.Id.Value }, cancellationToken: ct))).Select(FromRow)], ct);

    /// <summary>What holds, whether somebody set it or not.</summary>
    public Task<StoredQuota> GetAsync(QuotaOwner owner, CancellationToken ct) => db.WithAsync(connection => GetAsync(connection, null, owner), ct);

    /// <summary>Those that one more snapshot must keep to, the narrowest first.</summary>
    /// <param name="into">Where it will have disks; null for the pool beside the instances.</param>
    public async Task<IReadOnlyList<StoredQuota>> OfSnapshotAsync(
        NpgsqlConnection connection, NpgsqlTransaction? transaction, Id<Instance> instance, string instanceName, IReadOnlyList<Id<Pool>?> into)
    {
        var own = new QuotaOwner(QuotaScope.Instance, instance.Value, $"instance:{instanceName}");
        var keys = into.Select(p => QuotaOwner.KeyOf(QuotaScope.Pool, p?.Value ?? node.Id.Value)).Append(QuotaOwner.System.Key).Append(own.Key).ToArray();
        if (transaction is not null)
        {
            // One that counts after another waits for its end. What it reads comes after, so it sees what the other wrote.
            await connection.ExecuteAsync("select 1 from quotas where key = any(@keys) order by key for no key update", new { keys }, transaction);
        }

        var rows = (await connection.QueryAsync<Row>($"select {Columns} where q.key = any(@keys) order by q.scope desc, q.key", new { keys, Local = node.Id.Value }, transaction)).Select(FromRow).ToList();
        return rows.Any(q => q.Owner.Scope == QuotaScope.Instance) ? rows : [await GetAsync(connection, transaction, own), .. rows];
    }

    /// <returns>False when it is no longer of the version that was read.</returns>
    public async Task<bool> SetAsync(NpgsqlTransaction transaction, StoredQuota read, QuotaSettings wanted) => await transaction.Connection!.ExecuteAsync($"""
        insert into quotas (key, scope, pool, instance, max_count, max_bytes, max_age, warn_percent, policy, updated_at)
        select @Key, @Scope, @Pool, @Instance, @MaxCount, @MaxBytes, @MaxAge, @WarnPercent, @Policy, @Now where @Version = 0
        on conflict do nothing
        """, Parameters(read, wanted), transaction) > 0 || await transaction.Connection!.ExecuteAsync("""
        update quotas set max_count = @MaxCount, max_bytes = @MaxBytes, max_age = @MaxAge, warn_percent = @WarnPercent, policy = @Policy, updated_at = @Now, version = version + 1
        where key = @Key and version = @Version
        """, Parameters(read, wanted), transaction) > 0;

    /// <returns>False when it is no longer of the version that was read.</returns>
    public static async Task<bool> RemoveAsync(NpgsqlTransaction transaction, StoredQuota read) =>
        await transaction.Connection!.ExecuteAsync("delete from quotas where key = @Key and version = @Version", new { read.Owner.Key, read.Version }, transaction) > 0;

    /// <summary>Notes which level is told, so that a crossing is told once.</summary>
    /// <returns>False when somebody else told it.</returns>
    public static async Task<bool> TellAsync(NpgsqlTransaction transaction, StoredQuota read, QuotaLevel level) => await transaction.Connection!.ExecuteAsync(
        "update quotas set level = @Level where key = @Key and level = @Told", new { read.Owner.Key, Level = (short)level, Told = (short)read.Told }, transaction) > 0;

    private async Task<StoredQuota> GetAsync(NpgsqlConnection connection, NpgsqlTransaction? transaction, QuotaOwner owner)
    {
        var parameters = new { owner.Key, Scope = (short)owner.Scope, owner.Pool, owner.Instance, Local = node.Id.Value };
        if (await connection.QueryFirstOrDefaultAsync<Row>($"select {Columns} where q.key = @Key", parameters, transaction) is { } row)
        {
            return FromRow(row);
        }

        var (count, bytes, unmeasured) = await connection.QuerySingleAsync<(int, long, int)>(
            $"select u.used_count, u.used_bytes, u.unmeasured from (select @Scope::smallint as scope, @Pool::uuid as pool, @Instance::uuid as instance) as q {Usage}", parameters, transaction);
        var none = new QuotaSettings();
        return new(owner, none, new(count, bytes, unmeasured, QuotaPlan.LevelOf(count, bytes, StoredQuota.LimitOf(owner.Scope, none))), QuotaLevel.Ok);
    }

    private object Parameters(StoredQuota read, QuotaSettings wanted) => new
    {
        read.Owner.Key,
        Scope = (short)read.Owner.Scope,
        read.Owner.Pool,
        read.Owner.Instance,
        wanted.MaxCount,
        wanted.MaxBytes,
        wanted.MaxAge,
        WarnPercent = (short)(wanted.WarnPercent ?? QuotaPlan.WarnPercent),
        Policy = (short)(wanted.Policy ?? QuotaPolicy.Manual),
        Now = time.GetUtcNow(),
        read.Version,
    };

    private static StoredQuota FromRow(Row row)
    {
        var settings = new QuotaSettings(row.max_count, row.max_bytes, row.max_age, row.warn_percent, (QuotaPolicy)row.policy);
        var scope = (QuotaScope)row.scope;
        var level = QuotaPlan.LevelOf(row.used_count, row.used_bytes, StoredQuota.LimitOf(scope, settings));
        return new(new(scope, row.subject, row.name), settings, new(row.used_count, row.used_bytes, row.unmeasured, level), (QuotaLevel)row.level, row.updated_at, row.version);
    }

#pragma warning disable IDE1006 // named as the columns are, for Dapper
    private sealed record Row(
        string key, short scope, Guid? subject, string name, int? max_count, long? max_bytes, long? max_age, short warn_percent, short policy, short level, DateTime updated_at, long version,
        int used_count, long used_bytes, int unmeasured);
#pragma warning restore IDE1006
}
