using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Npgsql;

namespace Gantry.Daemon.Pools;

/// <summary>The table of pools, and beside it the one each node has, which has its node's id.</summary>
internal sealed class PoolStore(Db db, NodeIdentity node, GantryRoot root, TimeProvider time)
{
    private const string Columns = "id, name, kind, source, description, is_ready, created_at, version";

    private static readonly Dictionary<string, FilterField> Fields = new()
    {
        ["name"] = FilterField.Text("name"),
        ["kind"] = FilterField.Word<PoolKind>("kind"),
    };

    /// <summary>The one beside the node's instances.</summary>
    public StoredPool Local { get; } = new(new(node.Id.Value), StoredPool.Local, PoolKind.Dir, null, "Beside the instances", IsReady: true, Directory.GetCreationTimeUtc(root.Pools), 0);

    public Task<Page<StoredPool>> ListAsync(Paging paging, CancellationToken ct) => db.WithAsync(async connection =>
    {
        var parameters = new DynamicParameters(new
        {
            After = paging.After ?? "",
            Take = paging.Limit + 1,
            Id = Local.Id.Value,
            Local.Name,
            Kind = (short)Local.Kind,
            Local.Description,
            Local.CreatedAt,
        });
        var filter = Filter.ToSql(paging.Filter, Fields, parameters);
        var rows = await connection.QueryAsync<Row>(new CommandDefinition($"""
            select * from (
                select {Columns} from pools where is_ready
                union all
                select @Id, @Name, @Kind::smallint, null, @Description, true, @CreatedAt, 0
            ) as every
            where name collate "C" > @After and {filter} order by name collate "C" limit @Take
            """, parameters, cancellationToken: ct));
        return paging.Cut([.. rows.Select(FromRow)], p => p.Name);
    }, ct);

    /// <summary>Every one of this node that is ready, its own first.</summary>
    public Task<IReadOnlyList<StoredPool>> OfThisNodeAsync(CancellationToken ct) => db.WithAsync<IReadOnlyList<StoredPool>>(async connection =>
    [
        Local,
        .. (await connection.QueryAsync<Row>(new CommandDefinition(
            $"select {Columns} from pools where is_ready and node = @Node order by id", new { Node = node.Id.Value }, cancellationToken: ct))).Select(FromRow),
    ], ct);

    /// <param name="nameOrId">Null for the node's own.</param>
    /// <exception cref="Refusal"><c>pool.unknown</c>, <c>pool.not_ready</c></exception>
    public async Task<StoredPool> GetReadyAsync(string? nameOrId, CancellationToken ct) =>
        await TryGetAsync(nameOrId, ct) is not { } found ? throw PoolErrors.Unknown(nameOrId!) : found.IsReady ? found : throw PoolErrors.NotReady(found.Name);

    public async Task<StoredPool?> TryGetAsync(string? nameOrId, CancellationToken ct)
    {
        if (nameOrId is null or StoredPool.Local || nameOrId == Local.Id.ToString())
        {
            return Local;
        }

        var id = Id<Pool>.TryParse(nameOrId, null, out var parsed) ? parsed.Value : (Guid?)null;
        var row = id is null && !Limits.IsName(nameOrId) ? null : await db.WithAsync(connection => connection.QueryFirstOrDefaultAsync<Row>(new CommandDefinition(
            $"""select {Columns} from pools where id = @id or (@id::uuid is null and name collate "C" = @nameOrId)""", new { id, nameOrId }, cancellationToken: ct)), ct);
        return row is null ? null : FromRow(row);
    }

    /// <exception cref="Refusal"><c>pool.name_taken</c>, <c>pool.source_taken</c></exception>
    public async Task InsertAsync(NpgsqlTransaction transaction, Id<Pool> id, CreatePool wanted)
    {
        if (wanted.Name == StoredPool.Local || await transaction.Connection!.ExecuteAsync("""
            insert into pools (id, name, node, kind, source, description, created_at) values (@Id, @Name, @Node, @Kind, @Source, @Description, @Now) on conflict do nothing
            """,
            new { Id = id.Value, wanted.Name, Node = node.Id.Value, Kind = (short)wanted.Kind, wanted.Source, wanted.Description, Now = time.GetUtcNow() }, transaction) == 0)
        {
            var other = await transaction.Connection!.QueryFirstOrDefaultAsync<string>(
                "select name from pools where node = @Node and kind = @Kind and source = @Source and name <> @Name",
                new { Node = node.Id.Value, Kind = (short)wanted.Kind, wanted.Source, wanted.Name }, transaction);
            throw other is null ? PoolErrors.NameTaken(wanted.Name) : PoolErrors.SourceTaken(wanted.Source, other);
        }
    }

    public static Task SetReadyAsync(NpgsqlTransaction transaction, Id<Pool> id, bool ready) =>
        transaction.Connection!.ExecuteAsync("update pools set is_ready = @ready, version = version + 1 where id = @id", new { id = id.Value, ready }, transaction);

    /// <summary>With what limits snapshots in it.</summary>
    public static Task DeleteAsync(NpgsqlTransaction transaction, Id<Pool> id) =>
        transaction.Connection!.ExecuteAsync("delete from quotas where pool = @Value; delete from pools where id = @Value", id, transaction);

    /// <summary>Locks the row against those who would use it; false when it is gone.</summary>
    public static async Task<bool> LockAsync(NpgsqlTransaction transaction, Id<Pool> id) =>
        await transaction.Connection!.ExecuteScalarAsync<int?>("select 1 from pools where id = @Value for update", id, transaction) is not null;

    /// <summary>Notes that an instance has disks in a pool, which stays for as long.</summary>
    /// <exception cref="Refusal"><c>pool.unknown</c></exception>
    public static async Task UseAsync(NpgsqlTransaction transaction, Id<Instance> instance, Id<Pool> pool)
    {
        await LockReadyAsync(transaction, pool);
        await transaction.Connection!.ExecuteAsync(
            "insert into instance_pools (instance, pool) values (@Instance, @Pool) on conflict do nothing", new { Instance = instance.Value, Pool = pool.Value }, transaction);
    }

    /// <summary>Keeps a pool from being deleted until the transaction ends.</summary>
    /// <exception cref="Refusal"><c>pool.unknown</c></exception>
    public static async Task LockReadyAsync(NpgsqlTransaction transaction, Id<Pool> pool)
    {
        if (await transaction.Connection!.ExecuteScalarAsync<int?>("select 1 from pools where id = @Value and is_ready for key share", pool, transaction) is null)
        {
            throw PoolErrors.Unknown(pool.ToString()); // deleted since it was found
        }
    }

    /// <summary>Notes that it has none in it any more.</summary>
    public static Task LeaveAsync(NpgsqlTransaction transaction, Id<Instance> instance, Id<Pool> pool) => transaction.Connection!.ExecuteAsync(
        "delete from instance_pools where instance = @Instance and pool = @Pool", new { Instance = instance.Value, Pool = pool.Value }, transaction);

    /// <returns>At most so many names of instances with disks in it, and how many there are.</returns>
    public static async Task<(IReadOnlyList<string> Names, int Count)> UsersAsync(NpgsqlTransaction transaction, Id<Pool> pool, int most)
    {
        var names = (await transaction.Connection!.QueryAsync<string>(
            """select i.name from instance_pools u join instances i on i.id = u.instance where u.pool = @Value order by i.name collate "C" """, pool, transaction)).ToList();
        return ([.. names.Take(most)], names.Count);
    }

    private static StoredPool FromRow(Row row) => new(new(row.id), row.name, (PoolKind)row.kind, row.source, row.description, row.is_ready, row.created_at, row.version);

#pragma warning disable IDE1006 // named as the columns are, for Dapper
    private sealed record Row(Guid id, string name, short kind, string? source, string? description, bool is_ready, DateTime created_at, long version);
#pragma warning restore IDE1006
}
