using System.Globalization;
using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Schedules;

/// <summary>One run of a schedule, as its actions see it.</summary>
/// <param name="Actor">In whose name: <c>schedule nightly</c>, under the run's id as the request's.</param>
internal sealed record ScheduledWork(Id<Schedule> Schedule, ScheduleSettings Settings, DateTimeOffset Due, Caller Actor)
{
    /// <summary><c>{schedule}_{yyyyMMdd_HHmmss}</c>, in UTC: no name comes twice in the night in which clocks go back.</summary>
    public string SnapshotName => string.Create(CultureInfo.InvariantCulture, $"{Settings.Name}_{Due.UtcDateTime:yyyyMMdd_HHmmss}");
}

/// <summary>What a schedule can do to an instance. An action is possible as soon as a class that does it is registered.</summary>
internal interface IScheduledAction
{
    IReadOnlyList<ScheduledAction> Does { get; }

    /// <summary>Begins an operation as the API would. Null when the instance is as the action would make it already.</summary>
    /// <exception cref="Refusal">Why not; the other instances of the run go on.</exception>
    Task<Operation?> BeginAsync(ScheduledWork work, Instance instance, BeginOptions options, CancellationToken ct);

    /// <summary>What follows when that operation has ended. May be called a second time for the same run after a crash.</summary>
    Task FollowAsync(ScheduledWork work, Instance instance, Operation ended, CancellationToken ct) => Task.CompletedTask;
}
