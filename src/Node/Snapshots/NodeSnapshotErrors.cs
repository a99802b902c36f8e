using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Node.Snapshots;

public static class NodeSnapshotErrors
{
    public static Refusal Missing(Id<Snapshot> snapshot) => Refusal.NotFound(
        "snapshot.missing", $"This node keeps no whole snapshot {snapshot}.", "`gantry snapshot verify` names what is missing; delete it if it cannot be brought back.");

    public static Refusal NoDisk(Id<Snapshot> snapshot) => Refusal.Conflict(
        "image.no_disk", $"The snapshot {snapshot} has no disk.", "Choose a snapshot of an instance with a disk.");

    public static Refusal Damaged(string path, string why) => Refusal.Conflict(
        "snapshot.damaged", $"{path} cannot be used: {why}.", "`gantry snapshot verify` names all that is wrong; restore another snapshot.");

    public static Refusal NotKept(string why) => Refusal.Unavailable(
        "snapshot.not_kept", $"What the instance's firmware or TPM remembers could not be copied: {why.TrimEnd('.')}.", "See that there is room under the data directory and that its files are as Gantry made them, and try again.");

    public static Refusal MemoryNotKept(string why) => Refusal.Unavailable(
        "snapshot.not_kept", $"The memory could not be written: {why.TrimEnd('.')}.", "See that the file system of the data directory is sound, and try again. The guest goes on, and nothing of the snapshot is kept.");

    public static Refusal NoSpace(string folder, long? needed, long free) => Refusal.Unavailable(
        "snapshot.no_space",
        needed is null
            ? $"The file system of {folder} became full while the memory was written."
            : string.Create(CultureInfo.InvariantCulture, $"The memory may need {needed / Limits.MiB} MiB, and {free / Limits.MiB} MiB are free on the file system of {folder}."),
        "Make room there, or take the snapshot without memory. The guest goes on, and nothing of the snapshot is kept.");

    public static Refusal NothingInMemory(string instance) => Refusal.Conflict(
        "snapshot.nothing_in_memory", $"'{instance}' is stopped: it has nothing in memory.", "Take the snapshot without memory.");

    public static Refusal NoMemory(Id<Snapshot> snapshot) => Refusal.Conflict(
        "snapshot.no_memory", $"The snapshot {snapshot} has no memory in it.", "Restore it without.");

    public static Refusal OtherMachine(string instance, string why) => Refusal.Conflict(
        "snapshot.other_machine", $"'{instance}' cannot go on from the memory of the snapshot: {why}.", "Make it as it was then, or restore the disks alone with --no-memory (`\"noMemory\": true`).");

    public static Refusal NotAtRest(string instance, string why) => Refusal.Conflict(
        "snapshot.not_quiesced", $"The file systems of '{instance}' could not be brought to rest: {why.TrimEnd('.')}.", "Install and start qemu-guest-agent in the guest, or take the snapshot with --quiesce auto.");

    public static Refusal FrozenTooLong(string instance, TimeSpan longest) => Refusal.Unavailable(
        "snapshot.frozen_too_long", string.Create(CultureInfo.InvariantCulture, $"The file systems of '{instance}' were at rest for {longest.TotalSeconds:0} s, and its disks were not kept yet."),
        "See what holds up its pools, or take the snapshot with --quiesce off. The guest goes on, and nothing of the snapshot is kept.");

    public static Refusal WrongState(string instance, InstanceState state) => Refusal.Conflict(
        "instance.wrong_state", $"'{instance}' is {state.ToString().ToLowerInvariant()}: no snapshot of it is possible now.", "`gantry info` says what is wrong with it.");

    public static Refusal Running(string instance) => Refusal.Conflict(
        "instance.wrong_state", $"'{instance}' runs: its disks cannot be put back under it.", "Stop it first, or restore with --stop.");

    public static Refusal OtherDisks(string instance, string disk) => Refusal.Conflict(
        "snapshot.other_disks", $"The disk '{disk}' of the snapshot is not one of '{instance}' any more, or lies in another pool now.", "Attach it again, or move it back, and restore then.");
}
