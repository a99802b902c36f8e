using Gantry.Contracts;

namespace Gantry.Daemon.Instances;

internal static class VolumeErrors
{
    public static Refusal Taken(string instance, string volume) => Refusal.Conflict("volume.taken", $"'{instance}' has a volume '{volume}' already.", "Choose another name.");

    public static Refusal TooMany(string instance) => Refusal.Conflict("volume.too_many", $"'{instance}' has {Limits.Volumes} volumes, and no more are possible.", "Remove one first.");

    public static Refusal NoSata(string instance) => Refusal.Conflict("volume.no_sata", $"All ports for sata of '{instance}' are taken.", "Choose another bus, or remove a volume on sata first.");

    public static Refusal Held(string volume, string why) => Refusal.Conflict(
        "volume.held", $"The volume '{volume}' is still in use: {why}", "Unmount it in the guest and try again, or stop the instance first.");

    public static Refusal NoSize(string volume) => Refusal.Invalid("volume.no_size", $"'{volume}' is a drive for discs: it has no size and no limits.", "Only disks can be made larger or limited.");

    public static Refusal NoMove(string volume) => Refusal.Invalid("volume.no_move", $"'{volume}' is a drive for discs: it lies in no pool.", "Only disks can be moved.");

    public static Refusal IsThere(string volume, string pool) => Refusal.Conflict("volume.is_there", $"The volume '{volume}' lies in '{pool}' already.", "Choose another pool (`gantry pool list`).");

    public static Refusal NoDetach(string volume) => Refusal.Invalid(
        "volume.no_detach", $"'{volume}' is a drive for discs: there is nothing in it to keep.", "Only disks can be detached; `gantry volume remove` takes a drive away.");

    public static Refusal Boots(string instance, string volume) => Refusal.Conflict("volume.boots", $"'{instance}' runs from the volume '{volume}'.", "Stop the instance first.");

    public static Refusal Linked(string instance, string volume) => Refusal.Conflict(
        "volume.linked", $"'{instance}' is a linked clone: its volume '{volume}' stands on what it was cloned from.", $"Make it stand alone first: `gantry promote {instance}`.");
}
