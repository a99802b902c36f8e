using System.Text.Json;
using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Platform;
using Npgsql;

namespace Gantry.Daemon.Schedules;

/// <summary>The table of schedules.</summary>
internal sealed class ScheduleStore(Db db, EventLog events, NodeIdentity node, TimeProvider time)
{
    private const string Columns = """
        s.id, s.name, s.instance, i.name as instance_name, s.enabled, s.settings, s.next_run, s.request_hash, s.created_at, s.updated_at, s.version,
        r.id as run, r.due, r.trigger, r.state, r.reason, r.started_at, r.finished_at
        from schedules s left join instances i on i.id = s.instance
            left join lateral (select * from schedule_runs of_it where of_it.schedule = s.id order by of_it.due desc limit 1) r on true
        """;

    private static readonly Dictionary<string, FilterField> Fields = new()
    {
        ["name"] = FilterField.Text("s.name"),
        ["instance"] = FilterField.Text("i.name"),
        ["action"] = FilterField.Text("s.settings ->> 'action'"),
        ["enabled"] = new("s.enabled", text => bool.TryParse(text, out var value) ? value : null, "true, false"),
        ["lastRun"] = FilterField.Word<RunState>("r.state"),
    };

    /// <summary>Something may be due at another time than before. Handlers only set a flag.</summary>
    public event Action? Touched;

    public Task<Page<Schedule>> ListAsync(Paging paging, CancellationToken ct) => db.WithAsync(async connection =>
    {
        var parameters = new DynamicParameters(new { After = paging.After ?? "", Take = paging.Limit + 1 });
        var filter = Filter.ToSql(paging.Filter, Fields, parameters);
        var rows = await connection.QueryAsync<Row>(new CommandDefinition(
            $"""select {Columns} where s.name collate "C" > @After and {filter} order by s.name collate "C" limit @Take""", parameters, cancellationToken: ct));
        return paging.Cut([.. rows.Select(row => FromRow(row).ToWire())], s => s.Name);
    }, ct);

    /// <param name="nameOrId">A name, or the id.</param>
    /// <exception cref="Refusal"><c>schedule.unknown</c></exception>
    public async Task<StoredSchedule> GetAsync(string nameOrId, CancellationToken ct)
    {
        var id = Id<Schedule>.TryParse(nameOrId, null, out var parsed) ? parsed.Value : (Guid?)null;
        var row = id is null && !Limits.IsName(nameOrId) ? null : await db.WithAsync(connection => connection.QueryFirstOrDefaultAsync<Row>(new CommandDefinition(
            $"""select {Columns} where s.id = @id or (@id::uuid is null and s.name collate "C" = @nameOrId)""", new { id, nameOrId }, cancellationToken: ct)), ct);
        return row is null ? throw ScheduleErrors.Unknown(nameOrId) : FromRow(row);
    }

    /// <summary>What this caller made before with the same idempotency key; null at its first use.</summary>
    /// <exception cref="Refusal"><c>schedule.idempotency_key_reused</c></exception>
    public async Task<StoredSchedule?> FindAsync(Caller caller, string? key, string? requestHash, CancellationToken ct)
    {
        var row = key is null ? null : await db.WithAsync(connection => connection.QueryFirstOrDefaultAsync<Row>(new CommandDefinition(
            $"select {Columns} where s.created_by = @Name and s.idempotency_key = @key", new { caller.Name, key }, cancellationToken: ct)), ct);
        return row is null ? null : row.request_hash == requestHash ? FromRow(row) : throw ScheduleErrors.KeyReused(key!, row.name);
    }

    public Task<IReadOnlyList<StoredSchedule>> EnabledAsync(CancellationToken ct) => db.WithAsync<IReadOnlyList<StoredSchedule>>(async connection =>
        [.. (await connection.QueryAsync<Row>(new CommandDefinition($"select {Columns} where s.enabled", cancellationToken: ct))).Select(FromRow)], ct);

    /// <summary>The earliest next run of what this node may begin; null when nothing is due ever again.</summary>
    public Task<DateTimeOffset?> NextRunAsync(CancellationToken ct) => db.WithAsync<DateTimeOffset?>(async connection =>
        await connection.ExecuteScalarAsync<DateTime?>(new CommandDefinition(
            "select min(s.next_run) from schedules s left join instances i on i.id = s.instance where s.enabled and (s.instance is null or i.node = @Node)",
            new { Node = node.Id.Value }, cancellationToken: ct)), ct);

    /// <summary>One that is due, locked until the transaction ends; null when none is that no other daemon has locked.</summary>
    public async Task<StoredSchedule?> LockDueAsync(NpgsqlTransaction transaction, DateTimeOffset now) => await transaction.Connection!.QueryFirstOrDefaultAsync<Row>(
        $"select {Columns} where s.enabled and s.next_run <= @now and (s.instance is null or i.node = @Node) order by s.next_run limit 1 for update of s skip locked",
        new { now = now.UtcDateTime, Node = node.Id.Value }, transaction) is { } row ? FromRow(row) : null;

    /// <summary>Locks it until the transaction ends.</summary>
    /// <exception cref="Refusal"><c>schedule.unknown</c></exception>
    public static async Task LockAsync(NpgsqlTransaction transaction, StoredSchedule read)
    {
        if (await transaction.Connection!.ExecuteScalarAsync<int?>("select 1 from schedules where id = @Value for update", read.Id, transaction) is null)
        {
            throw ScheduleErrors.Unknown(read.Settings.Name);
        }
    }

    /// <summary>Sets when it is due, if that is still what it was.</summary>
    public static Task SetNextRunAsync(NpgsqlTransaction transaction, StoredSchedule read, DateTimeOffset? next) => transaction.Connection!.ExecuteAsync(
        "update schedules set next_run = @next where id = @Id and version = @Version and next_run is not distinct from @before",
        new { Id = read.Id.Value, read.Version, next = next?.UtcDateTime, before = read.NextRun?.UtcDateTime }, transaction);

    /// <returns>False when the name is taken, or the key used.</returns>
    public async Task<bool> InsertAsync(
        NpgsqlTransaction transaction, Id<Schedule> id, ScheduleSettings settings, Id<Instance>? instance, DateTimeOffset? next, Caller caller, string? key, string? requestHash)
    {
        db.Afterwards(transaction, () => Touched?.Invoke());
        return await transaction.Connection!.ExecuteAsync("""
            insert into schedules (id, name, instance, enabled, settings, next_run, created_by, idempotency_key, request_hash, created_at, updated_at)
            values (@Id, @Name, @Instance, @Enabled, @Settings::jsonb, @Next, @Caller, @key, @requestHash, @Now, @Now)
            on conflict do nothing
            """, Parameters(id, settings, instance, next, new { Caller = caller.Name, key, requestHash }), transaction) > 0
            && await TellAsync(transaction, EventTypes.ScheduleCreated, id, settings.Name, caller);
    }

    /// <returns>False when it is no longer of the version that was read.</returns>
    /// <exception cref="Refusal"><c>schedule.name_taken</c></exception>
    public async Task<bool> UpdateAsync(NpgsqlTransaction transaction, StoredSchedule read, ScheduleSettings settings, Id<Instance>? instance, DateTimeOffset? next, Caller caller)
    {
        db.Afterwards(transaction, () => Touched?.Invoke());
        try
        {
            return await transaction.Connection!.ExecuteAsync("""
                update schedules set name = @Name, instance = @Instance, enabled = @Enabled, settings = @Settings::jsonb, next_run = @Next, updated_at = @Now, version = version + 1
                where id = @Id and version = @Version
                """, Parameters(read.Id, settings, instance, next, new { read.Version }), transaction) > 0
                && await TellAsync(transaction, EventTypes.ScheduleUpdated, read.Id, settings.Name, caller);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            throw ScheduleErrors.NameTaken(settings.Name);
        }
    }

    /// <returns>False when it is no longer of the version that was read.</returns>
    public async Task<bool> DeleteAsync(NpgsqlTransaction transaction, StoredSchedule read, Caller caller) =>
        await transaction.Connection!.ExecuteAsync("delete from schedules where id = @Id and version = @Version", new { Id = read.Id.Value, read.Version }, transaction) > 0
        && await TellAsync(transaction, EventTypes.ScheduleDeleted, read.Id, read.Settings.Name, caller);

    /// <summary>Removes the schedules of one instance, which is being deleted.</summary>
    public async Task DeleteOfAsync(NpgsqlTransaction transaction, Id<Instance> instance, Caller caller)
    {
        foreach (var (id, name) in await transaction.Connection!.QueryAsync<(Guid, string)>(
            "delete from schedules where instance = @Value returning id, name", instance, transaction))
        {
            await TellAsync(transaction, EventTypes.ScheduleDeleted, new(id), name, caller);
        }
    }

    private async Task<bool> TellAsync(NpgsqlTransaction transaction, string type, Id<Schedule> id, string name, Caller caller)
    {
        await events.AppendAsync(transaction, type, $"schedules/{id}", caller.Name, caller.RequestId, new { name });
        return true;
    }

    private DynamicParameters Parameters(Id<Schedule> id, ScheduleSettings settings, Id<Instance>? instance, DateTimeOffset? next, object others)
    {
        var parameters = new DynamicParameters(others);
        parameters.AddDynamicParams(new
        {
            Id = id.Value,
            settings.Name,
            Instance = instance?.Value,
            Enabled = settings.Enabled == true,
            Settings = JsonSerializer.Serialize(settings with { Instance = null }, WireJson.Default.ScheduleSettings),
            Next = next?.UtcDateTime,
            Now = time.GetUtcNow().UtcDateTime,
        });
        return parameters;
    }

    private static StoredSchedule FromRow(Row row) => new(
        new(row.id), JsonSerializer.Deserialize(row.settings, WireJson.Default.ScheduleSettings)! with { Instance = row.instance_name, Enabled = row.enabled },
        row.instance is { } instance ? new Id<Instance>(instance) : null, row.next_run,
        row.run is { } run ? new(new(run), row.due!.Value, (RunTrigger)row.trigger!, (RunState)row.state!, row.started_at!.Value, row.finished_at, row.reason) : null,
        row.created_at, row.updated_at, row.version);

#pragma warning disable IDE1006 // named as the columns are, for Dapper
    private sealed record Row(
        Guid id, string name, Guid? instance, string? instance_name, bool enabled, string settings, DateTime? next_run, string? request_hash,
        DateTime created_at, DateTime updated_at, long version,
        Guid? run, DateTime? due, short? trigger, short? state, string? reason, DateTime? started_at, DateTime? finished_at);
#pragma warning restore IDE1006
}
