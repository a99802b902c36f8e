using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Dapper;
using Gantry.Contracts;
using Npgsql;

namespace Gantry.Daemon.Postgres;

/// <summary>Brings the schema up to date: embedded Schema/NNNN_….sql, each once, in order, forward only.</summary>
internal static class Migrations
{
    /// <summary>Any number will do, so long as all daemons lock the same.</summary>
    private const long Lock = 0x67616e747279;

    private sealed record Migration(string Name, string Sql)
    {
        public string Sha256 { get; } = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Sql)));
    }

    /// <summary>All in one transaction under a lock: daemons that start together apply each once, and a failed one leaves nothing.</summary>
    /// <exception cref="Refusal"><c>database.newer</c>, <c>database.altered</c></exception>
    public static async Task ApplyAsync(NpgsqlDataSource source, CancellationToken ct)
    {
        await using var connection = await source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await connection.ExecuteAsync("select pg_advisory_xact_lock(@Lock)", new { Lock }, transaction);
        await connection.ExecuteAsync("""
            create table if not exists schema_migrations (
                name text primary key,
                sha256 text not null,
                applied_at timestamptz not null default now())
            """, transaction: transaction);
        var applied = (await connection.QueryAsync<(string Name, string Sha256)>("select name, sha256 from schema_migrations", transaction: transaction))
            .ToDictionary(m => m.Name, m => m.Sha256);
        var known = Embedded();
        if (applied.Keys.Except(known.Select(m => m.Name)).Order().LastOrDefault() is { } newer)
        {
            throw Refusal.Unavailable("database.newer", $"The database was brought to '{newer}' by a newer Gantry.", "Run that version, or restore the database from before the upgrade.");
        }

        foreach (var migration in known)
        {
            if (applied.TryGetValue(migration.Name, out var sha256))
            {
                if (sha256 != migration.Sha256)
                {
                    throw Refusal.Unavailable("database.altered", $"The migration '{migration.Name}' is not the one this database was made with.", "Run the version that made it; migrations never change once released.");
                }

                continue;
            }

            await using var command = new NpgsqlCommand(migration.Sql, connection, transaction);
            await command.ExecuteNonQueryAsync(ct);
            await connection.ExecuteAsync("insert into schema_migrations (name, sha256) values (@Name, @Sha256)", migration, transaction);
        }

        await transaction.CommitAsync(ct);
    }

    private static IReadOnlyList<Migration> Embedded()
    {
        var assembly = Assembly.GetExecutingAssembly();
        return
        [
            .. assembly.GetManifestResourceNames().Where(n => n.EndsWith(".sql", StringComparison.Ordinal)).Order(StringComparer.Ordinal)
                .Select(n =>
                {
                    using var reader = new StreamReader(assembly.GetManifestResourceStream(n)!);
                    return new Migration(n.Split('.')[^2], reader.ReadToEnd());
                }),
        ];
    }
}
