using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Npgsql;

namespace Gantry.Daemon.Operations;

/// <summary>What a new operation is inserted with.</summary>
internal sealed record NewOperation(
    Guid Id, string Kind, string Target, string TargetName, string? Step, string Input, string CreatedBy, string? RequestId,
    string? IdempotencyKey, string? RequestHash, bool Queue, bool Claimed);

/// <summary>A change of an operation's position, valid only on top of the row it was made for.</summary>
internal sealed record Move(int To, bool Unwinding, string? Step, OperationState? End = null, Problem? Error = null);

/// <summary>All SQL about operations. Every write of a daemon names its incarnation, so one that lost its lease changes nothing.</summary>
internal sealed partial class OperationStore(Db db, OperationOwner owner, OperationOptions options)
{
    /// <summary>Done when the schema is there.</summary>
    public Task Ready => db.SchemaReady;

    /// <summary>Adds it, running here or queued, with its event: one statement, one commit. Null when its target is busy or its idempotency key taken.</summary>
    public Task<OperationRow?> InsertAsync(NewOperation operation) => db.WriteAsync(c => c.QuerySingleOrDefaultAsync<OperationRow>(
        $"""
        with busy as (
            select 1 from operations where target = @Target and state in (1, 2, 5) limit 1),
        begun as (
            insert into operations (
                id, kind, target, target_name, step, input, created_by, request_id, idempotency_key, request_hash, node,
                behind, state, owner, incarnation, lease_until, started_at)
            select @Id, @Kind, @Target, @TargetName, @Step, @Input::json, @CreatedBy, @RequestId, @IdempotencyKey, @RequestHash, @Node,
                is_busy,
                case when @Claimed and not is_busy then 2 else 1 end,
                case when @Claimed and not is_busy then @Daemon end,
                case when @Claimed and not is_busy then @Incarnation end,
                case when @Claimed and not is_busy then now() + @Lease end,
                case when @Claimed and not is_busy then now() end
            from (select exists(select from busy) as is_busy) as target
            where @Queue or not is_busy
            on conflict do nothing
            returning *),
        told as (
            insert into event_pending (type, subject, actor, request_id, data)
            select 'operation.created', 'operations/' || id, created_by, request_id,
                json_build_object('kind', kind, 'state', case state when 2 then 'running' else 'queued' end, 'target', target, 'targetName', target_name)
            from begun)
        select {OperationRow.ColumnsWithInput} from begun
        """,
        new
        {
            operation.Id,
            operation.Kind,
            operation.Target,
            operation.TargetName,
            operation.Step,
            operation.Input,
            operation.CreatedBy,
            operation.RequestId,
            operation.IdempotencyKey,
            operation.RequestHash,
            operation.Queue,
            operation.Claimed,
            owner.Node,
            owner.Daemon,
            owner.Incarnation,
            options.Lease,
        }), CancellationToken.None);

    /// <summary>
    /// Moves the operation and writes what was noted; with <paramref name="work"/> both happen in one transaction.
    /// Null, and nothing changed, when the row is no longer as <paramref name="row"/> says.
    /// </summary>
    public async Task<OperationRow?> MoveAsync(OperationRow row, Move move, Notes notes, Func<NpgsqlTransaction, Task>? work)
    {
        Noted? taken = null;
        OperationRow? moved = null;
        try
        {
            moved = work is null
                ? await db.WriteAsync(async c => await MoveAsync(c, null, row, move, taken = await notes.TakeAsync()), CancellationToken.None)
                : await db.InTransactionAsync(async transaction =>
                {
                    await work(transaction);
                    return await MoveAsync(transaction.Connection!, transaction, row, move, taken = await notes.TakeAsync()) ?? throw new RowMovedException();
                }, CancellationToken.None);
        }
        catch (RowMovedException)
        {
            // The transaction is rolled back; the caller looks why.
        }
        finally
        {
            if (moved is null && taken is not null)
            {
                notes.Return(taken);
            }
        }

        return moved;
    }

    private Task<OperationRow?> MoveAsync(NpgsqlConnection connection, NpgsqlTransaction? transaction, OperationRow row, Move move, Noted noted) =>
        connection.QuerySingleOrDefaultAsync<OperationRow>(
            $"""
            with moved as (
                update operations set
                    position = @To, unwinding = @Unwinding, step = coalesce(@Step, step), state = coalesce(@End, state),
                    progress = coalesce(@Progress::json, progress), result = coalesce(@Result::json, result),
                    error = coalesce(@Error::json, error), finished_at = case when @End is not null then clock_timestamp() end
                where id = @Id and incarnation = @Incarnation and position = @From and unwinding = @WasUnwinding and state = @WasState
                returning *),
            logged as (
                insert into operation_log (operation, time, text)
                select id, time, text from moved, unnest(@Times, @Texts) with ordinality as line(time, text, n) order by n),
            told as (
                insert into event_pending (type, subject, actor, request_id, data)
                select 'operation.finished', 'operations/' || id, created_by, request_id,
                    json_build_object('kind', kind, 'state', @EndWord, 'target', target, 'targetName', target_name, 'error', error->>'code')
                from moved where @End is not null)
            select {OperationRow.Columns} from moved
            """,
            new
            {
                row.Id,
                owner.Incarnation,
                From = row.Position,
                WasUnwinding = row.Unwinding,
                WasState = row.State,
                move.To,
                move.Unwinding,
                move.Step,
                move.End,
                EndWord = Word(move.End),
                Error = OperationJson.Text(move.Error),
                noted.Progress,
                noted.Result,
                noted.Times,
                noted.Texts,
            }, transaction);

    /// <summary>Takes up to <paramref name="room"/> operations: queued ones whose turn it is, those of a daemon that is gone, our own that got lost.</summary>
    public Task<IReadOnlyList<OperationRow>> ClaimAsync(int room, IReadOnlyCollection<string> kinds, Guid[] running, CancellationToken ct) => ListAsync(
        $"""
        with next as (
            select id as next_id from operations o
            where state in (1, 2, 5) and node = @Node and kind = any(@Kinds) and not (id = any(@Running)) and (
                (state = 1 and not exists (
                    select from operations other
                    where other.target = o.target and other.state in (1, 2, 5) and other.id <> o.id
                        and (not other.behind or (o.behind and (other.created_at, other.id) < (o.created_at, o.id)))))
                or (state <> 1 and (lease_until < now() or (owner = @Daemon and incarnation <> @Incarnation))))
            order by created_at, id
            limit @Room
            for update skip locked)
        update operations o set
            state = case state when 1 then 2 else state end, behind = false, owner = @Daemon, incarnation = @Incarnation,
            lease_until = now() + @Lease, started_at = coalesce(started_at, now())
        from next where id = next_id
        returning {OperationRow.ColumnsWithInput}
        """,
        new { Room = room, Kinds = kinds.ToArray(), Running = running, owner.Node, owner.Daemon, owner.Incarnation, options.Lease }, ct);

    public Task<bool> AnyQueuedAsync(CancellationToken ct) => db.WithAsync(c => c.ExecuteScalarAsync<bool>(new(
        "select exists(select from operations where state = 1 and node = @Node)", new { owner.Node }, cancellationToken: ct)), ct);

    /// <summary>Prolongs the leases of all that run here, in one statement; what is missing in the answer is no longer ours.</summary>
    public Task<IReadOnlyList<OperationRow>> RenewAsync(Guid[] running, CancellationToken ct) => ListAsync(
        $"""
        update operations set lease_until = now() + @Lease
        where id = any(@Running) and incarnation = @Incarnation and state in (2, 5)
        returning {OperationRow.Columns}
        """,
        new { Running = running, owner.Incarnation, options.Lease }, ct);

    /// <summary>Lets others take up at once what a stopping daemon leaves.</summary>
    public Task ReleaseAsync(CancellationToken ct) => db.WithAsync(c => c.ExecuteAsync(new(
        "update operations set lease_until = now() where incarnation = @Incarnation and state in (2, 5)", new { owner.Incarnation }, cancellationToken: ct)), ct);

    /// <summary>Writes progress and log lines of many operations in one statement, with an event for each that progressed.</summary>
    public Task FlushAsync(IReadOnlyList<(OperationRow Row, Noted Noted)> notes, CancellationToken ct) => db.WriteAsync(c => c.ExecuteAsync(new(
        """
        with progressed as (
            update operations o set progress = n.progress::json
            from unnest(@Ids, @Progress) as n(id, progress)
            where o.id = n.id and o.incarnation = @Incarnation and o.finished_at is null
            returning o.*),
        logged as (
            insert into operation_log (operation, time, text)
            select line.id, time, text from unnest(@LineIds, @Times, @Texts) with ordinality as line(id, time, text, n) order by n)
        insert into event_pending (type, subject, actor, request_id, data)
        select 'operation.progressed', 'operations/' || id, created_by, request_id,
            json_build_object('kind', kind, 'target', target, 'targetName', target_name, 'progress', progress)
        from progressed
        """,
        new
        {
            owner.Incarnation,
            Ids = notes.Where(n => n.Noted.Progress is not null).Select(n => n.Row.Id).ToArray(),
            Progress = notes.Where(n => n.Noted.Progress is not null).Select(n => n.Noted.Progress).ToArray(),
            LineIds = notes.SelectMany(n => n.Noted.Times.Select(_ => n.Row.Id)).ToArray(),
            Times = notes.SelectMany(n => n.Noted.Times).ToArray(),
            Texts = notes.SelectMany(n => n.Noted.Texts).ToArray(),
        }, cancellationToken: ct)), ct);

    /// <summary>Asks for the end of a running operation that still is where it was seen; ends a queued one. Null when it moved meanwhile.</summary>
    public Task<OperationRow?> CancelAsync(OperationRow row, CancellationToken ct) => db.WriteAsync(c => c.QuerySingleOrDefaultAsync<OperationRow>(new(
        $"""
        with asked as (
            update operations set state = case state when 1 then 6 else 5 end, finished_at = case state when 1 then clock_timestamp() end
            where id = @Id and state = @State and position = @Position and not unwinding and state in (1, 2)
            returning *),
        told as (
            insert into event_pending (type, subject, actor, request_id, data)
            select 'operation.finished', 'operations/' || id, created_by, request_id,
                json_build_object('kind', kind, 'state', 'cancelled', 'target', target, 'targetName', target_name)
            from asked where state = 6)
        select {OperationRow.Columns} from asked
        """,
        new { row.Id, row.State, row.Position }, cancellationToken: ct)), ct);

    private async Task<IReadOnlyList<OperationRow>> ListAsync(string sql, object parameters, CancellationToken ct) =>
        await db.WithAsync(async c => (await c.QueryAsync<OperationRow>(new(sql, parameters, cancellationToken: ct))).AsList(), ct);

    /// <summary>As the wire writes a state.</summary>
    private static string? Word(OperationState? state) => state?.ToString().ToLowerInvariant();

    /// <summary>Rolls the step's work back with the position it could not write.</summary>
    private sealed class RowMovedException : Exception;
}
