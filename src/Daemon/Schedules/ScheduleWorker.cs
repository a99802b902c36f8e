using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Schedules;

/// <summary>
/// The clock: sleeps until the next due time, or until a schedule changes, but never long: the host may have been suspended, its clock
/// set, or another daemon on the same database changed something. What is due is claimed here and worked on elsewhere.
/// </summary>
internal sealed partial class ScheduleWorker(
    ScheduleStore store, ScheduleRunStore runs, ScheduleClaims claims, ScheduleRunner runner, Retention keep, Db db, TimeProvider time,
    ILogger<ScheduleWorker> logger) : BackgroundService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan SweepEvery = TimeSpan.FromHours(1);

    /// <summary>A clock that went so much otherwise than time did was set.</summary>
    private static readonly TimeSpan Jump = TimeSpan.FromSeconds(30);

    private TaskCompletionSource _woken = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        if (db.Ready.IsCompletedSuccessfully)
        {
            try
            {
                await runner.StopAsync(cancellationToken);
                await runs.ReleaseAsync(runner.Holder, cancellationToken);
            }
            catch (Exception e) when (e is Refusal or OperationCanceledException)
            {
                LogTrouble(logger, e.Message); // then they are taken over when the lease has ended
            }
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await db.Ready.WaitAsync(stoppingToken);
        store.Touched += Wake;
        try
        {
            var (wall, ticks, swept) = (time.GetUtcNow(), time.GetTimestamp(), DateTimeOffset.MinValue);
            for (var mustCorrect = true; ;)
            {
                var woken = Volatile.Read(ref _woken).Task;
                var pause = LookEvery;
                try
                {
                    if (mustCorrect)
                    {
                        await CorrectAsync(stoppingToken);
                        mustCorrect = false;
                    }

                    await LookAsync(stoppingToken);
                    if (time.GetUtcNow() - swept >= SweepEvery || swept > time.GetUtcNow())
                    {
                        await runs.RemoveOldAsync(keep.Operations, stoppingToken);
                        swept = time.GetUtcNow();
                    }

                    pause = await store.NextRunAsync(stoppingToken) - time.GetUtcNow() is { } until && until < LookEvery ? until : LookEvery;
                }
#pragma warning disable CA1031 // whatever it is: the next look may go well, and nothing would be due ever again without it
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    LogTrouble(logger, e.Message);
                }
#pragma warning restore CA1031

                await SleepAsync(pause, woken, stoppingToken);
                var (wallNow, ticksNow) = (time.GetUtcNow(), time.GetTimestamp());
                if ((wallNow - wall - time.GetElapsedTime(ticks, ticksNow)).Duration() > Jump)
                {
                    LogJump(logger, wallNow - wall - time.GetElapsedTime(ticks, ticksNow));
                    mustCorrect = true;
                }

                (wall, ticks) = (wallNow, ticksNow);
            }
        }
        finally
        {
            store.Touched -= Wake;
        }
    }

    /// <summary>Looks now rather than at the end of its sleep.</summary>
    public void Wake() => Interlocked.Exchange(ref _woken, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    private async Task SleepAsync(TimeSpan pause, Task woken, CancellationToken ct)
    {
        using var awake = CancellationTokenSource.CreateLinkedTokenSource(ct);
        await Task.WhenAny(woken, Task.Delay(pause > TimeSpan.FromMilliseconds(5) ? pause : TimeSpan.FromMilliseconds(5), time, awake.Token));
        await awake.CancelAsync();
        ct.ThrowIfCancellationRequested();
    }

    /// <summary>Begins all that is due, and takes up what another daemon left.</summary>
    private async Task LookAsync(CancellationToken ct)
    {
        while (await claims.ClaimAsync(runner.Holder, ct) is { Found: true } claimed)
        {
            if (claimed.Run is { } run)
            {
                runner.Begin(claimed.Schedule!, run);
            }
        }

        foreach (var run in await runs.TakeOverAsync(runner.Holder, ct))
        {
            runner.Begin(await store.GetAsync(run.Schedule.ToString(), ct), run);
        }
    }

    /// <summary>Next runs that lie ahead, counted anew: by a clock that was wrong, or rules of a zone that have changed, they were others.</summary>
    private async Task CorrectAsync(CancellationToken ct)
    {
        var now = time.GetUtcNow();
        foreach (var schedule in await store.EnabledAsync(ct))
        {
            if (schedule.NextRun <= now || TimeZones.Find(schedule.Settings.TimeZone!) is not { } zone)
            {
                continue;
            }

            var next = DueTimes.Next(schedule.Settings.When, zone, now);
            if (next != schedule.NextRun)
            {
                await db.InTransactionAsync(transaction => ScheduleStore.SetNextRunAsync(transaction, schedule, next), ct);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Schedules have to wait: {Why}")]
    private static partial void LogTrouble(ILogger logger, string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The clock was set, or the host slept: it went {By} otherwise than time did")]
    private static partial void LogJump(ILogger logger, TimeSpan by);
}
