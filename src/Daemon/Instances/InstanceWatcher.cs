using Gantry.Contracts;
using Gantry.Daemon.Networks;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Gantry.Node.Drivers;
using Gantry.Node.Host;

namespace Gantry.Daemon.Instances;

/// <summary>
/// At start, takes up what runs on the node and makes every row say so; starts what is to start by itself; from then on
/// writes down what happens on the node without being asked for.
/// </summary>
internal sealed partial class InstanceWatcher(
    InstanceStore store, InstanceStates states, InstanceActor actor, NetworkKeeper networks, LocalNode node, Db db, TimeProvider time, ILogger<InstanceWatcher> logger) : BackgroundService
{
    private const int AtOnce = 16;

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _turns = new(AtOnce);

    // What is to be followed of an instance that is being followed: only its newest, one at a time.
    private readonly Dictionary<Id<Instance>, InstanceChange?> _followed = [];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await db.SchemaReady.WaitAsync(stoppingToken);
        await InsistAsync(TakeUpAsync, stoppingToken, always: true);
        db.MarkReady();
        await networks.Settled.WaitAsync(stoppingToken);
        await InsistAsync(AutoStartAsync, stoppingToken, always: true);
        try
        {
            await foreach (var change in node.ChangesAsync(stoppingToken))
            {
                Take(change, stoppingToken);
            }
        }
        finally
        {
            for (var turn = 0; turn < AtOnce; turn++)
            {
                await _turns.WaitAsync(CancellationToken.None); // until nobody is at it any more
            }
        }
    }

    private void Take(InstanceChange change, CancellationToken ct)
    {
        lock (_followed)
        {
            var busy = _followed.TryGetValue(change.Id, out var waiting);
            _followed[change.Id] = busy ? change with { WasReset = change.WasReset || waiting is { WasReset: true } } : null;
            if (!busy)
            {
                _ = FollowAllAsync(change, ct);
            }
        }
    }

    /// <summary>Beside those of other instances, so that a mute guest keeps no other from being followed.</summary>
    private async Task FollowAllAsync(InstanceChange first, CancellationToken ct)
    {
        for (var change = first; change is not null; change = Next(first.Id))
        {
            try
            {
                await _turns.WaitAsync(ct);
                try
                {
                    await InsistAsync(inner => FollowAsync(change, inner), ct);
                }
                finally
                {
                    _turns.Release();
                }

                if (change.WasReset)
                {
                    await Task.Delay(Pause, time, ct); // a guest that resets itself without end is told of once a second
                }
            }
            catch (OperationCanceledException)
            {
                return;
            }
#pragma warning disable CA1031 // one instance that cannot be followed must not keep the others from it
            catch (Exception e)
            {
                LogNotFollowed(logger, e, change.Id);
            }
#pragma warning restore CA1031
        }
    }

    private InstanceChange? Next(Id<Instance> id)
    {
        lock (_followed)
        {
            if (_followed[id] is { } waiting)
            {
                _followed[id] = null;
                return waiting;
            }

            _followed.Remove(id);
            return null;
        }
    }

    private async Task TakeUpAsync(CancellationToken ct)
    {
        var began = time.GetTimestamp();
        var found = await node.RecoverAsync(ct);
        var gone = new InstanceStatus(InstanceState.Error, "Its folder is missing on this node.");
        var listed = await store.OfThisNodeAsync(ct);
        var rebooted = await store.HasRebootedAsync(HostFacts.BootId, ct);
        foreach (var instance in listed)
        {
            var status = found.GetValueOrDefault(instance.Id, gone);
            if (rebooted && status is { State: InstanceState.Stopped, StopCause: null } && instance.State is InstanceState.Running or InstanceState.Paused)
            {
                status = status with { StopCause = StopCause.HostRestarted, Reason = "the host restarted while it ran" };
            }

            if (status.State != instance.State || status.Reason != instance.StateReason)
            {
                await db.InTransactionAsync(tx => states.FollowAtRestAsync(tx, instance.Id, status, Caller.System), ct);
            }
        }

        if (rebooted)
        {
            await db.InTransactionAsync(tx => store.NoteBootAsync(tx, HostFacts.BootId), ct);
        }

        LogTakenUp(logger, listed.Count, found.Values.Count(s => s.State is InstanceState.Running or InstanceState.Paused), time.GetElapsedTime(began).TotalMilliseconds);
    }

    private async Task AutoStartAsync(CancellationToken ct)
    {
        foreach (var instance in await store.ToStartAsync(ct))
        {
            try
            {
                await actor.BeginAsync(instance, InstanceAction.Start, Caller.System, BeginOptions.Default, ct);
            }
            catch (Refusal refusal) when (refusal.Status != 503)
            {
                LogNotStarted(logger, instance.Name, refusal.Message);
            }
        }
    }

    /// <summary>Looks before the row is locked, for a guest may take its time to answer; and again when the row has changed meanwhile.</summary>
    private async Task FollowAsync(InstanceChange change, CancellationToken ct)
    {
        LogChanged(logger, change.Id, change.State, change.Reason);
        while (true)
        {
            var version = await store.VersionAsync(change.Id, ct);
            var now = await node.InspectAsync(change.Id, ct);
            if (await db.InTransactionAsync(async tx =>
            {
                if (await store.LockVersionAsync(tx, change.Id) != version)
                {
                    return false;
                }

                await states.FollowAtRestAsync(tx, change.Id, now, Caller.System, change.WasReset);
                return true;
            }, ct))
            {
                return;
            }
        }
    }

    /// <summary>Repeats until it works: a database that is away comes back.</summary>
    /// <param name="always">Whatever is in the way, not only the database.</param>
    private async Task InsistAsync(Func<CancellationToken, Task> work, CancellationToken ct, bool always = false)
    {
        while (true)
        {
            try
            {
                await work(ct);
                return;
            }
#pragma warning disable CA1031 // a full disk, say: nothing is ready before this has worked
            catch (Exception e) when (e is Refusal { Status: 503 } || (always && e is not OperationCanceledException))
            {
                LogAgain(logger, e.Message);
                await Task.Delay(Pause, time, ct);
            }
#pragma warning restore CA1031
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Took up {Listed} instances, {Running} of them running, in {Milliseconds:0} ms")]
    private static partial void LogTakenUp(ILogger logger, int listed, int running, double milliseconds);

    [LoggerMessage(Level = LogLevel.Information, Message = "Instance {Id} is {State} now, unasked: {Reason}")]
    private static partial void LogChanged(ILogger logger, Id<Instance> id, InstanceState state, string? reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "'{Name}' was not started: {Why}")]
    private static partial void LogNotStarted(ILogger logger, string name, string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Could not follow the node; trying again: {Why}")]
    private static partial void LogAgain(ILogger logger, string why);

    [LoggerMessage(Level = LogLevel.Error, Message = "A change of instance {Id} could not be followed")]
    private static partial void LogNotFollowed(ILogger logger, Exception exception, Id<Instance> id);
}
