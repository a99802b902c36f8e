using Dapper;
using Gantry.Contracts;

namespace Gantry.Daemon.Operations;

internal sealed partial class OperationStore
{
    public Task<OperationRow?> FindAsync(Guid id, CancellationToken ct) => OneAsync("id = @Id", new { Id = id }, ct);

    public Task<OperationRow?> FindWithInputAsync(Guid id, CancellationToken ct) => OneAsync("id = @Id", new { Id = id }, ct, OperationRow.ColumnsWithInput);

    public Task<OperationRow?> FindByKeyAsync(string createdBy, string key, CancellationToken ct) =>
        OneAsync("created_by = @CreatedBy and idempotency_key = @Key", new { CreatedBy = createdBy, Key = key }, ct);

    /// <summary>Who has the target, or is first in its queue.</summary>
    public Task<OperationRow?> FindBusyAsync(string target, CancellationToken ct) =>
        OneAsync("target = @Target and state in (1, 2, 5) order by behind, created_at, id limit 1", new { Target = target }, ct);

    /// <summary>Newest first.</summary>
    /// <param name="target">The target's path, or the name it had.</param>
    public Task<IReadOnlyList<OperationRow>> ListAsync(OperationState? state, string? target, int limit, (DateTime CreatedAt, Guid Id)? after, CancellationToken ct) =>
        ListAsync(
            $"""
            select {OperationRow.Columns} from operations
            where {(state is null ? "true" : "state = @State")}
                and {(target is null ? "true" : "(target = @Target or target_name = @Target)")}
                and {(after is null ? "true" : "(created_at, id) < (@CreatedAt, @Id)")}
            order by created_at desc, id desc
            limit @Limit
            """,
            new { State = state, Target = target, Limit = limit, after?.CreatedAt, after?.Id }, ct);

    public Task<OperationLog> LogAsync(Guid id, CancellationToken ct) => db.WithAsync(async c => new OperationLog(
        (await c.QueryAsync<(DateTime Time, string Text)>(new(
            "select time, text from operation_log where operation = @Id order by line", new { Id = id }, cancellationToken: ct)))
        .Select(line => new OperationLogLine(line.Time, line.Text)).ToList()), ct);

    /// <summary>Removes up to <paramref name="limit"/> that ended before <paramref name="keep"/> ago; says how many.</summary>
    public Task<int> RemoveOldAsync(TimeSpan keep, int limit, CancellationToken ct) => db.WithAsync(c => c.ExecuteAsync(new(
        """
        delete from operations where id in (
            select id from operations where finished_at < now() - @Keep order by finished_at limit @Limit)
        """,
        new { Keep = keep, Limit = limit }, cancellationToken: ct)), ct);

    private Task<OperationRow?> OneAsync(string where, object parameters, CancellationToken ct, string columns = OperationRow.Columns) => db.WithAsync(c => c.QuerySingleOrDefaultAsync<OperationRow>(
        new($"select {columns} from operations where {where}", parameters, cancellationToken: ct)), ct);
}
