using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Gantry.Node.Drivers;

namespace Gantry.Daemon.Instances;

/// <summary>
/// At start, takes up what runs on the node and makes every row say so; starts what is to start by itself; from then on
/// writes down what happens on the node without being asked for.
/// </summary>
internal sealed partial class InstanceWatcher(
    InstanceStore store, InstanceStates states, InstanceActor actor, LocalNode node, Db db, TimeProvider time, ILogger<InstanceWatcher> logger) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await db.SchemaReady.WaitAsync(stoppingToken);
        await InsistAsync(TakeUpAsync, stoppingToken, always: true);
        db.MarkReady();
        await InsistAsync(AutoStartAsync, stoppingToken, always: true);
        await foreach (var change in node.ChangesAsync(stoppingToken))
        {
            try
            {
                await InsistAsync(ct => FollowAsync(change, ct), stoppingToken);
            }
#pragma warning disable CA1031 // one instance that cannot be followed must not keep the others from it
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogNotFollowed(logger, e, change.Id);
            }
#pragma warning restore CA1031
        }
    }

    private async Task TakeUpAsync(CancellationToken ct)
    {
        var began = time.GetTimestamp();
        var found = await node.RecoverAsync(ct);
        var gone = new InstanceStatus(InstanceState.Error, "Its folder is missing on this node.");
        var listed = await store.OfThisNodeAsync(ct);
        foreach (var instance in listed)
        {
            var status = found.GetValueOrDefault(instance.Id, gone);
            if (status.State != instance.State || status.Reason != instance.StateReason)
            {
                await db.InTransactionAsync(tx => states.FollowAtRestAsync(tx, instance.Id, () => Task.FromResult(status), Caller.System), ct);
            }
        }

        LogTakenUp(logger, listed.Count, found.Values.Count(s => s.State is InstanceState.Running or InstanceState.Paused), time.GetElapsedTime(began).TotalMilliseconds);
    }

    private async Task AutoStartAsync(CancellationToken ct)
    {
        foreach (var instance in (await store.OfThisNodeAsync(ct)).Where(i => i is { AutoStart: true, State: InstanceState.Stopped }))
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

    private Task FollowAsync(InstanceChange change, CancellationToken ct)
    {
        LogChanged(logger, change.Id, change.State, change.Reason);
        return db.InTransactionAsync(tx => states.FollowAtRestAsync(tx, change.Id, () => node.InspectAsync(change.Id, ct), Caller.System), ct);
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
