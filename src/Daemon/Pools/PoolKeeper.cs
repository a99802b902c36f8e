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
    private readonly Dictionary<Id<Pool>, int> _told = [];

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

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await db.Ready.WaitAsync(stoppingToken);
        while (true)
        {
            try
            {
                await Task.WhenAll((await store.OfThisNodeAsync(stoppingToken)).Select(pool => FollowAsync(pool, stoppingToken)));
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
        var before = _statuses.GetValueOrDefault(pool.Id) ?? new(true);
        var now = await LookAsync(pool, ct);
        if (now.Healthy != before.Healthy)
        {
            await TellAsync(now.Healthy ? EventTypes.PoolRecovered : EventTypes.PoolFailed, pool, new { name = pool.Name, reason = now.Message }, ct);
        }

        var crossed = Thresholds.LastOrDefault(t => now is { TotalBytes: > 0 and var total, FreeBytes: { } free } && (total - free) * 100 >= total * t);
        if (crossed > Told(pool.Id, crossed))
        {
            await TellAsync(EventTypes.PoolFilling, pool, new { name = pool.Name, percent = crossed, freeBytes = now.FreeBytes }, ct);
        }
    }

    /// <returns>What was told last.</returns>
    private int Told(Id<Pool> pool, int crossed)
    {
        lock (_told)
        {
            var last = _told.GetValueOrDefault(pool);
            _told[pool] = crossed;
            return last;
        }
    }

    private Task TellAsync(string type, StoredPool pool, object data, CancellationToken ct) =>
        db.InTransactionAsync(transaction => events.AppendAsync(transaction, type, $"pools/{pool.Id}", Caller.System.Name, null, data), ct);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Pools were not looked at: {Why}")]
    private static partial void LogNotLooked(ILogger logger, string why);
}
