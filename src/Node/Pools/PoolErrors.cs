using Gantry.Contracts;

namespace Gantry.Node.Pools;

internal static class PoolErrors
{
    public static Refusal Unknown(Id<Pool> id) => Refusal.NotFound(
        "pool.unknown", $"This node keeps no pool {id}.", "List them with `gantry pool list`; what lies in a pool that was taken away is back when the pool is.");

    public static Refusal NotUsable(string source, string why) => Refusal.Conflict(
        "pool.not_usable", $"{source} cannot be a pool: {why}.", "Name a place that is empty, or that was this pool before, and that is there on this node.");

    public static Refusal ToolMissing(string source, string program, string package) => Refusal.Unavailable(
        "pool.tool_missing", $"{source} cannot be used: this node has no {program}.", $"`apt-get install {package}` on the node; then try again.");

    public static Refusal Gone(string source, string why) => Refusal.Unavailable(
        "pool.gone", $"The pool at {source} is not there: {why}.", "Mount or import it again; `gantry pool info NAME` shows how it is.");

    /// <param name="why">A sentence.</param>
    public static Refusal NotHealthy(string why) => Refusal.Unavailable(
        "pool.gone", $"A pool that disks lie in cannot be used: {why}", "`gantry pool list` shows how the pools are; nothing was changed.");

    public static Refusal Full(string source) => Refusal.Unavailable(
        "pool.full", $"The pool at {source} has not enough space left.", "Make room: delete snapshots or volumes (`gantry snapshot list`), or make the pool larger. Nothing was changed.");

    public static Refusal Failed(string what, string why) => Refusal.Unavailable(
        "pool.failed", $"{what} did not succeed: {why}", "See that the pool is healthy with `gantry pool info NAME`, and try again.");

    public static Refusal Damaged(string path, string why) => Refusal.Conflict(
        "pool.damaged", $"{path}, which says what disks there are, cannot be read: {why}.", "Restore the file from a copy; nothing is changed as long as it is so.");

    public static Refusal BadName(string name) => Refusal.Invalid(
        "pool.bad_name", $"'{name}' cannot name a disk or its owner here.", "Use 1 to 63 letters, digits and '-', beginning with a letter or digit.");

    public static Refusal DiskMissing(DiskName disk) => Refusal.NotFound(
        "volume.missing", $"The pool has no disk {disk}.", "See that it is the right pool; restore the volume from a backup.");

    public static Refusal DiskDamaged(DiskName disk, string why) => Refusal.Conflict(
        "volume.damaged", $"The disk {disk} cannot be used: {why}.", "`gantry snapshot verify` names all that is wrong; restore a snapshot that is whole, or a backup.");

    public static Refusal DiskThere(DiskName disk) => Refusal.Conflict(
        "volume.exists", $"There is a disk {disk} already.", "Choose another name.");

    public static Refusal HasSnapshots(DiskName disk) => Refusal.Conflict(
        "volume.in_use", $"Snapshots have the disk {disk}.", "Delete the snapshots first.");

    /// <param name="hint">A sentence.</param>
    public static Refusal Tied(DiskName disk, string why, string hint) => Refusal.Conflict("volume.tied", $"The disk {disk} cannot be made to stand alone as it is: {why}.", hint);

    public static Refusal HasClones(DiskName disk, string clone) => Refusal.Conflict(
        "volume.in_use", $"The linked clone {clone} stands on the disk {disk}.", "Delete the clone first, or make it stand alone: `gantry promote`.");

    public static Refusal SnapshotMissing(string owner, Id<Snapshot> snapshot) => Refusal.NotFound(
        "snapshot.missing", $"The pool has no snapshot {snapshot} of {owner}.", "`gantry snapshot list` shows what there is.");

    public static Refusal SnapshotHasClones(Id<Snapshot> snapshot, string clone) => Refusal.Conflict(
        "snapshot.in_use", $"The linked clone {clone} stands on the snapshot {snapshot}.", "Delete the clone first, or make it stand alone: `gantry promote`.");
}
