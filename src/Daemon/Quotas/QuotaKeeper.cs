using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Snapshots;

namespace Gantry.Daemon.Quotas;

/// <summary>
/// Measures snapshots, tells which quotas are crossed, each crossing once, and begins the enforcement of those whose policy or age asks for it:
/// after a snapshot was taken, and every now and then.
/// </summary>
internal sealed partial class QuotaKeeper(
    QuotaStore store, QuotaItems items, SnapshotSizes sizes, QuotaEnforcement enforce, Operations.Operations operations, EventFeed feed, EventLog events, Db db, TimeProvider time,
    ILogger<QuotaKeeper> logger) : BackgroundService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan MeasureEvery = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan LongestPause = TimeSpan.FromHours(1);

    private readonly SemaphoreSlim _oneAtATime = new(1);
    private readonly Dictionary<string, (Id<Snapshot> First, TimeSpan Pause, DateTimeOffset Next)> _tried = [];

    /// <summary>At all quotas, telling what is new and beginning what is due.</summary>
    public async Task LookAsync(CancellationToken ct)
    {
        await _oneAtATime.WaitAsync(ct);
        try
        {
            foreach (var quota in await store.AllAsync(ct))
            {
                await FollowAsync(quota, ct);
            }
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    public override void Dispose()
    {
        _oneAtATime.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await db.Ready.WaitAsync(stoppingToken);
        long? cursor = null;
        DateTimeOffset? measured = null;
        var due = new HashSet<Id<Instance>>();
        while (true)
        {
            try
            {
                cursor ??= await feed.StartAsync(null, stoppingToken);
                var all = measured is null || time.GetUtcNow() - measured >= MeasureEvery;
                foreach (var instance in all ? await sizes.InstancesAsync(stoppingToken) : [.. due])
                {
                    await sizes.MeasureAsync(instance, stoppingToken);
                }

                measured = all ? time.GetUtcNow() : measured;
                await LookAsync(stoppingToken);
                due.Clear();
            }
            catch (Exception e) when (e is not OperationCanceledException || !stoppingToken.IsCancellationRequested)
            {
                LogNotLooked(logger, e.Message);
            }

            cursor = await NewsAsync(cursor, due, stoppingToken);
        }
    }

    /// <summary>Waits until something happened to snapshots, but not for long.</summary>
    /// <returns>Where to read on.</returns>
    private async Task<long?> NewsAsync(long? cursor, HashSet<Id<Instance>> due, CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        using var timer = time.CreateTimer(_ => limit.Cancel(), null, LookEvery, Timeout.InfiniteTimeSpan);
        try
        {
            while (cursor is { } at && due.Count == 0)
            {
                var page = await feed.NextAsync(at, limit.Token);
                cursor = page.Cursor;
                foreach (var happened in page.Events.Where(e => e.Type is EventTypes.SnapshotCreated or EventTypes.SnapshotDeleted or EventTypes.SnapshotRestored))
                {
                    if (Id<Instance>.TryParse(happened.Data?.GetProperty("instance").GetString(), null, out var instance))
                    {
                        due.Add(instance);
                    }
                }
            }

            if (cursor is null)
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, time, limit.Token);
            }
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
        }
        catch (Refusal refusal)
        {
            LogNotLooked(logger, refusal.Message);
            await Task.Delay(LookEvery, time, ct);
        }

        return cursor;
    }

    private async Task FollowAsync(StoredQuota quota, CancellationToken ct)
    {
        if (quota.Usage.Level != quota.Told)
        {
            await db.InTransactionAsync(async transaction =>
            {
                if (await QuotaStore.TellAsync(transaction, quota, quota.Usage.Level))
                {
                    var (type, used, limit) = (TypeOf(quota), quota.Usage, quota.Limit);
                    await events.AppendAsync(transaction, type, QuotaEnforcement.Target, Caller.System.Name, null, new
                    {
                        quota = quota.Owner.Name,
                        level = used.Level.ToString().ToLowerInvariant(),
                        count = used.Count,
                        bytes = used.Bytes,
                        maxCount = limit.MaxCount,
                        maxBytes = limit.MaxBytes,
                    });
                }
            }, ct);
        }

        if ((quota.Limit.MaxAge is not null || (quota.Usage.Level == QuotaLevel.Exceeded && quota.Limit.Policy != QuotaPolicy.Manual))
            && QuotaPlan.Of(await items.OfAsync(quota.Owner, null, ct), quota.Limit, time.GetUtcNow()).Remove is [var first, ..] && IsDue(quota.Owner.Key, first.Item.Id))
        {
            await EnforceAsync(quota, ct);
        }
    }

    /// <summary>What an enforcement left because it could not be deleted is tried again less and less often.</summary>
    private bool IsDue(string quota, Id<Snapshot> first)
    {
        var now = time.GetUtcNow();
        var last = _tried.GetValueOrDefault(quota);
        if (last.First == first && now < last.Next)
        {
            return false;
        }

        var pause = last.First == first ? TimeSpan.FromTicks(Math.Min(last.Pause.Ticks * 2, LongestPause.Ticks)) : LookEvery;
        _tried[quota] = (first, pause, now + pause);
        return true;
    }

    private async Task EnforceAsync(StoredQuota quota, CancellationToken ct)
    {
        try
        {
            await operations.BeginAsync(enforce, QuotaEnforcement.Input.Of(quota.Owner), QuotaEnforcement.Target, quota.Owner.Name, Caller.System, BeginOptions.Default, ct);
        }
        catch (Refusal refusal) when (refusal.Code == "operation.target_busy")
        {
            // Another is at work; the next look finds what is left.
        }
    }

    /// <summary>Down is down, even when the threshold is still reached.</summary>
    private static string TypeOf(StoredQuota quota) => quota.Usage.Level < quota.Told ? EventTypes.QuotaRecovered
        : quota.Usage.Level == QuotaLevel.Exceeded ? EventTypes.QuotaExceeded : EventTypes.QuotaWarned;

    [LoggerMessage(Level = LogLevel.Warning, Message = "Quotas were not looked at: {Why}")]
    private static partial void LogNotLooked(ILogger logger, string why);
}
