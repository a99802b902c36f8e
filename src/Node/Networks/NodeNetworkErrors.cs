using Gantry.Contracts;

namespace Gantry.Node.Networks;

internal static class NodeNetworkErrors
{
    public static Refusal Unknown(Id<Network> id) => Refusal.NotFound(
        "network.unknown_here", $"This node keeps no network {id}.", "List them with `gantry network list`; delete it and create it anew if it is still shown there.");

    public static Refusal Damaged(string path, string why) => Refusal.Conflict(
        "network.file_damaged", $"{path} cannot be read: {why}.", "Restore the file from a copy, or change the network: it is then written anew.");

    public static Refusal Invalid(string network, string why) => Refusal.Invalid(
        "network.invalid", $"The network '{network}' cannot be set up: {why}.", "Change what is named; `gantry network info NAME` shows the network.");

    public static Refusal DeviceMissing(NeededLink link, bool isThere) => Refusal.Unavailable(
        "network.device_missing",
        !isThere ? $"This node has no network device {link.Device}, which '{link.Network}' needs."
            : $"The device {link.Device} that '{link.Network}' needs is no {link.Kind}.",
        "`ip link` on the node shows its devices.");

    public static Refusal NotSetUp(string why) => Refusal.Unavailable(
        "network.not_set_up", $"The node's networks cannot be set up: {why}.",
        "`gantry doctor` says what is missing on the node: iproute2, procps, nftables and dnsmasq-base are needed.");

    public static Refusal NoNames(string network, string why) => Refusal.Unavailable(
        "network.no_addresses", $"dnsmasq, which gives addresses and names to '{network}', did not start: {why}",
        "Install it on the node (`apt-get install dnsmasq-base`), and end what listens on port 53 or 67 of every address (`ss -lnup`).");

    public static Refusal UidsUsedUp(int all) => Refusal.Unavailable(
        "node.uids_used_up", $"All {all} user ids of this node for dnsmasq are in use.", "Delete networks that are no longer needed, or set a larger range with `instances.uids`.");
}
