using Npgsql;

namespace Gantry.Bench;

/// <summary>The daemon's private PostgreSQL, asked for its own counters.</summary>
internal sealed class Database(string root)
{
    private readonly string _connection = $"Host={root}/run/postgres;Database=gantry;Username=gantry;Pooling=false";

    /// <summary>Transactions committed so far. An idle session hands its counters in after ten seconds at the latest.</summary>
    public async Task<long> CommitsAsync(CancellationToken ct)
    {
        await Task.Delay(TimeSpan.FromSeconds(12), TimeProvider.System, ct);
        await using var connection = new NpgsqlConnection(_connection);
        await connection.OpenAsync(ct);
        await using var command = new NpgsqlCommand("select xact_commit from pg_stat_database where datname = current_database()", connection);
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }
}
