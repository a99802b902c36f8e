using System.Net;
using System.Net.Sockets;
using Gantry.Contracts;

namespace Gantry.Node.Networks.Firewall;

/// <summary>
/// Translation of addresses: forwards to guests of <c>nat</c> networks, from outside, from guests and from the node itself, and the node's
/// address on what leaves those networks. A forward is an entry of a map, so a packet looks up once however many there are.
/// </summary>
internal static class ForwardChains
{
    /// <summary>One protocol and family of a forward, to one guest.</summary>
    /// <param name="Host">An address of the node; null for all.</param>
    /// <param name="Shift">What is added to a port of the host's.</param>
    private sealed record Entry(TransportProtocol Protocol, bool IsIpv6, string? Host, PortRange Ports, int Shift, string Guest);

    public static void Add(NftTable table, IReadOnlyList<NetworkSpec> subnets, IReadOnlyList<NetworkSpec> nats)
    {
        var entries = nats.SelectMany(Entries).ToList();
        table.Chain("dstnat", ["type nat hook prerouting priority dstnat; policy accept;", "ip6 daddr fe80::/10 return", .. Local(entries)]);
        table.Chain("dstnat.own", ["type nat hook output priority -100; policy accept;", "ip6 daddr fe80::/10 return", .. Local(entries)]);
        table.Chain("srcnat", ["type nat hook postrouting priority srcnat; policy accept;", .. SourceNat(subnets, nats)]);

        // What a network's own services listen on is not forwarded, even by a forward from all addresses.
        table.Chain("forwards",
        [
            .. Own("ip", "67", subnets.Select(n => n.Ipv4)),
            .. Own("ip6", "547", subnets.Select(n => n.Ipv6)),
            .. from family in (bool[])[false, true]
               from protocol in Enum.GetValues<TransportProtocol>()
               from chosen in (bool[])[true, false]
               from shifted in (bool[])[true, false]
               let some = entries.Where(e => e.IsIpv6 == family && e.Protocol == protocol && e.Host is not null == chosen && e.Shift != 0 == shifted).ToList()
               where some.Count > 0
               select Translation(family ? "ip6" : "ip", protocol == TransportProtocol.Tcp ? "tcp" : "udp", chosen, shifted, some),
        ]);
    }

    /// <summary>Devices of networks whose guests the node itself reaches by forwards from its loopback address: they must take such packets.</summary>
    public static IEnumerable<string> DevicesWithLoopback(IReadOnlyList<NetworkSpec> networks) =>
        from network in networks
        where network.Kind == NetworkKind.Nat
            && Entries(network).Any(e => !e.IsIpv6 && (e.Host is null || IPAddress.IsLoopback(IPAddress.Parse(e.Host))))
        select NetworkNames.Bridge(network.Id);

    private static IEnumerable<string> Local(List<Entry> entries) => entries.Count == 0 ? [] : ["fib daddr type local jump forwards"];

    private static IEnumerable<string> Own(string family, string dhcp, IEnumerable<string?> gateways) =>
        gateways.OfType<string>().Select(RoutedChains.Gateway).ToList() is { Count: > 0 } all
            ? [$"{family} daddr {{ {string.Join(", ", all)} }} meta l4proto {{ tcp, udp }} th dport {{ 53, {dhcp} }} return"] : [];

    /// <summary>Ports that stay what they are stay in ranges; others are translated one by one.</summary>
    private static string Translation(string family, string protocol, bool chosen, bool shifted, List<Entry> entries)
    {
        var key = chosen ? $"{family} daddr . {protocol} dport" : $"{protocol} dport";
        var elements =
            from entry in entries
            let host = chosen ? $"{entry.Host} . " : ""
            from element in shifted
                ? Enumerable.Range(entry.Ports.First, entry.Ports.Count).Select(port => $"{host}{port} : {entry.Guest} . {port + entry.Shift}")
                : [$"{host}{entry.Ports} : {entry.Guest}"]
            select element;
        return $"dnat {family} to {key} map {{ {string.Join(", ", elements)} }}";
    }

    private static IEnumerable<string> SourceNat(IReadOnlyList<NetworkSpec> subnets, IReadOnlyList<NetworkSpec> nats)
    {
        foreach (var (family, loopback, own) in ((string, string?, Func<NetworkSpec, string?>)[])[("ip", "127.0.0.0/8", n => n.Ipv4), ("ip6", null, n => n.Ipv6)])
        {
            var with = nats.Where(n => own(n) is not null).ToList();
            if (with.Count == 0)
            {
                continue;
            }

            // A guest that reaches one of its own network by a forward must be answered through the node, else it gets answers of a stranger.
            var inside = with.Select(n => $"\"{NetworkNames.Bridge(n.Id)}\" . {RoutedChains.Range(own(n)!)}");
            yield return $"ct status dnat oifname . {family} saddr {{ {string.Join(", ", inside)} }} masquerade";
            if (loopback is not null)
            {
                yield return $"ct status dnat {family} saddr {loopback} oifname {{ {string.Join(", ", with.Select(n => $"\"{NetworkNames.Bridge(n.Id)}\""))} }} masquerade";
            }
        }

        if (subnets.Count > 0)
        {
            yield return $"oifname {{ {string.Join(", ", subnets.Select(n => $"\"{NetworkNames.Bridge(n.Id)}\""))} }} accept";
        }

        foreach (var (family, own) in ((string, Func<NetworkSpec, string?>)[])[("ip", n => n.Ipv4), ("ip6", n => n.Ipv6)])
        {
            if (nats.Select(own).OfType<string>().Select(RoutedChains.Range).ToList() is { Count: > 0 } all)
            {
                yield return $"{family} saddr {{ {string.Join(", ", all)} }} masquerade";
            }
        }
    }

    private static IEnumerable<Entry> Entries(NetworkSpec network)
    {
        foreach (var forward in network.Forwards)
        {
            var guest = network.Addresses.FirstOrDefault(n => n.Instance == forward.Instance && (forward.Nic is null || n.Nic == forward.Nic))
                ?? throw FirewallErrors.NotValid(network, $"no NIC of '{forward.Instance}' is on it, which {forward.HostPorts} should be forwarded to");
            if (!PortRange.TryParse(forward.HostPorts, out var ports) || forward.InstancePort is < 1 || (forward.InstancePort ?? 0) + ports.Count - 1 > ushort.MaxValue)
            {
                throw FirewallErrors.NotValid(network, $"'{forward.HostPorts}' is no port and no range of ports that can be forwarded");
            }

            var shift = (forward.InstancePort ?? ports.First) - ports.First;
            foreach (var host in forward.HostAddresses?.Select(a => Host(network, a)) ?? [null])
            {
                foreach (var (isIpv6, to) in ((bool, string?)[])[(false, guest.Ipv4), (true, guest.Ipv6)])
                {
                    if (to is not null && (host is null || host.AddressFamily == AddressFamily.InterNetworkV6 == isIpv6))
                    {
                        yield return new(forward.Protocol, isIpv6, host?.ToString(), ports, shift,
                            Subnet.TryParseAddress(to, out var address) ? $"{address}" : throw FirewallErrors.NotValid(network, $"'{to}' is no address"));
                    }
                }
            }
        }
    }

    private static IPAddress? Host(NetworkSpec network, string address) =>
        Subnet.TryParseAddress(address, out var host) ? host : throw FirewallErrors.NotValid(network, $"'{address}' is no address to forward from");
}
