using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Npgsql;

namespace Gantry.Daemon.Postgres;

/// <summary>
/// Starts the private server, brings the schema up to date and then sees that the server stays up: when it is gone it is
/// started again. With a shared server (<c>database.connection</c>) it only waits for that one and migrates.
/// </summary>
/// <param name="server">Null with a shared server.</param>
internal sealed partial class DatabaseSupervisor(
    NpgsqlDataSource source, Db db, TimeProvider time, ILogger<DatabaseSupervisor> logger, PostgresServer? server = null)
    : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly TaskCompletionSource _inTrouble = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Done when it was tried to start or to reach the database, and that failed: it may take long, and need somebody's help.</summary>
    public Task InTrouble => _inTrouble.Task;

    /// <summary>Why the database is not there, for <c>/system/health</c>; null when all is well.</summary>
    public string? Trouble { get; private set; } = "The database is being started.";

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        if (server is not null)
        {
            await source.DisposeAsync();
            await server.StopAsync(CancellationToken.None);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var migrated = false;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (server is not null && server.Pid is null)
                {
                    await server.StartAsync(stoppingToken);
                }

                if (!migrated)
                {
                    await MigrateAsync(stoppingToken);
                    migrated = true;
                    db.MarkSchemaReady();
                }

                Trouble = null;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogTrouble(logger, e.Message, e is Refusal ? null : e);
                Trouble = e.Message;
                _inTrouble.TrySetResult();
            }

            await Task.Delay(Pause, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task MigrateAsync(CancellationToken ct)
    {
        try
        {
            await Migrations.ApplyAsync(source, ct);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidCatalogName && server is not null)
        {
            await using var maintenance = NpgsqlDataSource.Create(server.ConnectionString("postgres"));
            await using var create = maintenance.CreateCommand("create database gantry");
            await create.ExecuteNonQueryAsync(ct);
            await Migrations.ApplyAsync(source, ct);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The database is not there: {Why}")]
    private static partial void LogTrouble(ILogger logger, string why, Exception? exception);
}
