using System.Globalization;
using System.Text.Json;
using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Npgsql;

namespace Gantry.Daemon.Schedules;

/// <summary>A run that is to be worked on.</summary>
/// <param name="Holder">Who works on it, until the lease ends or is renewed.</param>
internal sealed record HeldRun(Id<ScheduleRun> Id, Id<Schedule> Schedule, DateTimeOffset Due, RunTrigger Trigger, string Actor, DateTimeOffset StartedAt, Guid Holder);

/// <summary>The history: one row for each due time of a schedule.</summary>
internal sealed class ScheduleRunStore(Db db, NodeIdentity node, TimeProvider time)
{
    private const string Columns = "id, due, trigger, state, started_at, finished_at, reason, results::text as results from schedule_runs";

    /// <summary>Counted by the database's clock, which all daemons share.</summary>
    private static readonly TimeSpan Lease = TimeSpan.FromMinutes(1);

    private static readonly Dictionary<string, FilterField> Fields = new()
    {
        ["state"] = FilterField.Word<RunState>("state"),
        ["trigger"] = FilterField.Word<RunTrigger>("trigger"),
    };

    /// <summary>Newest first, with their results.</summary>
    public Task<Page<ScheduleRun>> ListAsync(Id<Schedule> schedule, Paging paging, CancellationToken ct) => db.WithAsync(async connection =>
    {
        var parameters = new DynamicParameters(new { Schedule = schedule.Value, Before = BeforeOf(paging.After), Take = paging.Limit + 1 });
        var filter = Filter.ToSql(paging.Filter, Fields, parameters);
        var rows = await connection.QueryAsync<Row>(new CommandDefinition(
            $"select {Columns} where schedule = @Schedule and (@Before::timestamptz is null or due < @Before) and {filter} order by due desc limit @Take",
            parameters, cancellationToken: ct));
        return paging.Cut([.. rows.Select(FromRow)], run => run.Due.ToString("O", CultureInfo.InvariantCulture));
    }, ct);

    public async Task<ScheduleRun?> FindAsync(Id<Schedule> schedule, Guid id, CancellationToken ct) =>
        await db.WithAsync(connection => connection.QueryFirstOrDefaultAsync<Row>(new CommandDefinition(
            $"select {Columns} where schedule = @Schedule and id = @id", new { Schedule = schedule.Value, id }, cancellationToken: ct)), ct) is { } row ? FromRow(row) : null;

    /// <summary>The run that was asked for before with the same idempotency key; null without a key or at its first use.</summary>
    public static async Task<Id<ScheduleRun>?> FindAsync(NpgsqlTransaction transaction, Id<Schedule> schedule, string? key) =>
        key is not null && await transaction.Connection!.ExecuteScalarAsync<Guid?>(
            "select id from schedule_runs where schedule = @Schedule and idempotency_key = @key", new { Schedule = schedule.Value, key }, transaction) is { } id
            ? new Id<ScheduleRun>(id) : null;

    public static Task<bool> IsAnyRunningAsync(NpgsqlTransaction transaction, Id<Schedule> schedule) =>
        transaction.Connection!.ExecuteScalarAsync<bool>("select exists (select from schedule_runs where schedule = @Value and state = 1)", schedule, transaction);

    /// <summary>Notes a run under its holder's lease, or with <paramref name="ended"/> one that ended with that at once.</summary>
    /// <returns>False when there is one for this due time already, or the key is used.</returns>
    public async Task<bool> InsertAsync(NpgsqlTransaction transaction, HeldRun run, RunState? ended = null, string? reason = null, string? key = null) =>
        await transaction.Connection!.ExecuteAsync("""
            insert into schedule_runs (id, schedule, due, trigger, state, actor, reason, holder, lease_until, idempotency_key, started_at, finished_at)
            values (@Id, @Schedule, @Due, @Trigger, @State, @Actor, @reason, @Holder, now() + @Lease, @key, @StartedAt, @FinishedAt)
            on conflict do nothing
            """, new
        {
            Id = run.Id.Value,
            Schedule = run.Schedule.Value,
            Due = run.Due.UtcDateTime,
            Trigger = (short)run.Trigger,
            State = (short)(ended ?? RunState.Running),
            run.Actor,
            reason,
            run.Holder,
            Lease,
            key,
            StartedAt = run.StartedAt.UtcDateTime,
            FinishedAt = ended is null ? (DateTime?)null : run.StartedAt.UtcDateTime,
        }, transaction) > 0;

    /// <summary>Prolongs the lease and notes how far it is.</summary>
    /// <returns>False when it is somebody else's by now, or gone.</returns>
    public async Task<bool> RenewAsync(HeldRun run, IReadOnlyList<ScheduleResult> results, CancellationToken ct) => await db.WithAsync(connection =>
        connection.ExecuteAsync(new CommandDefinition(
        "update schedule_runs set lease_until = now() + @Lease, results = @Results::jsonb where id = @Id and holder = @Holder and state = 1",
        new { Lease, Results = Json(results), Id = run.Id.Value, run.Holder }, cancellationToken: ct)), ct) > 0;

    /// <inheritdoc cref="RenewAsync"/>
    public async Task<bool> EndAsync(NpgsqlTransaction transaction, HeldRun run, RunState state, string? reason, IReadOnlyList<ScheduleResult> results) =>
        await transaction.Connection!.ExecuteAsync("""
            update schedule_runs set state = @State, reason = @reason, results = @Results::jsonb, finished_at = @Now, lease_until = null
            where id = @Id and holder = @Holder and state = 1
            """,
        new { State = (short)state, reason, Results = Json(results), Now = time.GetUtcNow().UtcDateTime, Id = run.Id.Value, run.Holder }, transaction) > 0;

    /// <summary>Takes what a daemon left that is gone, and this node may begin.</summary>
    public Task<IReadOnlyList<HeldRun>> TakeOverAsync(Guid holder, CancellationToken ct) => db.WithAsync<IReadOnlyList<HeldRun>>(async connection =>
        [.. (await connection.QueryAsync<(Guid Id, Guid Schedule, DateTime Due, short Trigger, string Actor, DateTime StartedAt)>(new CommandDefinition("""
            update schedule_runs set holder = @holder, lease_until = now() + @Lease
            where id in (
                select r.id from schedule_runs r join schedules s on s.id = r.schedule left join instances i on i.id = s.instance
                where r.state = 1 and r.lease_until < now() and (s.instance is null or i.node = @Node) for update of r skip locked)
            returning id, schedule, due, trigger, actor, started_at
            """, new { holder, Lease, Node = node.Id.Value }, cancellationToken: ct)))
            .Select(r => new HeldRun(new(r.Id), new(r.Schedule), r.Due, (RunTrigger)r.Trigger, r.Actor, r.StartedAt, holder))], ct);

    /// <summary>Lets others take up at once what a stopping daemon leaves.</summary>
    public Task ReleaseAsync(Guid holder, CancellationToken ct) => db.WithAsync(connection => connection.ExecuteAsync(new CommandDefinition(
        "update schedule_runs set lease_until = now() where holder = @holder and state = 1", new { holder }, cancellationToken: ct)), ct);

    /// <summary>Removes ended runs older than <paramref name="keep"/>, and of each schedule all but the newest <see cref="Limits.ScheduleRuns"/>.</summary>
    public Task<int> RemoveOldAsync(TimeSpan keep, CancellationToken ct) => db.WithAsync(connection => connection.ExecuteAsync(new CommandDefinition("""
        delete from schedule_runs where state <> 1 and (finished_at < @Oldest or id in (
            select id from (select id, row_number() over (partition by schedule order by due desc) as place from schedule_runs) as placed where place > @Most))
        """, new { Oldest = (time.GetUtcNow() - keep).UtcDateTime, Most = Limits.ScheduleRuns }, cancellationToken: ct)), ct);

    private static DateTime? BeforeOf(string? cursor) => cursor is null ? null
        : DateTimeOffset.TryParseExact(cursor, "O", CultureInfo.InvariantCulture, DateTimeStyles.None, out var due) ? due.UtcDateTime
        : throw Refusal.Invalid("request.cursor", "The cursor is not one of this list.", "Take nextCursor of the page before as it is, or leave it out to begin anew.");

    private static string Json(IReadOnlyList<ScheduleResult> results) => JsonSerializer.Serialize(results, WireJson.Default.IReadOnlyListScheduleResult);

    private static ScheduleRun FromRow(Row row) => new(
        new(row.id), row.due, (RunTrigger)row.trigger, (RunState)row.state, row.started_at, row.finished_at, row.reason,
        JsonSerializer.Deserialize(row.results, WireJson.Default.IReadOnlyListScheduleResult));

#pragma warning disable IDE1006 // named as the columns are, for Dapper
    private sealed record Row(Guid id, DateTime due, short trigger, short state, DateTime started_at, DateTime? finished_at, string? reason, string results);
#pragma warning restore IDE1006
}
