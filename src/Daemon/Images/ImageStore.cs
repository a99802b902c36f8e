using System.Text.Json;
using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Node.Images;
using Npgsql;

namespace Gantry.Daemon.Images;

/// <summary>The table of images.</summary>
internal sealed class ImageStore(Db db, TimeProvider time)
{
    private const string Columns = """
        id, name, state, default_kind, architecture, firmware, description, source, size_bytes, disk_bytes, sha256, created_at, updated_at, version from images
        """;

    private static readonly Dictionary<string, FilterField> Fields = new()
    {
        ["name"] = FilterField.Text("name"),
        ["state"] = FilterField.Word<ImageState>("state"),
        ["defaultKind"] = FilterField.Word<InstanceKind>("default_kind"),
        ["architecture"] = FilterField.Word<Architecture>("architecture"),
        ["firmware"] = FilterField.Word<Firmware>("firmware"),
        ["sizeBytes"] = FilterField.Number("size_bytes"),
        ["diskBytes"] = FilterField.Number("disk_bytes"),
    };

    public Task<Page<Image>> ListAsync(Paging paging, CancellationToken ct) => db.WithAsync(async connection =>
    {
        var parameters = new DynamicParameters(new { After = paging.After ?? "", Take = paging.Limit + 1 });
        var filter = Filter.ToSql(paging.Filter, Fields, parameters);
        var rows = await connection.QueryAsync<Row>(new CommandDefinition(
            $"""select {Columns} where name collate "C" > @After and {filter} order by name collate "C" limit @Take""", parameters, cancellationToken: ct));
        return paging.Cut([.. rows.Select(ToWire)], i => i.Name);
    }, ct);

    /// <exception cref="Refusal"><c>image.unknown</c></exception>
    public async Task<Image> GetAsync(string nameOrId, CancellationToken ct)
    {
        var id = Id<Image>.TryParse(nameOrId, null, out var parsed) ? parsed.Value : (Guid?)null;
        var row = id is null && !Limits.IsName(nameOrId) ? null : await db.WithAsync(connection => connection.QueryFirstOrDefaultAsync<Row>(new CommandDefinition(
            $"select {Columns} where id = @id or (@id::uuid is null and name = @nameOrId)", new { id, nameOrId }, cancellationToken: ct)), ct);
        return row is null ? throw ImageErrors.Unknown(nameOrId) : ToWire(row);
    }

    /// <exception cref="Refusal"><c>image.unknown</c>, <c>image.not_ready</c></exception>
    public async Task<Image> GetReadyAsync(string nameOrId, CancellationToken ct) =>
        await GetAsync(nameOrId, ct) is { State: ImageState.Ready } image ? image : throw ImageErrors.NotReady(nameOrId);

    /// <summary>The instances that are listed and use it, by name.</summary>
    public Task<IReadOnlyList<string>> UsersAsync(Id<Image> id, CancellationToken ct) => db.WithAsync<IReadOnlyList<string>>(async connection =>
        [.. await connection.QueryAsync<string>(new CommandDefinition(
            """select i.name from instances i join instance_images u on u.instance = i.id where u.image = @Value and not i.deleted order by i.name collate "C" """, id, cancellationToken: ct))], ct);

    public async Task<bool> ExistsAsync(Id<Image> id, CancellationToken ct) =>
        await db.WithAsync(connection => connection.ExecuteScalarAsync<bool>(new CommandDefinition("select exists (select from images where id = @Value)", id, cancellationToken: ct)), ct);

    /// <summary>Before gigabytes are sent for it; the operation asks again.</summary>
    /// <exception cref="Refusal"><c>image.name_taken</c></exception>
    public async Task DemandFreeAsync(string name, CancellationToken ct)
    {
        if (await db.WithAsync(connection => connection.ExecuteScalarAsync<bool>(new CommandDefinition("select exists (select from images where name = @name)", new { name }, cancellationToken: ct)), ct))
        {
            throw ImageErrors.NameTaken(name);
        }
    }

    /// <exception cref="Refusal"><c>image.name_taken</c></exception>
    public async Task InsertAsync(NpgsqlTransaction transaction, Id<Image> id, string name)
    {
        var inserted = await transaction.Connection!.ExecuteAsync("""
            insert into images (id, name, state, default_kind, created_at, updated_at) values (@id, @name, @state, @kind, @now, @now) on conflict do nothing
            """, new { id = id.Value, name, state = (short)ImageState.Creating, kind = (short)InstanceKind.Microvm, now = time.GetUtcNow() }, transaction);
        if (inserted == 0)
        {
            throw ImageErrors.NameTaken(name);
        }
    }

    public Task PublishAsync(NpgsqlTransaction transaction, Id<Image> id, ImageFiles files) => transaction.Connection!.ExecuteAsync("""
        update images set state = @state, default_kind = @kind, architecture = @architecture, firmware = @firmware, description = @Description, source = @Source,
            size_bytes = @SizeBytes, disk_bytes = @DiskBytes, sha256 = @sha256::jsonb, updated_at = @now, version = version + 1 where id = @id
        """, new
    {
        id = id.Value,
        state = (short)ImageState.Ready,
        kind = (short)files.DefaultKind,
        architecture = (short)files.Architecture,
        firmware = (short)files.Firmware,
        files.Description,
        files.Source,
        files.SizeBytes,
        files.DiskBytes,
        sha256 = JsonSerializer.Serialize(files.Sha256, WireJson.Default.Options),
        now = time.GetUtcNow(),
    }, transaction);

    /// <summary>Gives it another name or description, if it is still as it was read.</summary>
    /// <exception cref="Refusal"><c>image.name_taken</c>, <c>image.changed</c></exception>
    public async Task UpdateAsync(NpgsqlTransaction transaction, Image read, string name, string? description)
    {
        try
        {
            var updated = await transaction.Connection!.ExecuteAsync("""
                update images set name = @name, description = @description, updated_at = @now, version = version + 1 where id = @id and '"' || version || '"' = @Etag
                """, new { id = read.Id.Value, name, description, now = time.GetUtcNow(), read.Etag }, transaction);
            _ = updated == 1 ? updated : throw ImageErrors.Changed(read.Name);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            throw ImageErrors.NameTaken(name);
        }
    }

    /// <summary>Locks the row, so that no instance begins to use it, and asks who does.</summary>
    /// <exception cref="Refusal"><c>image.in_use</c>: an instance, even one on its way out, or a volume that belongs to none still needs it.</exception>
    public async Task DemandUnusedAsync(NpgsqlTransaction transaction, Id<Image> id, string name)
    {
        await transaction.Connection!.ExecuteAsync("select from images where id = @Value for update", id, transaction);
        if ((await transaction.Connection!.QueryAsync<string>("""
            select name from (
                select i.name, 1 as place from instances i join instance_images u on u.instance = i.id where u.image = @Value
                union all
                select 'the volume ' || v.name, 2 from volumes v where v.image = @Value) as users
            order by place, name collate "C"
            """, id, transaction)).AsList() is { Count: > 0 } users)
        {
            throw ImageErrors.InUse(name, users);
        }
    }

    /// <summary>Keeps it from being deleted until the transaction ends.</summary>
    /// <exception cref="Refusal"><c>image.unknown</c></exception>
    public static async Task LockAsync(NpgsqlTransaction transaction, Id<Image> image)
    {
        if (await transaction.Connection!.ExecuteScalarAsync<int?>("select 1 from images where id = @Value for key share", image, transaction) is null)
        {
            throw ImageErrors.Unknown(image.ToString()); // deleted since it was found
        }
    }

    public Task DeleteAsync(NpgsqlTransaction transaction, Id<Image> id) =>
        transaction.Connection!.ExecuteAsync("delete from images where id = @Value", id, transaction);

    private static Image ToWire(Row row) => new()
    {
        Id = new(row.id),
        Name = row.name,
        State = (ImageState)row.state,
        DefaultKind = (InstanceKind)row.default_kind,
        Architecture = (Architecture)row.architecture,
        Firmware = (Firmware)row.firmware,
        Description = row.description,
        Source = row.source,
        SizeBytes = row.size_bytes,
        DiskBytes = row.disk_bytes,
        Sha256 = JsonSerializer.Deserialize<IReadOnlyDictionary<string, string>>(row.sha256, WireJson.Default.Options)!,
        CreatedAt = row.created_at,
        UpdatedAt = row.updated_at,
        Etag = $"\"{row.version}\"",
    };

#pragma warning disable IDE1006 // named as the columns are, for Dapper
    private sealed record Row(
        Guid id, string name, short state, short default_kind, short architecture, short firmware, string? description, string? source, long size_bytes, long? disk_bytes,
        string sha256, DateTime created_at, DateTime updated_at, long version);
#pragma warning restore IDE1006
}
