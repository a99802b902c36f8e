using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Platform;
using Npgsql;

namespace Gantry.Daemon.Schedules;

/// <summary>Who may run what: the row of a run and the schedule's next due time are written in one transaction, so each due time has one run.</summary>
internal sealed class ScheduleClaims(ScheduleStore store, ScheduleRunStore runs, EventLog events, Db db, TimeProvider time)
{
    /// <summary>Deals with one schedule that is due.</summary>
    /// <returns>Whether there was one, and what is to be run of it, if anything.</returns>
    public Task<(bool Found, StoredSchedule? Schedule, HeldRun? Run)> ClaimAsync(Guid holder, CancellationToken ct) => db.InTransactionAsync(async transaction =>
    {
        var now = time.GetUtcNow();
        return await store.LockDueAsync(transaction, now) is not { } schedule ? (false, null, null)
            : (true, schedule, await DealAsync(transaction, schedule, now, holder));
    }, ct);

    /// <summary>A run that somebody asks for now, due or not.</summary>
    /// <returns>Its id, and the run where it is to be worked on: not where the same idempotency key made it before.</returns>
    /// <exception cref="Refusal"><c>schedule.running</c>, <c>schedule.unknown</c></exception>
    public Task<(Id<ScheduleRun> Id, HeldRun? Run)> AskAsync(
        StoredSchedule schedule, Guid holder, Caller caller, string? key, CancellationToken ct) => db.InTransactionAsync<(Id<ScheduleRun>, HeldRun?)>(async transaction =>
    {
        // One at a time, as those that are due: else each would see that none runs.
        await ScheduleStore.LockAsync(transaction, schedule);
        if (await ScheduleRunStore.FindAsync(transaction, schedule.Id, key) is { } before)
        {
            return (before, null);
        }

        var now = time.GetUtcNow();
        var run = RunOf(schedule, new(now.UtcTicks - (now.UtcTicks % TimeSpan.TicksPerMicrosecond), TimeSpan.Zero), RunTrigger.Asked, now, holder);
        if (await ScheduleRunStore.IsAnyRunningAsync(transaction, schedule.Id) || !await runs.InsertAsync(transaction, run, key: key))
        {
            throw ScheduleErrors.Running(schedule.Settings.Name);
        }

        await TellAsync(transaction, EventTypes.ScheduleStarted, schedule, caller, run, null);
        return (run.Id, run);
    }, ct);

    private async Task<HeldRun?> DealAsync(NpgsqlTransaction transaction, StoredSchedule schedule, DateTimeOffset now, Guid holder)
    {
        if (TimeZones.Find(schedule.Settings.TimeZone!) is not { } zone)
        {
            await ScheduleStore.SetNextRunAsync(transaction, schedule, null);
            var broken = RunOf(schedule, schedule.NextRun!.Value, RunTrigger.Due, now, holder);
            var reason = ScheduleErrors.UnknownZone(schedule.Settings.TimeZone!).Message;
            if (await runs.InsertAsync(transaction, broken, RunState.Failed, reason))
            {
                await TellAsync(transaction, EventTypes.ScheduleFailed, schedule, Caller.System, broken, reason);
            }

            return null;
        }

        var busy = await ScheduleRunStore.IsAnyRunningAsync(transaction, schedule.Id);
        var decision = DuePlan.Of(schedule.Settings, zone, schedule.NextRun!.Value, now, busy);
        await ScheduleStore.SetNextRunAsync(transaction, schedule, decision.Next);
        var run = RunOf(schedule, decision.Due, decision.Trigger, now, holder);
        if (!await runs.InsertAsync(transaction, run, decision.Skipped is null ? null : RunState.Skipped, decision.Skipped))
        {
            return null; // the clock was put back: this due time had its run
        }

        if ((decision.MissedFrom ?? (decision.Skipped is null ? null : decision.Due)) is { } from)
        {
            await events.AppendAsync(transaction, EventTypes.ScheduleMissed, $"schedules/{schedule.Id}", Caller.System.Name, null,
                new { name = schedule.Settings.Name, from, reason = decision.Skipped ?? "No daemon ran; the newest is made up for." });
        }

        if (decision.Skipped is not null)
        {
            return null;
        }

        await TellAsync(transaction, EventTypes.ScheduleStarted, schedule, Caller.System, run, null);
        return run;
    }

    private Task TellAsync(NpgsqlTransaction transaction, string type, StoredSchedule schedule, Caller caller, HeldRun run, string? reason) => events.AppendAsync(
        transaction, type, $"schedules/{schedule.Id}", caller.Name, caller.RequestId, new { name = schedule.Settings.Name, run = run.Id, due = run.Due, reason });

    private static HeldRun RunOf(StoredSchedule schedule, DateTimeOffset due, RunTrigger trigger, DateTimeOffset now, Guid holder) =>
        new(Id<ScheduleRun>.New(), schedule.Id, due.ToUniversalTime(), trigger, $"schedule {schedule.Settings.Name}", now, holder);
}
