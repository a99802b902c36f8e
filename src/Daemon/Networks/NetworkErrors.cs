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
