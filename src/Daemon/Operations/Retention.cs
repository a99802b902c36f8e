using Gantry.Contracts;
using Gantry.Daemon.Events;

namespace Gantry.Daemon.Operations;

/// <param name="Operations">How long a finished operation and its log are kept; as long its idempotency key is remembered.</param>
/// <param name="Events">How long a reader may stay away and still resume without a gap.</param>
internal sealed record Retention(TimeSpan Operations, TimeSpan Events)
{
    public static Retention Default { get; } = new(TimeSpan.FromDays(30), TimeSpan.FromDays(30));
}

/// <summary>Removes old operations and events, some at a time so that nobody waits for it.</summary>
internal sealed partial class RetentionWorker(
    OperationStore operations, EventStore events, Retention keep, TimeProvider time, ILogger<RetentionWorker> logger) : BackgroundService
{
    private const int Batch = 1_000;

    public async Task SweepAsync(CancellationToken ct)
    {
        while (await operations.RemoveOldAsync(keep.Operations, Batch, ct) == Batch)
        {
        }

        while (await events.RemoveOldAsync(keep.Events, Batch, ct) == Batch)
        {
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await operations.Ready.WaitAsync(stoppingToken);
        using var hourly = new PeriodicTimer(TimeSpan.FromHours(1), time);
        do
        {
            try
            {
                await SweepAsync(stoppingToken);
            }
#pragma warning disable CA1031 // a full disk, say, must not end the daemon: nobody could make room then
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogPutOff(logger, e.Message);
            }
#pragma warning restore CA1031
        }
        while (await hourly.WaitForNextTickAsync(stoppingToken));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Old operations and events stay for another hour: {Reason}")]
    private static partial void LogPutOff(ILogger logger, string reason);
}
