using Gantry.Contracts;

namespace Gantry.Daemon.Instances;

/// <summary>Which action is possible in which state: the whole table, and what to say where it is not.</summary>
internal static class InstanceActions
{
    /// <exception cref="Refusal"><c>instance.wrong_state</c></exception>
    public static void Demand(string name, InstanceState state, InstanceAction action, bool force = false)
    {
        if (Hint(state, action, force) is { } hint)
        {
            throw InstanceErrors.WrongState(name, action, state, hint);
        }
    }

    /// <summary>Null where the action is possible; else what to do instead.</summary>
    public static string? Hint(InstanceState state, InstanceAction action, bool force = false) => (state, action) switch
    {
        (InstanceState.Stopped or InstanceState.Error, InstanceAction.Start or InstanceAction.Delete) => null,
        (InstanceState.Running, InstanceAction.Shutdown or InstanceAction.Stop or InstanceAction.Pause or InstanceAction.Restart or InstanceAction.Reset) => null,
        (InstanceState.Running or InstanceState.Paused or InstanceState.Stopped, InstanceAction.Rename or InstanceAction.Resize) => null,
        (InstanceState.Paused, InstanceAction.Resume or InstanceAction.Stop) => null,
        (InstanceState.Error, InstanceAction.Stop) => null,
        (InstanceState.Running or InstanceState.Paused, InstanceAction.Delete) => force ? null : "Stop it first, or delete it with --force.",

        (InstanceState.Paused, InstanceAction.Restart) => force ? null : "Let it go on with `gantry resume` first, or restart it with --force.",

        (InstanceState.Creating or InstanceState.Starting or InstanceState.Stopping, _) => "Wait for its operation: `gantry operation list`.",
        (InstanceState.Lost, _) => "Wait until its node answers again.",
        (InstanceState.Running, InstanceAction.Start or InstanceAction.Resume) => "It is running already.",
        (InstanceState.Paused, InstanceAction.Start or InstanceAction.Shutdown or InstanceAction.Pause or InstanceAction.Reset) => "Let it go on with `gantry resume`.",
        (InstanceState.Stopped, InstanceAction.Shutdown or InstanceAction.Stop) => "It is stopped already.",
        (InstanceState.Stopped, _) => "Start it with `gantry start`.",
        (InstanceState.Error, _) => "`gantry info` says what is wrong with it.",
        _ => throw new ArgumentOutOfRangeException(nameof(action)),
    };
}
