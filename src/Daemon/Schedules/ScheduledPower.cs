using Gantry.Contracts;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Operations;

namespace Gantry.Daemon.Schedules;

/// <summary>Start, stop and what else changes whether an instance runs, through the same door as the API.</summary>
internal sealed class ScheduledPower(InstanceActor actor) : IScheduledAction
{
    public IReadOnlyList<ScheduledAction> Does { get; } =
        [ScheduledAction.Start, ScheduledAction.Shutdown, ScheduledAction.Stop, ScheduledAction.Restart, ScheduledAction.Pause, ScheduledAction.Resume];

    public async Task<Operation?> BeginAsync(ScheduledWork work, Instance instance, BeginOptions options, CancellationToken ct)
    {
        var settings = work.Settings;
        return IsSo(instance.State, settings.Action) ? null : await actor.BeginAsync(
            instance, ActionOf(settings.Action), work.Actor, options, ct, settings.Force ?? false, settings.TimeoutSeconds);
    }

    private static bool IsSo(InstanceState state, ScheduledAction action) => (action, state) is
        (ScheduledAction.Start or ScheduledAction.Resume, InstanceState.Running) or (ScheduledAction.Shutdown or ScheduledAction.Stop, InstanceState.Stopped)
        or (ScheduledAction.Pause, InstanceState.Paused);

    private static InstanceAction ActionOf(ScheduledAction action) => action switch
    {
        ScheduledAction.Start => InstanceAction.Start,
        ScheduledAction.Shutdown => InstanceAction.Shutdown,
        ScheduledAction.Stop => InstanceAction.Stop,
        ScheduledAction.Restart => InstanceAction.Restart,
        ScheduledAction.Pause => InstanceAction.Pause,
        ScheduledAction.Resume => InstanceAction.Resume,
        _ => throw new ArgumentOutOfRangeException(nameof(action)),
    };
}
