using Gantry.Contracts;

namespace Gantry.Node.Drivers;

public static class DiskErrors
{
    public const string JobFailedCode = "volume.job_failed";

    public static Refusal Unknown(string instance, string volume) => Refusal.NotFound(
        "volume.unknown", $"'{instance}' has no volume '{volume}'.", "`gantry info NAME` shows which it has.");

    public static Refusal NoShrink(string volume, long has, long wanted) => Refusal.Invalid(
        "volume.no_shrink", $"The volume '{volume}' has {has} bytes and cannot be made smaller, to {wanted}.", "Add a smaller volume, copy what is in it over inside the guest, and remove this one.");

    public static Refusal InSnapshot(string instance, string volume) => Refusal.Conflict(
        "volume.in_snapshot", $"Snapshots of '{instance}' have the volume '{volume}' in them.", "Delete these snapshots first (`gantry snapshot list`).");

    public static Refusal OtherChain(string instance, string volume) => Refusal.Conflict(
        "volume.other_chain", $"The disk '{volume}' that '{instance}' has open does not stand on what its pool says.", "Stop the instance: it finds its disks as the pool has them at its next start.");

    public static Refusal JobFailed(string volume, string why) => Refusal.Unavailable(
        JobFailedCode, $"What was being copied of the volume '{volume}' was not finished: {why}", "See that its pool is healthy and has room (`gantry pool list`), and try again. The guest has lost nothing.");

    public static Refusal NotSwitched(string volumes, string why) => Refusal.Unavailable(
        "volume.not_switched", $"The guest goes on writing to {volumes} as before: {why}", "See that the pool is healthy (`gantry pool list`), and try again. The guest has lost nothing.");

    public static Refusal NotOpened(string volume, string why) => Refusal.Unavailable(
        "volume.not_opened", $"A file of the volume '{volume}' could not be opened: {why}", "See that its pool is healthy (`gantry pool list`), and try again.");
}
