using System.Globalization;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Node.Snapshots;

namespace Gantry.Daemon.Snapshots;

/// <summary>What the bodies about snapshots must keep to, and in which state an instance must be for what.</summary>
internal static class SnapshotRules
{
    public static IEnumerable<Fault> Faults(CreateSnapshot wanted) => Name(wanted.Name).Concat(TextRules.Description(wanted.Description));

    public static IEnumerable<Fault> Faults(ChangeSnapshot wanted) => Name(wanted.Name ?? "").Concat(TextRules.Description(wanted.Description));

    /// <exception cref="Refusal"><c>instance.wrong_state</c></exception>
    public static void DemandAtRest(string instance, InstanceState state, string what)
    {
        if (state is not (InstanceState.Running or InstanceState.Paused or InstanceState.Stopped))
        {
            throw SnapshotErrors.WrongState(instance, state, what);
        }
    }

    /// <exception cref="Refusal"><c>snapshot.nothing_in_memory</c></exception>
    public static void DemandMemory(string instance, InstanceState state, CreateSnapshot wanted)
    {
        if (wanted.Memory && state == InstanceState.Stopped)
        {
            throw NodeSnapshotErrors.NothingInMemory(instance);
        }
    }

    /// <param name="stop">A running one will be stopped.</param>
    /// <exception cref="Refusal"><c>instance.wrong_state</c></exception>
    public static void DemandRestorable(string instance, InstanceState state, bool stop)
    {
        DemandAtRest(instance, state, "restoring a snapshot");
        if (state != InstanceState.Stopped && !stop)
        {
            throw SnapshotErrors.Running(instance, state);
        }
    }

    private static IEnumerable<Fault> Name(string name) => Limits.IsSnapshotName(name) ? []
        : [new("$.name", string.Create(CultureInfo.InvariantCulture, $"a name has 1 to {Limits.SnapshotNameLength} of a-z, 0-9, '-' and '_', and begins and ends with a letter or digit"))];
}
