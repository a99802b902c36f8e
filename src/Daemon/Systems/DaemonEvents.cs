using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Systems;

/// <summary>Tells when this daemon is there and when it goes, so that whoever reads the events knows why there was silence.</summary>
internal sealed partial class DaemonEvents(Db db, EventLog events, NodeIdentity node, ILogger<DaemonEvents> logger) : BackgroundService
{
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(5);

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        if (db.Ready.IsCompleted)
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            deadline.CancelAfter(Farewell);
            await TellAsync(EventTypes.DaemonStopping, deadline.Token);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await db.Ready.WaitAsync(stoppingToken);
        await TellAsync(EventTypes.DaemonStarted, stoppingToken);
    }

    private async Task TellAsync(string type, CancellationToken ct)
    {
        try
        {
            await db.InTransactionAsync(transaction => events.AppendAsync(transaction, type, $"nodes/{node.Id}", Caller.System.Name, null, new { pid = Environment.ProcessId }), ct);
        }
#pragma warning disable CA1031 // an event more or less: a full disk, say, must not end the daemon
        catch (Exception e)
        {
            LogUntold(logger, type, e.Message);
        }
#pragma warning restore CA1031
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Type} could not be told: {Why}")]
    private static partial void LogUntold(ILogger logger, string type, string why);
}
