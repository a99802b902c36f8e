using Gantry.Contracts;

namespace Gantry.Node.Snapshots;

internal static class NodeSnapshotErrors
{
    public static Refusal Missing(Id<Snapshot> snapshot) => Refusal.NotFound(
        "snapshot.missing", $"This node keeps no whole snapshot {snapshot}.", "`gantry snapshot verify` names what is missing; delete it if it cannot be brought back.");

    public static Refusal NoDisk(Id<Snapshot> snapshot) => Refusal.Conflict(
        "image.no_disk", $"The snapshot {snapshot} has no disk.", "Choose a snapshot of an instance with a disk.");

    public static Refusal Damaged(string path, string why) => Refusal.Conflict(
        "snapshot.damaged", $"{path} cannot be used: {why}.", "`gantry snapshot verify` names all that is wrong; restore another snapshot.");

    public static Refusal NotKept(string why) => Refusal.Unavailable(
        "snapshot.not_kept", $"What the instance's firmware or TPM remembers could not be copied: {why.TrimEnd('.')}.", "See that there is room under the data directory and that its files are as Gantry made them, and try again.");

    public static Refusal WrongState(string instance, InstanceState state) => Refusal.Conflict(
        "instance.wrong_state", $"'{instance}' is {state.ToString().ToLowerInvariant()}: no snapshot of it is possible now.", "`gantry info` says what is wrong with it.");

    public static Refusal Running(string instance) => Refusal.Conflict(
        "instance.wrong_state", $"'{instance}' runs: its disks cannot be put back under it.", "Stop it first, or restore with --stop.");

    public static Refusal OtherDisks(string instance, string disk) => Refusal.Conflict(
        "snapshot.other_disks", $"The disk '{disk}' of the snapshot is not one of '{instance}' any more, or lies in another pool now.", "Attach it again, or move it back, and restore then.");
}
