using System.Text.Json;
using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Npgsql;

namespace Gantry.Daemon.Networks;

/// <summary>The table of networks.</summary>
internal sealed class NetworkStore(Db db, NodeIdentity node, TimeProvider time)
{
    private const string Columns = "id, settings, forwards, policies, is_ready, created_at, updated_at, version, revision from networks";

    private static readonly Dictionary<string, FilterField> Fields = new()
    {
        ["name"] = FilterField.Text("name"),
        ["kind"] = FilterField.Text("settings ->> 'kind'"),
    };

    private readonly ParsedPolicies _policies = new();

    /// <summary>The node may have to be told something. Handlers only set a flag.</summary>
    public event Action? Touched;

    public Task<Page<StoredNetwork>> ListAsync(Paging paging, CancellationToken ct) => db.WithAsync(async connection =>
    {
        var parameters = new DynamicParameters(new { After = paging.After ?? "", Take = paging.Limit + 1 });
        var filter = Filter.ToSql(paging.Filter, Fields, parameters, label: key => $"settings -> 'labels' ->> @{key}");
        var rows = await connection.QueryAsync<Row>(new CommandDefinition(
            $"""select {Columns} where is_ready and name collate "C" > @After and {filter} order by name collate "C" limit @Take""", parameters, cancellationToken: ct));
        return paging.Cut([.. rows.Select(FromRow)], n => n.Name);
    }, ct);

    /// <param name="nameOrId">A name, or the id.</param>
    /// <exception cref="Refusal"><c>network.unknown</c></exception>
    public async Task<StoredNetwork> GetAsync(string nameOrId, CancellationToken ct) => await TryGetAsync(nameOrId, ct) ?? throw NetworkErrors.Unknown(nameOrId);

    /// <exception cref="Refusal"><c>network.unknown</c>, <c>network.not_ready</c></exception>
    public async Task<StoredNetwork> GetReadyAsync(string nameOrId, CancellationToken ct) =>
        await GetAsync(nameOrId, ct) is var found && found.IsReady ? found : throw NetworkErrors.NotReady(found.Name);

    public async Task<StoredNetwork?> TryGetAsync(string nameOrId, CancellationToken ct)
    {
        var id = Id<Network>.TryParse(nameOrId, null, out var parsed) ? parsed.Value : (Guid?)null;
        var row = id is null && !Limits.IsName(nameOrId) ? null : await db.WithAsync(connection => connection.QueryFirstOrDefaultAsync<Row>(new CommandDefinition(
            $"""select {Columns} where id = @id or (@id::uuid is null and name collate "C" = @nameOrId)""", new { id, nameOrId }, cancellationToken: ct)), ct);
        return row is null ? null : FromRow(row);
    }

    /// <summary>Every network of this node, ready or not.</summary>
    public Task<IReadOnlyList<StoredNetwork>> AllAsync(CancellationToken ct) => db.WithAsync<IReadOnlyList<StoredNetwork>>(async connection =>
        [.. (await connection.QueryAsync<Row>(new CommandDefinition($"select {Columns} where node = @Node order by id", new { Node = node.Id.Value }, cancellationToken: ct))).Select(FromRow)], ct);

    public Task<IReadOnlyList<StoredNetwork>> TheseAsync(IReadOnlyCollection<Id<Network>> which, CancellationToken ct) => db.WithAsync<IReadOnlyList<StoredNetwork>>(async connection =>
        [.. (await connection.QueryAsync<Row>(new CommandDefinition(
            $"select {Columns} where id = any(@Which) order by id", new { Which = which.Select(w => w.Value).ToArray() }, cancellationToken: ct))).Select(FromRow)], ct);

    /// <summary>Those of which the node was not told everything.</summary>
    public Task<IReadOnlyList<Id<Network>>> ToApplyAsync(CancellationToken ct) => db.WithAsync<IReadOnlyList<Id<Network>>>(async connection =>
        [.. (await connection.QueryAsync<Guid>(new CommandDefinition(
            "select id from networks where node = @Node and is_ready and applied < revision order by id", new { Node = node.Id.Value }, cancellationToken: ct))).Select(id => new Id<Network>(id))], ct);

    /// <summary>Locks the row until the transaction ends; null when it is gone.</summary>
    public async Task<StoredNetwork?> LockAsync(NpgsqlTransaction transaction, Id<Network> id) =>
        await transaction.Connection!.QuerySingleOrDefaultAsync<Row>($"select {Columns} where id = @Value for update", id, transaction) is { } row ? FromRow(row) : null;

    /// <summary>Of a ready one; null when it is gone.</summary>
    public static Task<long?> VersionAsync(NpgsqlTransaction transaction, Id<Network> id) =>
        transaction.Connection!.QuerySingleOrDefaultAsync<long?>("select version from networks where id = @Value and is_ready", id, transaction);

    /// <summary>Keeps all other changes of networks out until the transaction ends: what one may be depends on what the others are.</summary>
    public static Task LockAllAsync(NpgsqlTransaction transaction) => transaction.Connection!.ExecuteAsync("lock table networks in share row exclusive mode", transaction: transaction);

    /// <summary>All of the transaction's view.</summary>
    public async Task<IReadOnlyList<StoredNetwork>> AllAsync(NpgsqlTransaction transaction) =>
        [.. (await transaction.Connection!.QueryAsync<Row>($"select {Columns} order by id", transaction: transaction)).Select(FromRow)];

    /// <exception cref="Refusal"><c>network.name_taken</c></exception>
    public async Task InsertAsync(NpgsqlTransaction transaction, Id<Network> id, NetworkSettings settings)
    {
        if (await transaction.Connection!.ExecuteAsync(
            "insert into networks (id, name, node, settings, created_at, updated_at) values (@Id, @Name, @Node, @Settings::jsonb, @now, @now) on conflict do nothing",
            new { Id = id.Value, settings.Name, Node = node.Id.Value, Settings = Json(settings), now = time.GetUtcNow() }, transaction) == 0)
        {
            throw NetworkErrors.NameTaken(settings.Name);
        }
    }

    public Task SetReadyAsync(NpgsqlTransaction transaction, Id<Network> id, bool ready) =>
        transaction.Connection!.ExecuteAsync("update networks set is_ready = @ready, updated_at = @now where id = @id", new { id = id.Value, ready, now = time.GetUtcNow() }, transaction);

    public async Task<IReadOnlyList<Policy>> PoliciesAsync(NpgsqlTransaction transaction, Id<Network> id) =>
        _policies.Of(id.Value, await transaction.Connection!.QuerySingleAsync<string>("select policies from networks where id = @Value", id, transaction));

    /// <summary>Keeps what it replaces, until that is put back or forgotten.</summary>
    public Task ReplaceAsync(NpgsqlTransaction transaction, Id<Network> id, NetworkChange change)
    {
        var policies = Part(change.Policies);
        if (policies is not null)
        {
            _policies.Note(id.Value, policies, change.Policies!);
        }

        return transaction.Connection!.ExecuteAsync("""
            update networks set
                previous_settings = case when @Settings is not null then settings end, settings = coalesce(@Settings::jsonb, settings),
                previous_forwards = case when @Forwards is not null then forwards end, forwards = coalesce(@Forwards::jsonb, forwards),
                previous_policies = case when @Policies is not null then policies end, policies = coalesce(@Policies::json, policies),
                updated_at = @now, version = version + 1, revision = revision + 1
            where id = @Id
            """,
            new { Id = id.Value, Settings = Part(change.Settings), Forwards = Part(change.Forwards), Policies = policies, now = time.GetUtcNow() }, transaction);
    }

    public Task PutBackAsync(NpgsqlTransaction transaction, Id<Network> id) => transaction.Connection!.ExecuteAsync("""
        update networks set
            settings = coalesce(previous_settings, settings), forwards = coalesce(previous_forwards, forwards), policies = coalesce(previous_policies, policies),
            previous_settings = null, previous_forwards = null, previous_policies = null, updated_at = @now, version = version + 1, revision = revision + 1
        where id = @Id
        """,
        new { Id = id.Value, now = time.GetUtcNow() }, transaction);

    public static Task ForgetPreviousAsync(NpgsqlTransaction transaction, Id<Network> id) =>
        transaction.Connection!.ExecuteAsync("update networks set previous_settings = null, previous_forwards = null, previous_policies = null where id = @Value", id, transaction);

    public Task DeleteAsync(NpgsqlTransaction transaction, Id<Network> id)
    {
        _policies.Forget(id.Value);
        return transaction.Connection!.ExecuteAsync("delete from networks where id = @Value", id, transaction);
    }

    /// <summary>The node has to be told anew: addresses, or names and labels of instances, have changed.</summary>
    public Task TouchAsync(NpgsqlTransaction transaction, Id<Network> id)
    {
        db.Afterwards(transaction, TellTouched);
        return transaction.Connection!.ExecuteAsync("update networks set revision = revision + 1 where id = @Value", id, transaction);
    }

    /// <summary>Every network that an instance has a NIC on.</summary>
    public Task TouchOfAsync(NpgsqlTransaction transaction, Id<Instance> instance)
    {
        db.Afterwards(transaction, TellTouched);
        return transaction.Connection!.ExecuteAsync(
            "update networks set revision = revision + 1 where id in (select network from addresses where instance = @Value)", instance, transaction);
    }

    public Task NoteAppliedAsync(Id<Network> id, long revision, CancellationToken ct) => db.WithAsync(connection => connection.ExecuteAsync(new CommandDefinition(
        "update networks set applied = @revision where id = @id and applied < @revision", new { id = id.Value, revision }, cancellationToken: ct)), ct);

    /// <summary>From now on this node has had its default network.</summary>
    public Task NoteDefaultAsync(NpgsqlTransaction transaction) => transaction.Connection!.ExecuteAsync(
        "insert into default_networks (node) values (@Node) on conflict do nothing", new { Node = node.Id.Value }, transaction);

    public Task<bool> HadDefaultAsync(CancellationToken ct) => db.WithAsync(connection => connection.ExecuteScalarAsync<bool>(new CommandDefinition(
        "select exists (select from default_networks where node = @Node)", new { Node = node.Id.Value }, cancellationToken: ct)), ct);

    private void TellTouched() => Touched?.Invoke();

    private static string? Part<T>(T? value)
        where T : class => value is null ? null : Json(value);

    private static string Json<T>(T value) => JsonSerializer.Serialize(value, WireJson.Default.Options);

    private StoredNetwork FromRow(Row row) => new(
        new(row.id), Read<NetworkSettings>(row.settings), Read<IReadOnlyList<Forward>>(row.forwards), _policies.Of(row.id, row.policies), row.is_ready,
        row.created_at, row.updated_at, row.version, row.revision);

    private static T Read<T>(string json) => JsonSerializer.Deserialize<T>(json, WireJson.Default.Options)!;

#pragma warning disable IDE1006 // named as the columns are, for Dapper
    private sealed record Row(Guid id, string settings, string forwards, string policies, bool is_ready, DateTime created_at, DateTime updated_at, long version, long revision);
#pragma warning restore IDE1006
}
