using System.Globalization;
using System.Threading.Channels;
using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Events;

/// <summary>
/// Numbers events once they are committed. Woken by commits in this process, with a few milliseconds in between so that
/// many share a transaction; by other daemons through LISTEN; else it looks every few seconds.
/// </summary>
internal sealed partial class EventSequencer(Db db, EventStore store, EventFeed feed, TimeProvider time, ILogger<EventSequencer> logger) : BackgroundService
{
    private const int Batch = 1_000;
    private static readonly TimeSpan _gather = TimeSpan.FromMilliseconds(4), _lookEvery = TimeSpan.FromSeconds(5), _pause = TimeSpan.FromSeconds(1);
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await db.SchemaReady.WaitAsync(stoppingToken);
        db.Committed += Wake;
        try
        {
            await Task.WhenAll(ForeverAsync(NumberAsync, stoppingToken), ForeverAsync(ListenAsync, stoppingToken));
        }
        finally
        {
            db.Committed -= Wake;
        }
    }

    private void Wake() => _wake.Writer.TryWrite(true);

    private async Task NumberAsync(CancellationToken ct)
    {
        if (feed.Newest < 0)
        {
            await feed.CatchUpAsync(ct);
        }

        var (numbered, newest) = await store.NumberAsync(Batch, feed.Newest, ct);
        if (!feed.Offer(numbered) || newest > feed.Newest)
        {
            await feed.CatchUpAsync(ct);
        }

        if (numbered.Count < Batch)
        {
            await WokenAsync(ct);
            await Task.Delay(_gather, time, ct);
        }
    }

    private async Task WokenAsync(CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        await Task.WhenAny(_wake.Reader.ReadAsync(limit.Token).AsTask(), Task.Delay(_lookEvery, time, limit.Token));
        await limit.CancelAsync();
        ct.ThrowIfCancellationRequested();
    }

    /// <summary>Hears of what other daemons numbered. Our own notifications name nothing new.</summary>
    private async Task ListenAsync(CancellationToken ct)
    {
        await using var connection = await db.OpenAsync(ct);
        var behind = true;
        connection.Notification += (_, told) =>
            behind |= !long.TryParse(told.Payload, NumberStyles.None, CultureInfo.InvariantCulture, out var seq) || seq > feed.Newest;
        await connection.ExecuteAsync(new($"listen {EventStore.Channel}", cancellationToken: ct));
        while (true)
        {
            if (behind)
            {
                behind = false;
                await feed.CatchUpAsync(ct);
            }

            await connection.WaitAsync(ct);
        }
    }

    private async Task ForeverAsync(Func<CancellationToken, Task> turn, CancellationToken ct)
    {
        for (var failures = 0; !ct.IsCancellationRequested;)
        {
            try
            {
                await turn(ct);
                failures = 0;
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                return;
            }
#pragma warning disable CA1031 // without this loop nobody would see any event again; every error is logged and the loop goes on
            catch (Exception e)
            {
                if (failures++ == 0)
                {
                    LogTurnFailed(logger, e is Refusal ? null : e, e.Message);
                }

                await Task.Delay(_pause, time, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
#pragma warning restore CA1031
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Events wait: {Reason} Tried again until it works")]
    private static partial void LogTurnFailed(ILogger logger, Exception? e, string reason);
}
