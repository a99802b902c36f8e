using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Instances;

/// <summary>Forgets the remembered pages when another daemon on the same database has changed an instance: its events say so.</summary>
internal sealed partial class InstancePagesWorker(EventFeed feed, InstancePages pages, Db db, TimeProvider time, ILogger<InstancePagesWorker> logger) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await db.SchemaReady.WaitAsync(stoppingToken);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await FollowAsync(stoppingToken);
            }
#pragma warning disable CA1031 // whatever it is: a page that is never forgotten would be wrong for good
            catch (Exception e) when (e is not OperationCanceledException)
            {
                pages.Forget();
                LogAgain(logger, e.Message);
                await Task.Delay(Pause, time, stoppingToken);
            }
#pragma warning restore CA1031
        }
    }

    private async Task FollowAsync(CancellationToken ct)
    {
        for (var cursor = await feed.StartAsync(null, ct); ;)
        {
            var news = await feed.NextAsync(cursor, ct);
            if (news.Missed > 0 || news.Events.Any(e => e.Topic is "instance" or "image"))
            {
                pages.Forget();
            }

            cursor = news.Cursor;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Lost the events; reading them again: {Why}")]
    private static partial void LogAgain(ILogger logger, string why);
}
