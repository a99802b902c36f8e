using Dapper;
using Gantry.Daemon.Postgres;
using Gantry.Daemon.Tests.Support;
using Npgsql;

[assembly: AssemblyFixture(typeof(TestPostgres))]

namespace Gantry.Daemon.Tests.Support;

/// <summary>One server for all tests; each class takes a database of its own from it, with the daemon's schema in it.</summary>
public sealed class TestPostgres : IAsyncLifetime
{
    private readonly PostgresServer _server = new();
    private int _databases;

    public async ValueTask InitializeAsync()
    {
        await _server.CreateAsync();
        await using var admin = await OpenAsync("postgres");
        await admin.ExecuteAsync("create database template_gantry");
        await ApplySchemaAsync(_server.ConnectionString("template_gantry"));
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    /// <returns>The connection string of a new, empty database.</returns>
    public async Task<string> NewDatabaseAsync()
    {
        var name = $"test_{Interlocked.Increment(ref _databases)}";
        await using var admin = await OpenAsync("postgres");
        await admin.ExecuteAsync($"create database {name} template template_gantry");
        return _server.ConnectionString(name);
    }

    /// <summary>Every migration in order, as the daemon applies them.</summary>
    public static async Task ApplySchemaAsync(string connectionString)
    {
        await using var source = NpgsqlDataSource.Create(connectionString + ";Pooling=false");
        await Migrations.ApplyAsync(source, default);
    }

    private async Task<NpgsqlConnection> OpenAsync(string database)
    {
        var connection = new NpgsqlConnection(_server.ConnectionString(database) + ";Pooling=false");
        await connection.OpenAsync();
        return connection;
    }
}
