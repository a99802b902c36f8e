using Npgsql;

namespace Gantry.Bench;

/// <summary>The daemon's private PostgreSQL, asked for its own counters.</summary>
internal sealed class Database(string root)
{
    private readonly string _connection = $"Host={root}/run/postgres;Database=gantry;Username=gantry;Pooling=false";

    /// <summary>Transactions committed so far. Counters are flushed by each session within a second of its last transaction.</summary>
    public async Task<long> CommitsAsync(CancellationToken ct)
    {
        await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System, ct);
        await using var connection = new NpgsqlConnection(_connection);
        await connection.OpenAsync(ct);
        await using var command = new NpgsqlCommand("select xact_commit from pg_stat_database where datname = current_database()", connection);
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }
}
