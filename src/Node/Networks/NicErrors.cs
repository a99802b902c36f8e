using Gantry.Contracts;

namespace Gantry.Node.Networks;

public static class NicErrors
{
    public static Refusal NetworkUnknown(Id<Network> network) => Refusal.Unavailable(
        "network.not_working", $"The network {network} is not on this node.", "Make it here again: `gantry network repair`; or put the NIC on another.");

    public static Refusal NetworkNotWorking(string network, string why) => Refusal.Unavailable(
        "network.not_working", $"The network '{network}' does not work on this node: {why}.", "`gantry network repair` puts back what Gantry made; a bridge of the host's own has to be made there.");

    public static Refusal Unknown(string instance, string nic) => Refusal.NotFound(
        "nic.unknown", $"'{instance}' has no NIC '{nic}'.", "`gantry info` shows which it has.");
}
