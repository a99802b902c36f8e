using Gantry.Contracts;

namespace Gantry.Daemon.Clones;

internal static class CloneErrors
{
    public static Refusal OtherPool(string volume, string pool) => Refusal.Conflict(
        "clone.other_pool", $"A linked clone's disks lie where its parent's do, and '{volume}' is to lie in '{pool}'.", "Leave the pool out, or make a full clone (without --linked).");

    public static Refusal MacTaken(string mac, string instance) => Refusal.Conflict(
        "clone.mac_taken", $"The MAC {mac} belongs to a NIC of '{instance}'.", "Choose another, or leave it out.");

    public static Refusal NotLinked(string instance) => Refusal.Conflict(
        "clone.not_linked", $"'{instance}' stands on nothing: it is no linked clone, or none any more.", "`gantry info` shows the parent of a linked clone.");
}
