using System.Text.Json;
using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Platform;
using Npgsql;

namespace Gantry.Daemon.Templates;

/// <summary>A template as it is kept.</summary>
/// <param name="Settings">Its own, without its base's.</param>
/// <param name="Version">0 for one that is part of Gantry.</param>
internal sealed record StoredTemplate(
    Id<Template> Id, string Name, string? Description, string? Base, InstanceSettings Settings, DateTimeOffset? CreatedAt = null, DateTimeOffset? UpdatedAt = null, long Version = 0)
{
    public bool IsBuiltIn => Version == 0;

    public string Etag => $"\"{Version}\"";

    /// <summary>The strongest first.</summary>
    public IReadOnlyList<SettingsLayer> Layers => IsBuiltIn ? [.. BuiltInTemplates.Layers(Name)] : [new($"template {Name}", Settings), .. BuiltInTemplates.Layers(Base)];

    public static StoredTemplate Of(BuiltInTemplate template) => new(template.Id, template.Name, template.Description, template.Base, template.Settings);

    /// <param name="listed">Of what it says to cloud-init only that it is there.</param>
    public Template ToWire(bool listed = false)
    {
        var layers = listed ? CloudInitPasswords.Hidden(Layers) : CloudInitPasswords.Shown(Layers);
        var (settings, origins) = SettingsLayers.Resolve(layers);
        return new()
        {
            Id = Id,
            Name = Name,
            Description = Description,
            BuiltIn = IsBuiltIn,
            Base = Base,
            Settings = settings,
            Origins = origins,
            Least = layers.Select(l => l.Least).OfType<LeastSize>().FirstOrDefault(),
            CreatedAt = CreatedAt,
            UpdatedAt = UpdatedAt,
            Etag = Etag,
        };
    }
}

/// <summary>The table of templates, and beside it those that are code.</summary>
internal sealed class TemplateStore(Db db, TimeProvider time)
{
    private const string Columns = "id, name, description, base, settings, created_at, updated_at, version, request_hash from templates";

    private static readonly Dictionary<string, FilterField> Fields = new()
    {
        ["name"] = FilterField.Text("name"),
        ["base"] = FilterField.Text("base"),
        ["builtIn"] = new("(version = 0)", text => bool.TryParse(text, out var value) ? value : null, "true, false"),
    };

    public Task<Page<Template>> ListAsync(Paging paging, CancellationToken ct) => db.WithAsync(async connection =>
    {
        var builtIn = BuiltInTemplates.All.Values;
        var parameters = new DynamicParameters(new
        {
            After = paging.After ?? "",
            Take = paging.Limit + 1,
            Ids = builtIn.Select(t => t.Id.Value).ToArray(),
            Names = builtIn.Select(t => t.Name).ToArray(),
            Bases = builtIn.Select(t => t.Base).ToArray(),
        });
        var filter = Filter.ToSql(paging.Filter, Fields, parameters);
        var rows = await connection.QueryAsync<Row>(new CommandDefinition($$"""
            select * from (
                select {{Columns}}
                union all
                select id, name, null, base, '{}'::jsonb, null, null, 0, null from unnest(@Ids, @Names, @Bases) as built_in (id, name, base)
            ) as every
            where name collate "C" > @After and {{filter}} order by name collate "C" limit @Take
            """, parameters, cancellationToken: ct));
        return paging.Cut([.. rows.Select(row => (row.version == 0 ? StoredTemplate.Of(BuiltInTemplates.All[row.name]) : FromRow(row)).ToWire(listed: true))], t => t.Name);
    }, ct);

    /// <param name="nameOrId">A name, or the id.</param>
    /// <exception cref="Refusal"><c>template.unknown</c></exception>
    public async Task<StoredTemplate> GetAsync(string nameOrId, CancellationToken ct)
    {
        if (BuiltInTemplates.All.Values.FirstOrDefault(t => t.Name == nameOrId || t.Id.ToString() == nameOrId) is { } builtIn)
        {
            return StoredTemplate.Of(builtIn);
        }

        var id = Id<Template>.TryParse(nameOrId, null, out var parsed) ? parsed.Value : (Guid?)null;
        var row = id is null && !Limits.IsName(nameOrId) ? null : await db.WithAsync(connection => connection.QueryFirstOrDefaultAsync<Row>(new CommandDefinition(
            $"""select {Columns} where id = @id or (@id::uuid is null and name collate "C" = @nameOrId)""", new { id, nameOrId }, cancellationToken: ct)), ct);
        return row is null ? throw TemplateErrors.Unknown(nameOrId) : FromRow(row);
    }

    /// <inheritdoc cref="TemplateLayers"/>
    public async Task<IReadOnlyList<SettingsLayer>> LayersAsync(string template, CancellationToken ct) => (await GetAsync(template, ct)).Layers;

    /// <summary>What this caller made before with the same idempotency key; null at its first use.</summary>
    /// <exception cref="Refusal"><c>template.idempotency_key_reused</c></exception>
    public async Task<StoredTemplate?> FindAsync(Caller caller, string? key, string? requestHash, CancellationToken ct)
    {
        var row = key is null ? null : await db.WithAsync(connection => connection.QueryFirstOrDefaultAsync<Row>(new CommandDefinition(
            $"select {Columns} where created_by = @Name and idempotency_key = @key", new { caller.Name, key }, cancellationToken: ct)), ct);
        return row is null ? null : row.request_hash == requestHash ? FromRow(row) : throw TemplateErrors.KeyReused(key!, row.name);
    }

    /// <returns>False when the name is taken, or the key used.</returns>
    public async Task<bool> InsertAsync(NpgsqlTransaction transaction, StoredTemplate template, Caller caller, string? key, string? requestHash) =>
        await transaction.Connection!.ExecuteAsync("""
            insert into templates (id, name, description, base, settings, created_by, idempotency_key, request_hash, created_at, updated_at)
            values (@Id, @Name, @Description, @Base, @Settings::jsonb, @Caller, @key, @requestHash, @now, @now)
            on conflict do nothing
            """, new { Id = template.Id.Value, template.Name, template.Description, template.Base, Settings = Json(template.Settings), Caller = caller.Name, key, requestHash, now = time.GetUtcNow() }, transaction) > 0;

    /// <returns>False when it is no longer of the version that was read.</returns>
    /// <exception cref="Refusal"><c>template.name_taken</c></exception>
    public async Task<bool> UpdateAsync(NpgsqlTransaction transaction, StoredTemplate read, ChangeTemplate changed)
    {
        try
        {
            return await transaction.Connection!.ExecuteAsync("""
                update templates set name = @Name, description = @Description, settings = @Settings::jsonb, updated_at = @now, version = version + 1
                where id = @Id and version = @Version
                """, new { Id = read.Id.Value, read.Version, changed.Name, changed.Description, Settings = Json(changed.Settings ?? new()), now = time.GetUtcNow() }, transaction) > 0;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            throw TemplateErrors.NameTaken(changed.Name);
        }
    }

    /// <returns>False when it is no longer of the version that was read.</returns>
    public async Task<bool> DeleteAsync(NpgsqlTransaction transaction, StoredTemplate read) =>
        await transaction.Connection!.ExecuteAsync("delete from templates where id = @Id and version = @Version", new { Id = read.Id.Value, read.Version }, transaction) > 0;

    private static string Json(InstanceSettings settings) => JsonSerializer.Serialize(settings, WireJson.Default.InstanceSettings);

    private static StoredTemplate FromRow(Row row) => new(
        new(row.id), row.name, row.description, row.@base, JsonSerializer.Deserialize(row.settings, WireJson.Default.InstanceSettings)!, row.created_at, row.updated_at, row.version);

#pragma warning disable IDE1006 // named as the columns are, for Dapper
    private sealed record Row(
        Guid id, string name, string? description, string? @base, string settings, DateTime? created_at, DateTime? updated_at, long version, string? request_hash);
#pragma warning restore IDE1006
}
