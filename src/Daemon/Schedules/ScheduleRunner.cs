using System.Collections.Concurrent;
using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Schedules;

/// <summary>
/// Works on runs: begins an operation for each instance and follows it to its end. Every run for itself: none waits for another or fails with it.
/// Operations have idempotency keys of their run, so a run that another daemon takes up begins nothing twice.
/// </summary>
internal sealed partial class ScheduleRunner(
    ScheduleRunStore runs, ScheduleTargets targets, IEnumerable<IScheduledAction> actions, Operations.Operations operations, EventLog events, Db db,
    TimeProvider time, ILogger<ScheduleRunner> logger) : IDisposable
{
    private const int FollowedAtOnce = 16;
    private static readonly TimeSpan RenewEvery = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<Id<ScheduleRun>, Task> _running = new();
    private readonly CancellationTokenSource _stopping = new();

    public Guid Holder { get; } = Guid.CreateVersion7();

    public IReadOnlySet<ScheduledAction> Possible { get; } = actions.SelectMany(a => a.Does).ToHashSet();

    public void Dispose() => _stopping.Dispose();

    public void Begin(StoredSchedule schedule, HeldRun run)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (_running.TryAdd(run.Id, done.Task))
        {
            _ = Task.Run(async () =>
            {
                try
                {
                    await RunAsync(schedule, run);
                }
#pragma warning disable CA1031 // whatever it is: the run is not worked on here any more, so its lease ends and it is taken up again
                catch (Exception e)
                {
                    LogBug(logger, schedule.Settings.Name, e);
                }
#pragma warning restore CA1031
                finally
                {
                    _running.TryRemove(run.Id, out var _);
                    done.SetResult();
                }
            });
        }
    }

    /// <summary>Done when the run has ended, as far as it is worked on here.</summary>
    public Task EndOfAsync(Id<ScheduleRun> run) => _running.GetValueOrDefault(run, Task.CompletedTask);

    /// <summary>Leaves what is not done to the next daemon.</summary>
    /// <exception cref="OperationCanceledException">Something has not let go by then.</exception>
    public async Task StopAsync(CancellationToken ct)
    {
        await _stopping.CancelAsync();
        await Task.WhenAll(_running.Values).WaitAsync(ct);
    }

    private async Task RunAsync(StoredSchedule schedule, HeldRun run)
    {
        var results = new ScheduleResults();
        using var held = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        var holding = HoldAsync(run, results, held);
        try
        {
            var reason = await WorkAsync(schedule, run, results, held.Token);
            await EndAsync(schedule, run, results, reason, held.Token);
        }
        catch (OperationCanceledException) when (held.IsCancellationRequested)
        {
            // Stopping, or another daemon has it: the row says so.
        }
        finally
        {
            await held.CancelAsync();
            await holding;
        }
    }

    /// <returns>Why the run as a whole failed; null when its results say all.</returns>
    private async Task<string?> WorkAsync(StoredSchedule schedule, HeldRun run, ScheduleResults results, CancellationToken ct)
    {
        try
        {
            var action = actions.FirstOrDefault(a => a.Does.Contains(schedule.Settings.Action))
                ?? throw Refusal.Unavailable("schedule.action", $"'{schedule.Settings.Action}' is not possible here.", "Compare the versions of the daemons.");
            var work = new ScheduledWork(schedule.Id, schedule.Settings, run.Due, new(run.Actor, run.Id.ToString()));
            var found = await Reached(() => targets.FindAsync(schedule, ct), ct);
            foreach (var instance in found)
            {
                results.Set(await OneAsync(work, new(instance.Id, instance.Name, RunState.Failed), _ => BeginAsync(action, work, schedule, run, instance, ct)));
            }

            await Parallel.ForEachAsync(found, new ParallelOptions { MaxDegreeOfParallelism = FollowedAtOnce, CancellationToken = ct }, async (instance, _) =>
                results.Set(await OneAsync(work, results.Of(instance.Id), begun => FollowAsync(action, work, begun, instance, ct))));
            return null;
        }
        catch (Refusal refusal)
        {
            return refusal.Message;
        }
#pragma warning disable CA1031 // whatever it is: it is this run's, and the others go on
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return Bug(schedule.Settings.Name, e).Message;
        }
#pragma warning restore CA1031
    }

    private async Task<ScheduleResult> BeginAsync(IScheduledAction action, ScheduledWork work, StoredSchedule schedule, HeldRun run, Instance instance, CancellationToken ct)
    {
        var options = new BeginOptions(Queue: true, IdempotencyKey: $"{run.Id}/{instance.Id}", RequestHash: "schedule");
        var operation = await Reached(async () =>
        {
            if (await operations.ReplayAsync(work.Actor, options, ct) is { } begun)
            {
                return begun;
            }

            DemandInTime(schedule, run); // whoever left it, and however long the database did not answer
            return await action.BeginAsync(work, instance, options, ct);
        }, ct);
        return new(instance.Id, instance.Name, operation is null ? RunState.Skipped : RunState.Running, operation?.Id);
    }

    /// <exception cref="Refusal"><c>schedule.too_late</c>, <c>schedule.disabled</c></exception>
    private void DemandInTime(StoredSchedule schedule, HeldRun run)
    {
        var name = schedule.Settings.Name;
        if (DuePlan.LatestBegin(schedule.Settings, run) is var latest && time.GetUtcNow() > latest)
        {
            throw ScheduleErrors.TooLate(name, latest);
        }

        if (!schedule.Enabled && run.Trigger != RunTrigger.Asked)
        {
            throw ScheduleErrors.Disabled(name);
        }
    }

    private async Task<ScheduleResult> FollowAsync(IScheduledAction action, ScheduledWork work, ScheduleResult begun, Instance instance, CancellationToken ct)
    {
        if (begun is not { State: RunState.Running, Operation: { } id })
        {
            return begun;
        }

        Operation operation;
        while (!(operation = await Reached(() => operations.WaitAsync(id, TimeSpan.FromMinutes(10), ct), ct)).IsFinished())
        {
        }

        await Reached(async () =>
        {
            await action.FollowAsync(work, instance, operation, ct);
            return true;
        }, ct);
        return operation.State == OperationState.Succeeded ? begun with { State = RunState.Succeeded }
            : begun with { State = RunState.Failed, Error = operation.Error ?? Problem.From(OperationErrors.Cancelled(operation), null) };
    }

    /// <summary>Whatever goes wrong with one instance is told of it and of no other.</summary>
    private async Task<ScheduleResult> OneAsync(ScheduledWork work, ScheduleResult before, Func<ScheduleResult, Task<ScheduleResult>> next)
    {
        try
        {
            return await next(before);
        }
        catch (Refusal refusal)
        {
            return before with { State = RunState.Failed, Error = Problem.From(refusal, null) };
        }
#pragma warning disable CA1031 // whatever it is: the other instances go on
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return before with { State = RunState.Failed, Error = Problem.From(Bug(work.Settings.Name, e), null) };
        }
#pragma warning restore CA1031
    }

    private Refusal Bug(string schedule, Exception exception)
    {
        LogBug(logger, schedule, exception);
        return new("internal", 500, "Something went wrong that should not have.", "The daemon's log has the details; please report them.");
    }

    private Task<bool> EndAsync(StoredSchedule schedule, HeldRun run, ScheduleResults results, string? reason, CancellationToken ct) => Reached(async () =>
    {
        await db.InTransactionAsync(async transaction =>
        {
            var all = results.All;
            var failed = all.Count(r => r.State == RunState.Failed);
            var state = reason is null && failed == 0 ? RunState.Succeeded : RunState.Failed;
            reason ??= failed > 0 ? $"{failed} of {all.Count} failed: {all.First(r => r.State == RunState.Failed).Error?.Detail}"
                : all.Count == 0 ? "The filter found no instance." : null;
            if (await runs.EndAsync(transaction, run, state, reason, all))
            {
                var type = state == RunState.Succeeded ? EventTypes.ScheduleFinished : EventTypes.ScheduleFailed;
                await events.AppendAsync(transaction, type, $"schedules/{schedule.Id}", run.Actor, run.Id.ToString(),
                    new { name = schedule.Settings.Name, run = run.Id, due = run.Due, instances = all.Count, failed, reason });
            }
        }, ct);
        return true;
    }, ct);

    /// <summary>Renews the lease until the run has ended; ends it here when it is another's.</summary>
    private async Task HoldAsync(HeldRun run, ScheduleResults results, CancellationTokenSource held)
    {
        try
        {
            using var timer = new PeriodicTimer(RenewEvery, time);
            while (await timer.WaitForNextTickAsync(held.Token))
            {
                try
                {
                    if (!await Reached(() => runs.RenewAsync(run, results.All, held.Token), held.Token))
                    {
                        await held.CancelAsync();
                    }
                }
#pragma warning disable CA1031 // whatever it is: the next time may go well, and the lease has room for two that did not
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    LogBug(logger, run.Actor, e);
                }
#pragma warning restore CA1031
            }
        }
        catch (OperationCanceledException) when (held.IsCancellationRequested)
        {
            // The run has ended.
        }
    }

    /// <summary>Again and again while the database does not answer.</summary>
    private async Task<T> Reached<T>(Func<Task<T>> work, CancellationToken ct)
    {
        while (true)
        {
            try
            {
                return await work();
            }
            catch (Refusal refusal) when (refusal.Code == "database.unavailable")
            {
                await Task.Delay(Pause, time, ct);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A run of the schedule {Name} met what it did not expect")]
    private static partial void LogBug(ILogger logger, string name, Exception exception);
}
