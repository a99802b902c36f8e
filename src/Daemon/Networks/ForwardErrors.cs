using Gantry.Contracts;

namespace Gantry.Daemon.Networks;

internal static class ForwardErrors
{
    public static Refusal Unknown(string network, string forward) => Refusal.NotFound(
        "forward.unknown", $"There is no forward '{forward}' of the network '{network}'.", "`gantry forward list` shows those there are.");

    public static Refusal Conflicts(string ports, string with) => Refusal.Conflict("forward.conflicts", $"{ports} is taken by {with}.", "Choose other ports, or other addresses of the host.");

    public static Refusal NoTarget(string network, string instance, string? nic) => Refusal.Invalid(
        "forward.no_target", nic is null ? $"'{instance}' has no NIC with an address on '{network}'." : $"'{instance}' has no NIC '{nic}' with an address on '{network}'.",
        $"`gantry network addresses {network}` shows who has.");

    public static Refusal TooMany(string network) => Refusal.Conflict("forward.too_many", $"'{network}' has {Limits.Forwards} forwards, and no more are possible.", "Forward ranges of ports, or remove some first.");

    public static Refusal NotOnKind(string network) => Refusal.Invalid(
        "forward.not_possible", $"Nothing is forwarded to '{network}': only networks of kind nat take forwards.", "Guests on a bridge or a VLAN are reached directly.");
}
