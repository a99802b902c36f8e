using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Node.Networks.Firewall;

/// <summary>
/// The inet table: what passes between a network and the node, the outside and other networks. What neither comes from nor goes to a
/// bridge of Gantry's is let through without a look, for it is nobody's business here.
/// </summary>
internal static class RoutedChains
{
    public static NftTable Compile(NftTable table, IReadOnlyList<NetworkSpec> networks)
    {
        var ours = networks.Where(n => n.Kind != NetworkKind.Bridge).ToList();
        var subnets = ours.Where(n => n.Kind is NetworkKind.Nat or NetworkKind.Isolated).ToList();
        var nats = ours.Where(n => n.Kind == NetworkKind.Nat).ToList();
        foreach (var network in ours)
        {
            AddNetwork(table, network);
        }

        table.Chain("raw",
        [
            "type filter hook prerouting priority raw; policy accept;",
            .. Of(subnets, "iifname {{ {0} }} ip daddr 127.0.0.0/8 drop"),
            .. Of(subnets, "iifname {{ {0} }} ip saddr 127.0.0.0/8 drop"),
        ]);
        table.Chain("input", ["type filter hook input priority filter; policy accept;", .. Map("iifname", ours, "goto", "input")]);
        table.Chain("forward", ["type filter hook forward priority filter; policy accept;", .. Map("iifname", ours, "jump", "from"), .. Map("oifname", ours, "goto", "to")]);

        // A guest that is led back to its own network needs no hint of a shorter way, which would lead around the forward.
        table.Chain("output",
        [
            "type filter hook output priority filter; policy accept;",
            .. Of(nats, "oifname {{ {0} }} icmp type redirect drop"),
            .. Of(nats, "oifname {{ {0} }} icmpv6 type nd-redirect drop"),
        ]);
        ForwardChains.Add(table, subnets, nats);
        return table;
    }

    private static IEnumerable<string> Of(List<NetworkSpec> networks, string rule) =>
        networks.Count == 0 ? [] : [string.Format(CultureInfo.InvariantCulture, rule, string.Join(", ", networks.Select(n => $"\"{NetworkNames.Bridge(n.Id)}\"")))];

    private static IEnumerable<string> Map(string device, List<NetworkSpec> networks, string verb, string chain) =>
        networks.Select(n => NetworkNames.Bridge(n.Id)).Select(bridge => $"\"{bridge}\" : {verb} {bridge}.{chain}").ToList() is { Count: > 0 } elements
            ? [$"{device} vmap {{ {string.Join(", ", elements)} }}"] : [];

    private static void AddNetwork(NftTable table, NetworkSpec network)
    {
        var bridge = NetworkNames.Bridge(network.Id);
        table.Chain($"{bridge}.input", network.Kind == NetworkKind.Vlan ? ["counter drop"] : Input(network));

        // From a bridge to itself: hairpins, and what br_netfilter shows of bridged frames where the host has it.
        table.Chain($"{bridge}.from", network.Kind == NetworkKind.Nat
            ?
            [
                $"oifname \"{bridge}\" accept",
                "ct state established,related accept",
                "ct state invalid counter drop",
                network.Ipv4 is { } ipv4 ? $"ip saddr != {Range(ipv4)} counter drop" : "meta nfproto ipv4 counter drop",
                network.Ipv6 is { } ipv6 ? $"ip6 saddr != {Range(ipv6)} counter drop" : "meta nfproto ipv6 counter drop",
            ]
            : [$"oifname \"{bridge}\" accept", "counter drop"]);
        table.Chain($"{bridge}.to", network.Kind == NetworkKind.Nat
            ? [$"iifname \"{bridge}\" accept", "ct state established,related accept", "ct state invalid counter drop", "ct status dnat accept", "counter drop"]
            : [$"iifname \"{bridge}\" accept", "counter drop"]);
    }

    /// <summary>What guests reach of the node: names, addresses and an echo from the gateway, or all.</summary>
    private static IEnumerable<string> Input(NetworkSpec network)
    {
        yield return "ct state established,related accept";
        yield return "ct state invalid counter drop";
        yield return $"ip saddr != {{ {string.Join(", ", ["0.0.0.0", .. network.Ipv4 is { } ipv4 ? (string[])[Range(ipv4)] : []])} }} counter drop";
        yield return $"ip6 saddr != {{ {string.Join(", ", ["::", "fe80::/64", .. network.Ipv6 is { } ipv6 ? (string[])[Range(ipv6)] : []])} }} counter drop";
        if (network.HostAccess)
        {
            yield return "accept";
            yield break;
        }

        yield return "meta l4proto { icmp, ipv6-icmp } accept";
        if (network.Ipv4 is not null)
        {
            yield return "udp sport 68 udp dport 67 accept";
            yield return $"ip daddr {Gateway(network.Ipv4)} meta l4proto {{ tcp, udp }} th dport 53 accept";
        }

        if (network.Ipv6 is not null)
        {
            yield return "udp sport 546 udp dport 547 accept";
            yield return $"ip6 daddr {{ {Gateway(network.Ipv6)}, fe80::/64 }} meta l4proto {{ tcp, udp }} th dport 53 accept";
        }

        yield return "counter drop";
    }

    public static string Gateway(string address) => address.Split('/')[0];

    public static string Range(string subnet) => $"{AddressRange.Of(Subnet.Parse(subnet))}";
}
