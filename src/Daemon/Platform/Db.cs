using System.Data.Common;
using Gantry.Contracts;
using Npgsql;

namespace Gantry.Daemon.Platform;

/// <summary>
/// The door to PostgreSQL. SQL stands next to its area and runs through Dapper on a connection or transaction from here.
/// A server that cannot be reached is the refusal <c>database.unavailable</c> (503); it goes away by itself.
/// </summary>
internal sealed class Db(NpgsqlDataSource source)
{
    /// <summary>Something was committed here that may have told events: wakes the sequencer. Handlers only set a flag.</summary>
    public event Action? Committed;

    public async Task<NpgsqlConnection> OpenAsync(CancellationToken ct) => await Reached(async () => await source.OpenConnectionAsync(ct));

    /// <summary>Runs reads, or one statement that commits by itself.</summary>
    public Task<T> WithAsync<T>(Func<NpgsqlConnection, Task<T>> work, CancellationToken ct) => Reached(async () =>
    {
        await using var connection = await source.OpenConnectionAsync(ct);
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
        await using var connection = await source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var result = await work(transaction);
        await transaction.CommitAsync(ct);
        Committed?.Invoke();
        return result;
    });

    public Task InTransactionAsync(Func<NpgsqlTransaction, Task> work, CancellationToken ct) =>
        InTransactionAsync(async transaction =>
        {
            await work(transaction);
            return true;
        }, ct);

    private static async Task<T> Reached<T>(Func<Task<T>> work)
    {
        try
        {
            return await work();
        }
        catch (DbException e) when (IsGone(e))
        {
            throw new Refusal("database.unavailable", 503, "The database does not answer.",
                "It is taken up again by itself as soon as it does; `gantry doctor` and the daemon's log say what is wrong.", inner: e) { RetryAfterSeconds = 1 };
        }
    }

    /// <summary>Not reached, shutting down or starting up (SQLSTATE class 57P and 08), or the connection broke under the call.</summary>
    private static bool IsGone(DbException e) =>
        e is PostgresException p
            ? p.SqlState.StartsWith("57P", StringComparison.Ordinal) || p.SqlState.StartsWith("08", StringComparison.Ordinal) || p.SqlState == "53300"
            : e is NpgsqlException;
}
