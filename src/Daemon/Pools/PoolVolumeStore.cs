using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Images;
using Gantry.Daemon.Platform;
using Npgsql;

namespace Gantry.Daemon.Pools;

/// <summary>The table of volumes that belong to no instance. Whoever changes one holds it by its state.</summary>
internal sealed class PoolVolumeStore(Db db, NodeIdentity node, TimeProvider time)
{
    private const string Columns = """
        v.id, v.pool, v.name, v.description, v.size_bytes, v.image, m.name as image_name, v.state, i.name as instance, v.created_at, v.updated_at, v.version
        from volumes v left join images m on m.id = v.image left join instances i on i.id = v.instance
        """;

    /// <summary>By name, and those of one name by instance: what separates both sorts before all that is in a name.</summary>
    private const string Key = "(name || ' ' || coalesce(instance, '')) collate \"C\"";

    private static readonly Dictionary<string, FilterField> Fields = new()
    {
        ["name"] = FilterField.Text("name"),
        ["state"] = FilterField.Word<PoolVolumeState>("state"),
        ["instance"] = FilterField.Text("coalesce(instance, '')"),
        ["image"] = FilterField.Text("image_name"),
        ["sizeBytes"] = FilterField.Number("size_bytes"),
    };

    /// <summary>All disks in a pool, those of instances too. One that is being detached is its instance's until it is free.</summary>
    private static readonly string Every = $"""
        select id, name, size_bytes, image_name, description, state, instance, created_at, updated_at, version
        from (select {Columns} where v.node = @Node and v.pool is not distinct from @Pool and v.state <> {(short)PoolVolumeState.Detaching}) as free
        union all
        select null, d ->> 'name', coalesce((d ->> 'sizeBytes')::bigint, 0), d ->> 'image', null, {(short)PoolVolumeState.Attached}::smallint, i.name, null, null, null
        from instances i cross join lateral jsonb_array_elements(i.machine -> 'volumes') as d
        where not i.deleted and i.node = @Node and coalesce(d ->> 'device', 'disk') = 'disk'
            and (d ->> 'pool' in (@Name, @Id) or (@IsLocal and d ->> 'pool' is null))
        """;

    public Task<Page<PoolVolume>> ListAsync(StoredPool pool, Paging paging, CancellationToken ct) => db.WithAsync(async connection =>
    {
        var parameters = ParametersOf(pool);
        parameters.AddDynamicParams(new { After = paging.After ?? "", Take = paging.Limit + 1 });
        var filter = Filter.ToSql(paging.Filter, Fields, parameters);
        var rows = await connection.QueryAsync<Listed>(new CommandDefinition(
            $"select * from ({Every}) as every where {Key} > @After and {filter} order by {Key} limit @Take", parameters, cancellationToken: ct));
        return paging.Cut([.. rows.Select(r => ToWire(r, pool.Name))], v => $"{v.Name} {v.Instance}");
    }, ct);

    public Task<int> CountAsync(StoredPool pool, CancellationToken ct) => db.WithAsync(connection =>
        connection.ExecuteScalarAsync<int>(new CommandDefinition($"select count(*) from ({Every}) as every", ParametersOf(pool), cancellationToken: ct)), ct);

    private DynamicParameters ParametersOf(StoredPool pool) => new(new { Node = node.Id.Value, Pool = pool.OnNode?.Value, pool.Name, Id = pool.Id.ToString(), pool.IsLocal });

    /// <param name="nameOrId">Of one that belongs to no instance.</param>
    /// <exception cref="Refusal"><c>volume.unknown</c></exception>
    public async Task<StoredVolume> GetAsync(StoredPool pool, string nameOrId, CancellationToken ct)
    {
        var id = Id<PoolVolume>.TryParse(nameOrId, null, out var parsed) ? parsed.Value : (Guid?)null;
        if (id is null && !Limits.IsName(nameOrId))
        {
            throw PoolVolumeErrors.Unknown(pool.Name, nameOrId);
        }

        return await db.WithAsync(async connection =>
        {
            var row = await connection.QueryFirstOrDefaultAsync<Row>(new CommandDefinition($"""
                select {Columns}
                where v.node = @Node and v.pool is not distinct from @Pool and (v.id = @id or (@id::uuid is null and v.name collate "C" = @nameOrId))
                """, new { Node = node.Id.Value, Pool = pool.OnNode?.Value, id, nameOrId }, cancellationToken: ct));
            return row is not null ? FromRow(row) : throw PoolVolumeErrors.Unknown(pool.Name, nameOrId,
                await connection.QueryFirstOrDefaultAsync<string?>(new CommandDefinition($"""
                select coalesce(p.name, '{StoredPool.Local}') from volumes v left join pools p on p.id = v.pool
                where v.node = @Node and (v.id = @id or (@id::uuid is null and v.name collate "C" = @nameOrId)) order by 1 limit 1
                """, new { Node = node.Id.Value, id, nameOrId }, cancellationToken: ct)));
        }, ct);
    }

    /// <exception cref="Refusal"><c>volume.name_taken</c>, <c>pool.unknown</c>, <c>image.unknown</c></exception>
    public async Task InsertAsync(NpgsqlTransaction transaction, NewVolume volume, PoolVolumeState state, Id<Instance>? instance = null)
    {
        if (volume.Pool is { } pool)
        {
            await PoolStore.LockReadyAsync(transaction, pool);
        }

        if (volume.Image is { } image)
        {
            await ImageStore.LockAsync(transaction, image);
        }

        if (await transaction.Connection!.ExecuteAsync("""
            insert into volumes (id, node, pool, name, description, size_bytes, image, state, instance, created_at, updated_at)
            values (@Id, @Node, @Pool, @Name, @Description, @SizeBytes, @Image, @State, @Instance, @Now, @Now) on conflict do nothing
            """, new
        {
            Id = volume.Id.Value,
            Node = node.Id.Value,
            Pool = volume.Pool?.Value,
            volume.Name,
            volume.Description,
            volume.SizeBytes,
            Image = volume.Image?.Value,
            State = (short)state,
            Instance = instance?.Value,
            Now = time.GetUtcNow(),
        }, transaction) == 0)
        {
            throw PoolVolumeErrors.NameTaken(volume.PoolName, volume.Name);
        }
    }

    /// <summary>
    /// Holds one that nobody else does. What could be neither ended nor undone does not stand in the way: an attaching to the same instance, which one operation at a
    /// time changes, and what was on its way to or from an instance that is gone.
    /// </summary>
    /// <exception cref="Refusal"><c>volume.unknown</c>, <c>volume.busy</c></exception>
    public async Task HoldAsync(NpgsqlTransaction transaction, Id<PoolVolume> id, string pool, string name, PoolVolumeState state, Id<Instance>? instance = null)
    {
        var found = await transaction.Connection!.QueryFirstOrDefaultAsync<Held>("""
            select v.state, v.instance, (select i.name from instances i where i.id = v.instance) as instance_name from volumes v where v.id = @Value for update of v
            """, id, transaction) ?? throw PoolVolumeErrors.Unknown(pool, name);
        var before = (PoolVolumeState)found.state;
        var isLeft = (before == PoolVolumeState.Attaching && state == before && found.instance == instance?.Value)
            || (before is PoolVolumeState.Attaching or PoolVolumeState.Detaching && found.instance is null);
        if (before != PoolVolumeState.Available && !isLeft)
        {
            throw PoolVolumeErrors.Busy(name, before, found.instance_name);
        }

        await SetStateAsync(transaction, id, state, instance);
    }

    /// <summary>Lets go of it.</summary>
    public Task ReleaseAsync(NpgsqlTransaction transaction, Id<PoolVolume> id) => SetStateAsync(transaction, id, PoolVolumeState.Available, null);

    /// <exception cref="Refusal"><c>volume.name_taken</c></exception>
    public async Task SetAsync(NpgsqlTransaction transaction, Id<PoolVolume> id, string pool, ChangePoolVolume settings)
    {
        try
        {
            await transaction.Connection!.ExecuteAsync(
                "update volumes set name = @Name, description = @Description, size_bytes = @SizeBytes, updated_at = @Now, version = version + 1 where id = @Id",
                new { Id = id.Value, settings.Name, settings.Description, settings.SizeBytes, Now = time.GetUtcNow() }, transaction);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            throw PoolVolumeErrors.NameTaken(pool, settings.Name);
        }
    }

    public static Task DeleteAsync(NpgsqlTransaction transaction, Id<PoolVolume> id) =>
        transaction.Connection!.ExecuteAsync("delete from volumes where id = @Value", id, transaction);

    /// <returns>At most so many names of those in a pool, and how many there are.</returns>
    public static async Task<(IReadOnlyList<string> Names, int Count)> NamesAsync(NpgsqlTransaction transaction, Id<Pool> pool, int most)
    {
        var names = (await transaction.Connection!.QueryAsync<string>("""select name from volumes where pool = @Value order by name collate "C" """, pool, transaction)).ToList();
        return ([.. names.Take(most)], names.Count);
    }

    private Task<int> SetStateAsync(NpgsqlTransaction transaction, Id<PoolVolume> id, PoolVolumeState state, Id<Instance>? instance) => transaction.Connection!.ExecuteAsync(
        "update volumes set state = @State, instance = @Instance, updated_at = @Now, version = version + 1 where id = @Id",
        new { Id = id.Value, State = (short)state, Instance = instance?.Value, Now = time.GetUtcNow() }, transaction);

    private static StoredVolume FromRow(Row row) => new(
        new(row.id), row.pool is { } pool ? new(pool) : null, row.name, row.description, row.size_bytes, row.image is { } image ? new(image) : null, row.image_name,
        (PoolVolumeState)row.state, row.instance, row.created_at, row.updated_at, row.version);

    private static PoolVolume ToWire(Listed row, string pool) => new()
    {
        Id = row.id is { } id ? new(id) : null,
        Name = row.name,
        Pool = pool,
        SizeBytes = row.size_bytes,
        Image = row.image_name,
        Description = row.description,
        State = (PoolVolumeState)row.state,
        Instance = row.instance,
        CreatedAt = row.created_at,
        UpdatedAt = row.updated_at,
        Etag = row.version is { } version ? $"\"{version}\"" : null,
    };

#pragma warning disable IDE1006 // named as the columns are, for Dapper
    private sealed record Row(
        Guid id, Guid? pool, string name, string? description, long size_bytes, Guid? image, string? image_name, short state, string? instance,
        DateTime created_at, DateTime updated_at, long version);

    private sealed record Listed(
        Guid? id, string name, long size_bytes, string? image_name, string? description, short state, string? instance, DateTime? created_at, DateTime? updated_at, long? version);

    private sealed record Held(short state, Guid? instance, string? instance_name);
#pragma warning restore IDE1006
}

/// <summary>What a volume is inserted with.</summary>
/// <param name="Pool">Null for the one beside the node's instances.</param>
internal sealed record NewVolume(Id<PoolVolume> Id, Id<Pool>? Pool, string PoolName, string Name, long SizeBytes, Id<Image>? Image = null, string? Description = null);
