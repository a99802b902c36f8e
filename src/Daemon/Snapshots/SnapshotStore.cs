using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Npgsql;

namespace Gantry.Daemon.Snapshots;

/// <summary>The table of snapshots, and where in their trees the instances are.</summary>
internal sealed class SnapshotStore(Db db, TimeProvider time)
{
    internal const string Columns = """
        s.id, s.instance, s.name, s.description, p.name as parent, coalesce(i.current_snapshot = s.id, false) as is_current, s.state, s.level, s.sha256, s.is_ready, s.created_at, s.version,
        s.memory_bytes, s.is_protected, s.keep_until, s.last_used_at, s.schedule, s.size_bytes, i.name as instance_name
        from snapshots s join instances i on i.id = s.instance left join snapshots p on p.id = s.parent
        """;

    private static readonly Dictionary<string, FilterField> Fields = new()
    {
        ["name"] = FilterField.Text("s.name"),
        ["parent"] = FilterField.Text("p.name"),
        ["state"] = FilterField.Word<InstanceState>("s.state"),
        ["level"] = FilterField.Word<SnapshotLevel>("s.level"),
    };

    /// <summary>Those that are whole, in the order in which they were asked for.</summary>
    public Task<Page<StoredSnapshot>> ListAsync(Id<Instance> instance, Paging paging, CancellationToken ct) => db.WithAsync(async connection =>
    {
        var after = paging.After is null ? Guid.Empty : Guid.TryParseExact(paging.After, "D", out var id) ? id : throw Refusal.Invalid(
            "request.cursor", "The cursor is not one of this list.", "Take nextCursor of the page before as it is, or leave it out to begin anew.");
        var parameters = new DynamicParameters(new { Instance = instance.Value, After = after, Take = paging.Limit + 1 });
        var filter = Filter.ToSql(paging.Filter, Fields, parameters);
        var rows = await connection.QueryAsync<Row>(new CommandDefinition(
            $"select {Columns} where s.instance = @Instance and s.id > @After and s.is_ready and {filter} order by s.id limit @Take", parameters, cancellationToken: ct));
        return paging.Cut([.. rows.Select(FromRow)], s => s.Id.ToString());
    }, ct);

    /// <summary>Those that are whole, that no clone keeps, and that were taken by runs of a schedule, whatever either is called now.</summary>
    public Task<IReadOnlyList<StoredSnapshot>> TakenByAsync(Id<Instance> instance, Id<Schedule> schedule, CancellationToken ct) => db.WithAsync<IReadOnlyList<StoredSnapshot>>(async connection =>
        [.. (await connection.QueryAsync<Row>(new CommandDefinition(
            $"select {Columns} where s.instance = @Instance and s.schedule = @Schedule and s.is_ready and not exists (select from clones c where c.snapshot = s.id) order by s.id",
            new { Instance = instance.Value, Schedule = schedule.Value }, cancellationToken: ct))).Select(FromRow)], ct);

    /// <param name="nameOrId">A name, or the id.</param>
    /// <exception cref="Refusal"><c>snapshot.unknown</c>, <c>snapshot.not_ready</c></exception>
    public async Task<StoredSnapshot> GetAsync(Instance instance, string nameOrId, CancellationToken ct)
    {
        var id = Id<Snapshot>.TryParse(nameOrId, null, out var parsed) ? parsed.Value : (Guid?)null;
        var row = id is null && !Limits.IsSnapshotName(nameOrId) ? null : await db.WithAsync(connection => connection.QueryFirstOrDefaultAsync<Row>(new CommandDefinition(
            $"""select {Columns} where s.instance = @Instance and (s.id = @id or (@id::uuid is null and s.name collate "C" = @nameOrId))""",
            new { Instance = instance.Id.Value, id, nameOrId }, cancellationToken: ct)), ct);
        return row is null ? throw SnapshotErrors.Unknown(instance.Name, nameOrId) : row.is_ready ? FromRow(row) : throw SnapshotErrors.NotReady(row.name);
    }

    /// <summary>Refuses at once what the operation would refuse.</summary>
    /// <exception cref="Refusal"><c>snapshot.name_taken</c></exception>
    public Task DemandNameAsync(Id<Instance> instance, string name, CancellationToken ct) => db.WithAsync(connection => DemandNameAsync(connection, null, instance, name), ct);

    /// <summary>Writes down one that is to be taken, after the one the instance came after. The instance's row is locked.</summary>
    /// <exception cref="Refusal"><c>snapshot.name_taken</c></exception>
    public async Task InsertAsync(
        NpgsqlTransaction transaction, Id<Snapshot> id, Id<Instance> instance, string instanceName, CreateSnapshot wanted, InstanceState state, Id<Schedule>? schedule)
    {
        await DemandNameAsync(transaction.Connection!, transaction, instance, wanted.Name);
        await transaction.Connection!.ExecuteAsync("""
            insert into snapshots (id, instance, name, description, parent, state, schedule, created_at)
            select @Id, i.id, @Name, @Description, i.current_snapshot, @State, @Schedule, @Now from instances i where i.id = @Instance
            """, new { Id = id.Value, Instance = instance.Value, wanted.Name, wanted.Description, State = (short)state, Schedule = schedule?.Value, Now = time.GetUtcNow() }, transaction);
    }

    /// <summary>It is whole, and the instance comes after it now.</summary>
    public async Task SetTakenAsync(NpgsqlTransaction transaction, Id<Snapshot> id, Id<Instance> instance, DateTimeOffset takenAt, InstanceState state, SnapshotLevel? level, string sha256, long? memoryBytes = null)
    {
        await transaction.Connection!.ExecuteAsync(
            "update snapshots set is_ready = true, state = @State, level = @Level, sha256 = @sha256, created_at = @takenAt, memory_bytes = @memoryBytes where id = @Id",
            new { Id = id.Value, State = (short)state, Level = (short?)level, sha256, takenAt, memoryBytes }, transaction);
        await MoveAsync(transaction, instance, id);
    }

    /// <summary>The instance comes after this one now.</summary>
    public static Task MoveAsync(NpgsqlTransaction transaction, Id<Instance> instance, Id<Snapshot> to) => transaction.Connection!.ExecuteAsync(
        "update instances set current_snapshot = @To where id = @Instance", new { Instance = instance.Value, To = to.Value }, transaction);

    /// <summary>It was restored or cloned now: what is not used for longest goes first where a quota says so.</summary>
    public Task SetUsedAsync(NpgsqlTransaction transaction, Id<Snapshot> id) =>
        transaction.Connection!.ExecuteAsync("update snapshots set last_used_at = @Now where id = @Id", new { Id = id.Value, Now = time.GetUtcNow() }, transaction);

    /// <summary>Notes in which pools it has disks.</summary>
    /// <param name="pools">Null for the one beside the instance's node.</param>
    public static Task NotePoolsAsync(NpgsqlTransaction transaction, Id<Snapshot> id, IReadOnlyList<Id<Pool>?> pools) => transaction.Connection!.ExecuteAsync("""
        insert into snapshot_pools (snapshot, pool)
        select distinct s.id, coalesce(p.pool, i.node) from snapshots s join instances i on i.id = s.instance, unnest(@Pools::uuid[]) as p (pool) where s.id = @Id
        on conflict do nothing
        """, new { Id = id.Value, Pools = pools.Select(p => p?.Value).ToArray() }, transaction);

    /// <summary>Locks one that is whole until the transaction ends.</summary>
    /// <exception cref="Refusal"><c>snapshot.unknown</c></exception>
    public static async Task LockAsync(NpgsqlTransaction transaction, Id<Snapshot> id, string instance, string name)
    {
        if (await transaction.Connection!.ExecuteScalarAsync<int?>("select 1 from snapshots where id = @Value and is_ready for update", id, transaction) is null)
        {
            throw SnapshotErrors.Unknown(instance, name);
        }
    }

    /// <summary>Takes it out of the list.</summary>
    public static Task HideAsync(NpgsqlTransaction transaction, Id<Snapshot> id) =>
        transaction.Connection!.ExecuteAsync("update snapshots set is_ready = false where id = @Value", id, transaction);

    public static Task ShowAsync(NpgsqlTransaction transaction, Id<Snapshot> id) =>
        transaction.Connection!.ExecuteAsync("update snapshots set is_ready = true where id = @Value", id, transaction);

    /// <summary>What came after it comes after its parent from now on.</summary>
    public static async Task DeleteAsync(NpgsqlTransaction transaction, Id<Snapshot> id)
    {
        await transaction.Connection!.ExecuteAsync("""
            update snapshots c set parent = s.parent from snapshots s where s.id = @Value and c.parent = s.id;
            update instances i set current_snapshot = s.parent from snapshots s where s.id = @Value and i.current_snapshot = s.id;
            delete from snapshots where id = @Value
            """, id, transaction);
    }

    /// <returns>False when it was changed since it was read.</returns>
    /// <exception cref="Refusal"><c>snapshot.name_taken</c></exception>
    public static async Task<bool> ChangeAsync(NpgsqlTransaction transaction, StoredSnapshot read, ChangeSnapshot wanted)
    {
        try
        {
            return await transaction.Connection!.ExecuteAsync(
                """
                update snapshots set name = @Name, description = @Description, is_protected = @IsProtected, keep_until = @KeepUntil, version = version + 1
                where id = @Id and version = @Version and is_ready
                """,
                new
                {
                    Id = read.Id.Value,
                    read.Version,
                    wanted.Name,
                    Description = wanted.Description is { Length: > 0 } text ? text : null,
                    IsProtected = wanted.Protected ?? false,
                    KeepUntil = wanted.KeepUntil?.UtcDateTime,
                }, transaction) > 0;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            throw SnapshotErrors.NameTaken(wanted.Name!);
        }
    }

    private static async Task<bool> DemandNameAsync(NpgsqlConnection connection, NpgsqlTransaction? transaction, Id<Instance> instance, string name) =>
        await connection.ExecuteScalarAsync<bool>(
            """select exists (select from snapshots where instance = @Instance and name collate "C" = @name)""", new { Instance = instance.Value, name }, transaction)
            ? throw SnapshotErrors.NameTaken(name) : true;

    internal static StoredSnapshot FromRow(Row row) => new(
        new(row.id), new(row.instance), row.name, row.description, row.parent, row.is_current, (InstanceState)row.state, (SnapshotLevel?)row.level, row.sha256,
        row.is_ready, row.created_at, row.version, row.memory_bytes)
    {
        Protected = row.is_protected,
        KeepUntil = row.keep_until,
        LastUsedAt = row.last_used_at,
        Schedule = row.schedule is { } schedule ? new(schedule) : null,
        MeasuredBytes = row.size_bytes,
        InstanceName = row.instance_name,
    };

#pragma warning disable IDE1006 // named as the columns are, for Dapper
    internal sealed record Row(
        Guid id, Guid instance, string name, string? description, string? parent, bool is_current, short state, short? level, string? sha256, bool is_ready,
        DateTime created_at, long version, long? memory_bytes, bool is_protected, DateTime? keep_until, DateTime? last_used_at, Guid? schedule, long? size_bytes, string instance_name);
#pragma warning restore IDE1006
}
