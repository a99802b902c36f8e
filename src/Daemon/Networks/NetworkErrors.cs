using Gantry.Contracts;

namespace Gantry.Daemon.Networks;

internal static class NetworkErrors
{
    public static Refusal Unknown(string name) => Refusal.NotFound("network.unknown", $"There is no network '{name}'.", "`gantry network list` shows those there are.");

    public static Refusal NameTaken(string name) => Refusal.Conflict("network.name_taken", $"There is a network '{name}' already.", "Choose another name.");

    public static Refusal Changed(string name) => new("network.changed", 412, $"'{name}' has changed since you read it.", "Read it again, and decide anew.");

    public static Refusal NotReady(string name) => Refusal.Conflict("network.not_ready", $"The network '{name}' is not ready: it is being made or deleted.", "`gantry operation list` shows how far it is.");

    public static Refusal InUse(string name, IReadOnlyList<string> instances, int count) => Refusal.Conflict(
        "network.in_use", $"The network '{name}' is used by {string.Join(", ", instances)}{(count > instances.Count ? $" and {count - instances.Count} more" : "")}.",
        "Delete these instances or their NICs on it first.");

    public static Refusal Overlaps(string subnet, string with, string whose) => Refusal.Conflict(
        "network.subnet_overlaps", $"The subnet {subnet} overlaps with {with} of {whose}.", "Choose another, or leave it out: a free one is found then.");

    public static Refusal NoFreeSubnet => Refusal.Unavailable("network.no_free_subnet", "There is no free /24 left in 10.0.0.0/8.", "Name a subnet of your own with --ipv4.");

    public static Refusal AddressTaken(string network, string address, string by) => Refusal.Conflict(
        "network.address_taken", $"{address} on '{network}' belongs to {by}.", "Choose another, or leave it out: a free one is found then.");

    public static Refusal AddressOutside(string network, string address, string? subnet) => Refusal.Invalid(
        "network.address_outside",
        subnet is null ? $"The network '{network}' allots no such address as {address}." : $"{address} is none that a guest on '{network}' can have: its subnet and gateway are {subnet}.",
        "Choose one of the subnet, neither its gateway's, nor its first or last.");

    public static Refusal NoFreeAddress(string network, string subnet) => Refusal.Unavailable(
        "network.addresses_used_up", $"All addresses of '{network}' ({subnet}) are taken.", "Delete instances that are no longer needed, or use another network.");

    public static Refusal MacTaken(string network, string mac, string by) => Refusal.Conflict("network.mac_taken", $"The MAC {mac} on '{network}' belongs to {by}.", "Choose another, or leave it out.");

    public static Refusal Fixed(string name) => Refusal.Invalid(
        "network.fixed", $"Kind, devices and subnets of '{name}' stay as they were made: its guests rely on them.", "Make another network, and move the instances.");
}

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

internal static class PolicyErrors
{
    public static Refusal Unknown(string network, string policy) => Refusal.NotFound(
        "policy.unknown", $"There is no policy '{policy}' of the network '{network}'.", "`gantry policy list` shows those there are.");

    public static Refusal TooMany(string network) => Refusal.Conflict("policy.too_many", $"'{network}' would have more than {Limits.Policies} policies.", "Put rules together, or remove some first.");

    /// <param name="document">From 1, as is the line.</param>
    /// <param name="path">Of the field, such as <c>spec.ingress[0].from</c>; empty for the document.</param>
    public static Refusal YamlInvalid(int document, long line, string path, string what, string hint) => Refusal.Invalid(
        "policy.yaml_invalid", $"Document {document}, line {line}{(path.Length > 0 ? $", {path}" : "")}: {what}.", hint);

    public static Refusal NoEnd(string network, string end) => Refusal.Invalid(
        "policy.no_such_end", $"'{end}' is neither an IP address nor an instance on '{network}'.", $"`gantry network addresses {network}` shows the instances.");
}
