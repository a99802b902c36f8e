using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Daemon.Snapshots;

internal static class SnapshotErrors
{
    /// <summary>The code of a refusal because of the instance's own quota, where others' snapshots have no part in it.</summary>
    public const string OwnQuotaReached = "quota.instance_reached";

    public static Refusal Unknown(string instance, string name) => Refusal.NotFound(
        "snapshot.unknown", $"'{instance}' has no snapshot '{Shown(name)}'.", $"`gantry snapshot list {instance}` shows those it has.");

    public static Refusal NameTaken(string name) => Refusal.Conflict(
        "snapshot.name_taken", $"The instance has a snapshot '{name}' already.", "Choose another name, or delete that one first.");

    /// <param name="why">As a clause: <c>it is protected</c>.</param>
    public static Refusal Protected(string name, string why) => Refusal.Conflict(
        "snapshot.protected", $"The snapshot '{name}' cannot be deleted: {why}.", "Lift that first: `gantry snapshot unprotect`. Nothing deletes it before, --force neither.");

    /// <param name="what"><c>pool</c> or <c>schedule</c>.</param>
    public static Refusal NotChosenBy(string what, string name) => Refusal.NotFound(
        $"{what}.unknown", $"There is no {what} '{Shown(name)}'.", $"`gantry {what} list` shows those there are; one that is gone has its id.");

    public static Refusal NotReady(string name) => Refusal.Conflict(
        "snapshot.not_ready", $"The snapshot '{name}' is being taken or deleted.", "`gantry operation list` shows how far it is.");

    public static Refusal Changed(string name) => new(
        "snapshot.changed", 412, $"'{name}' was changed since it was read.", "Read it again and repeat with its new ETag.");

    public static Refusal WrongState(string instance, InstanceState state, string what) => Refusal.Conflict(
        "instance.wrong_state", $"'{instance}' is {state.ToString().ToLowerInvariant()}: {what} is not possible now.",
        state is InstanceState.Creating or InstanceState.Starting or InstanceState.Stopping ? "Wait for its operation: `gantry operation list`." : "`gantry info` says what is wrong with it.");

    public static Refusal NoMemory(string name) => Refusal.Conflict(
        "snapshot.no_memory", $"The snapshot '{name}' has no memory in it, or is to be restored without.", "Leave out --pause (`\"pause\": true`): there is nothing to go on from.");

    public static Refusal Running(string instance, InstanceState state) => Refusal.Conflict(
        "instance.wrong_state", $"'{instance}' is {state.ToString().ToLowerInvariant()}: what its guest is doing would be lost.", $"Stop it first (`gantry shutdown {instance}`), or restore with --stop (`\"stop\": true`).");

    private static string Shown(string name) => name.Length <= Limits.SnapshotNameLength && !name.Any(char.IsControl) ? name : string.Create(CultureInfo.InvariantCulture, $"({name.Length} characters)");
}
