using System.Collections.Concurrent;
using System.Data.Common;
using Gantry.Contracts;
using Npgsql;

namespace Gantry.Daemon.Platform;

/// <summary>
/// The door to PostgreSQL. SQL stands next to its area and runs through Dapper on a connection or transaction from here.
/// A server that cannot be reached is the refusal <c>database.unavailable</c> (503); it goes away by itself.
/// </summary>
internal sealed class Db
{
    private readonly NpgsqlDataSource _source;
    private readonly ConcurrentDictionary<NpgsqlTransaction, Action> _afterwards = new();
    private readonly TaskCompletionSource _schemaReady = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="ready">False where a supervisor says when the schema is there, and the node's instances are taken up.</param>
    public Db(NpgsqlDataSource source, bool ready = true)
    {
        _source = source;
        if (ready)
        {
            MarkSchemaReady();
            MarkReady();
        }
    }

    /// <summary>Done when the schema is up to date.</summary>
    public Task SchemaReady => _schemaReady.Task;

    /// <summary>Done when also the node's instances are taken up: workers wait for it before their first statement.</summary>
    public Task Ready => _ready.Task;

    /// <summary>Something may have been committed here: wakes the sequencer of events. Handlers only set a flag.</summary>
    public event Action? Committed;

    public void MarkSchemaReady() => _schemaReady.TrySetResult();

    public void MarkReady() => _ready.TrySetResult();

    /// <summary>Runs reads, or one statement that commits by itself.</summary>
    public Task<T> WithAsync<T>(Func<NpgsqlConnection, Task<T>> work, CancellationToken ct) => Reached(async () =>
    {
        await using var connection = await _source.OpenConnectionAsync(ct);
        return await work(connection);
    });

    /// <summary>Runs one statement that commits by itself and may add events.</summary>
    public async Task<T> WriteAsync<T>(Func<NpgsqlConnection, Task<T>> work, CancellationToken ct)
    {
        var result = await WithAsync(work, ct);
        Committed?.Invoke();
        return result;
    }

    /// <summary>Runs the work in one transaction: all of it is committed, or none.</summary>
    public Task<T> InTransactionAsync<T>(Func<NpgsqlTransaction, Task<T>> work, CancellationToken ct) => Reached(async () =>
    {
        await using var connection = await _source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        try
        {
            var result = await work(transaction);
            await transaction.CommitAsync(ct);
            return result;
        }
        finally
        {
            if (_afterwards.TryRemove(transaction, out var afterwards))
            {
                afterwards();
            }

            Committed?.Invoke();
        }
    });

    public Task InTransactionAsync(Func<NpgsqlTransaction, Task> work, CancellationToken ct) =>
        InTransactionAsync(async transaction =>
        {
            await work(transaction);
            return true;
        }, ct);

    /// <summary>Runs <paramref name="action"/> once the transaction has ended, committed or not: for caches of what it changes.</summary>
    public void Afterwards(NpgsqlTransaction transaction, Action action) =>
        _afterwards.AddOrUpdate(transaction, action, (_, earlier) => earlier + action);

    /// <summary>A connection of its own, for LISTEN.</summary>
    public Task<NpgsqlConnection> OpenAsync(CancellationToken ct) => Reached(async () => await _source.OpenConnectionAsync(ct));

    private async Task<T> Reached<T>(Func<Task<T>> work)
    {
        try
        {
            return await work();
        }
        catch (DbException e) when (IsGone(e))
        {
            throw new Refusal("database.unavailable", 503, "The database does not answer.",
                "It is taken up again by itself as soon as it does; the daemon's log says what is wrong.", inner: e)
            { RetryAfterSeconds = 1 };
        }
    }

    /// <summary>
    /// Shutting down or starting up (SQLSTATE 57P…), broken (08…), full (53300), or not a word of the server's at all;
    /// and before the schema is there whatever the server says.
    /// </summary>
    private bool IsGone(DbException e) =>
        e is PostgresException p
            ? p.SqlState.StartsWith("57P", StringComparison.Ordinal) || p.SqlState.StartsWith("08", StringComparison.Ordinal) || p.SqlState == "53300" || !SchemaReady.IsCompleted
            : e is NpgsqlException;
}
