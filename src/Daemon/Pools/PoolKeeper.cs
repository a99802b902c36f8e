using System.Collections.Concurrent;
using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Pools;

/// <summary>Looks at the pools every now and then: one that is gone, is back, or fills up is told once.</summary>
internal sealed partial class PoolKeeper(PoolStore store, LocalNode node, EventLog events, Db db, TimeProvider time, ILogger<PoolKeeper> logger) : BackgroundService
{
    /// <summary>Percent of its space.</summary>
    private static readonly int[] Thresholds = [80, 90, 95];

    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<Id<Pool>, PoolStatus> _statuses = [];
    private readonly ConcurrentDictionary<Id<Pool>, Told> _told = [];
    private readonly SemaphoreSlim _oneAtATime = new(1);

    /// <summary>As it was found last.</summary>
    public async Task<PoolStatus> StatusAsync(StoredPool pool, CancellationToken ct) => _statuses.TryGetValue(pool.Id, out var known) ? known : await LookAsync(pool, ct);

    /// <summary>As it is now.</summary>
    public async Task<PoolStatus> LookAsync(StoredPool pool, CancellationToken ct)
    {
        try
        {
            return _statuses[pool.Id] = await node.Context.Pools.Of(pool.OnNode).LookAsync(ct);
        }
        catch (Refusal refusal)
        {
            return _statuses[pool.Id] = new(false, refusal.Message);
        }
    }

    /// <summary>At all of them, telling what is new.</summary>
    public async Task LookAsync(CancellationToken ct)
    {
        await _oneAtATime.WaitAsync(ct);
        try
        {
            await Task.WhenAll((await store.OfThisNodeAsync(ct)).Select(pool => FollowAsync(pool, ct)));
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
        while (true)
        {
            try
            {
                await LookAsync(stoppingToken);
            }
            catch (Refusal refusal)
            {
                LogNotLooked(logger, refusal.Message);
            }

            await Task.Delay(LookEvery, time, stoppingToken);
        }
    }

    private async Task FollowAsync(StoredPool pool, CancellationToken ct)
    {
        // What was told, and not what was seen: somebody may have looked in between.
        var told = _told.GetValueOrDefault(pool.Id) ?? new(Healthy: true, Percent: 0);
        var now = await LookAsync(pool, ct);
        var percent = now is { TotalBytes: > 0 and var total, FreeBytes: { } free } ? Thresholds.LastOrDefault(t => (total - free) * 100 >= total * t) : told.Percent;
        if (now.Healthy != told.Healthy)
        {
            await TellAsync(now.Healthy ? EventTypes.PoolRecovered : EventTypes.PoolFailed, pool, new { name = pool.Name, reason = now.Message }, ct);
        }

        if (percent > told.Percent)
        {
            await TellAsync(EventTypes.PoolFilling, pool, new { name = pool.Name, percent, freeBytes = now.FreeBytes }, ct);
        }

        _told[pool.Id] = new(now.Healthy, percent);
    }

    private Task TellAsync(string type, StoredPool pool, object data, CancellationToken ct) =>
        db.InTransactionAsync(transaction => events.AppendAsync(transaction, type, $"pools/{pool.Id}", Caller.System.Name, null, data), ct);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Pools were not looked at: {Why}")]
    private static partial void LogNotLooked(ILogger logger, string why);

    /// <param name="Percent">The highest threshold that is crossed; 0 for none.</param>
    private sealed record Told(bool Healthy, int Percent);
}
