using Gantry.Contracts;

namespace Gantry.Node.Networks.Firewall;

internal static class FirewallErrors
{
    public static Refusal NotValid(NetworkSpec network, string what) => Refusal.Invalid(
        "firewall.not_valid", $"The filters of network '{network.Name}' cannot be made: {what}.", "Correct it; nothing was changed.");

    public static Refusal NotApplied(string why, Exception inner) => new(
        "firewall.not_applied", 503, $"The filters could not be changed, and are as they were: {why}",
        "`nft --version` should say 1.0.6 or newer; `gantry doctor` checks this host.", inner: inner);
}
