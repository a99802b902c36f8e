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
    private const string Columns = "id, name, state, default_kind, description, size_bytes, sha256, created_at from images";

    private static readonly Dictionary<string, FilterField> Fields = new()
    {
        ["name"] = FilterField.Text("name"),
        ["state"] = FilterField.Word<ImageState>("state"),
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

    /// <exception cref="Refusal"><c>image.name_taken</c></exception>
    public async Task InsertAsync(NpgsqlTransaction transaction, Id<Image> id, string name)
    {
        var inserted = await transaction.Connection!.ExecuteAsync("""
            insert into images (id, name, state, default_kind, created_at) values (@id, @name, @state, @kind, @now) on conflict do nothing
            """, new { id = id.Value, name, state = (short)ImageState.Creating, kind = (short)InstanceKind.Microvm, now = time.GetUtcNow() }, transaction);
        if (inserted == 0)
        {
            throw ImageErrors.NameTaken(name);
        }
    }

    public Task PublishAsync(NpgsqlTransaction transaction, Id<Image> id, ImageFiles files) => transaction.Connection!.ExecuteAsync("""
        update images set state = @state, default_kind = @kind, description = @Description, size_bytes = @SizeBytes, sha256 = @sha256::jsonb where id = @id
        """, new
    {
        id = id.Value,
        state = (short)ImageState.Ready,
        kind = (short)files.DefaultKind,
        files.Description,
        files.SizeBytes,
        sha256 = JsonSerializer.Serialize(files.Sha256, WireJson.Default.Options),
    }, transaction);

    /// <exception cref="Refusal"><c>image.in_use</c>: an instance, even one on its way out, still needs it.</exception>
    public async Task DeleteAsync(NpgsqlTransaction transaction, Id<Image> id, string name)
    {
        try
        {
            await transaction.Connection!.ExecuteAsync("delete from images where id = @Value", id, transaction);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ForeignKeyViolation)
        {
            throw ImageErrors.InUse(name);
        }
    }

    private static Image ToWire(Row row) => new()
    {
        Id = new(row.id),
        Name = row.name,
        State = (ImageState)row.state,
        DefaultKind = (InstanceKind)row.default_kind,
        Description = row.description,
        SizeBytes = row.size_bytes,
        Sha256 = JsonSerializer.Deserialize<IReadOnlyDictionary<string, string>>(row.sha256, WireJson.Default.Options)!,
        CreatedAt = row.created_at,
    };

#pragma warning disable IDE1006 // named as the columns are, for Dapper
    private sealed record Row(Guid id, string name, short state, short default_kind, string? description, long size_bytes, string sha256, DateTime created_at);
#pragma warning restore IDE1006
}

internal static class ImageErrors
{
    public static Refusal Unknown(string name) => Refusal.NotFound(
        "image.unknown", $"There is no image '{(Limits.IsName(name) ? name : "so named")}'.", "`gantry image list` shows those there are; `gantry image build micro` makes a small one.");

    public static Refusal NotReady(string name) => Refusal.Conflict(
        "image.not_ready", $"The image '{name}' is still being made.", "Wait for its operation: `gantry operation list`.");

    public static Refusal NameTaken(string name) => Refusal.Conflict(
        "image.name_taken", $"An image '{name}' exists already.", "Choose another name with --name, or delete that one first.");

    public static Refusal InUse(string name) => Refusal.Conflict(
        "image.in_use", $"The image '{name}' is used by instances.", "`gantry list --filter \"image eq ...\"` shows them; delete them first.");
}
