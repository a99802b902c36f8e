using System.Net;
using System.Net.NetworkInformation;
using Gantry.Contracts;

namespace Gantry.Node.Networks.Firewall;

/// <summary>
/// The bridge table: for each NIC what its guest may send (its own addresses, nothing that a router or a DHCP server sends) and be sent.
/// Neighbours, DHCP and the groups of multicast listeners are spoken of whatever the policies say.
/// </summary>
/// <remarks>What is the same for all stands in chains of its own, and sets are few: the kernel compares the name of each with all others.</remarks>
internal static class GuestChains
{
    /// <summary>What a guest must not say, in IPv6.</summary>
    private const string Unfit = "unfit6";

    /// <summary>What a guest without an address may say, in IPv6.</summary>
    private const string Unset = "unset6";

    /// <summary>What a guest asks its neighbours, in IPv6.</summary>
    private const string Asked = "asked6";

    private static readonly Subnet LinkLocalNetwork = Subnet.Parse("fe80::/64");

    /// <summary>What a chain is for one NIC made of.</summary>
    /// <param name="Ipv4">Null for none, or for none that is known.</param>
    /// <param name="Allots">The network gives addresses, so that a guest has no other.</param>
    /// <param name="Guarded">Policies or defaults say something of it.</param>
    private sealed record Guest(string Tap, string Mac, IPAddress? Ipv4, IPAddress? Ipv6, bool Allots, bool Guarded, NetworkSpec Network)
    {
        /// <summary>By EUI-64 (RFC 4291, appendix A): a bridge, and so the gateway, has such a one too.</summary>
        public string LinkLocal => $"{LinkLocalNetwork.Eui64(Mac)}";

        public string Admit => Guarded ? $"goto {Tap}.out" : "accept";

        public string Deliver => Guarded ? $"goto {Tap}.in" : "accept";

        public string? Gateway => Allots ? Network.Ipv4?.Split('/')[0] : null;
    }

    public static NftTable Compile(NftTable table, IReadOnlyList<NetworkSpec> networks)
    {
        var from = new List<string>();
        var to = new List<string>();
        var kept = new List<string>();
        AddShared(table);
        foreach (var network in networks)
        {
            var policies = new PolicyChains(table, network);
            foreach (var nic in network.Addresses.OrderBy(n => NetworkNames.Tap(n.InstanceId, n.Nic), StringComparer.Ordinal))
            {
                var guest = Of(network, nic, policies);
                if (table.Chains.ContainsKey($"{guest.Tap}.from"))
                {
                    throw FirewallErrors.NotValid(network, $"NIC {nic.Nic} of '{nic.Instance}' is on it twice, or on another one too");
                }

                from.Add($"\"{guest.Tap}\" : goto {guest.Tap}.from");
                to.Add($"\"{guest.Tap}\" : goto {guest.Tap}.to");
                AddFrom(table, guest);
                AddFromIpv4(table, guest);
                AddFromIpv6(table, guest);
                AddTo(table, guest);
                if (guest.Guarded)
                {
                    policies.Add(guest.Tap, nic, guest.Gateway);
                    ConnectionChains.Add(table, guest.Tap);
                    kept.Add($"\"{guest.Tap}\" : goto {guest.Tap}.keep");
                }
            }
        }

        table.Chain("prerouting", Base("prerouting", "filter", "iifname", from));
        table.Chain("postrouting", Base("postrouting", "filter", "oifname", to));
        table.Chain("prerouting.keep", Base("prerouting", "filter + 10", "iifname", kept));
        table.Chain("postrouting.keep", Base("postrouting", "filter + 10", "oifname", kept));
        return table;
    }

    private static IEnumerable<string> Base(string hook, string priority, string device, List<string> chains) =>
        [$"type filter hook {hook} priority {priority}; policy accept;", .. chains.Count == 0 ? (string[])[] : [$"{device} vmap {{ {string.Join(", ", chains)} }}"]];

    private static void AddShared(NftTable table)
    {
        table.Chain(Unfit, ["icmpv6 type { nd-router-advert, nd-redirect, mld-listener-query } counter drop", "udp dport 546 counter drop"]);
        table.Chain(Unset, ["icmpv6 type { nd-router-solicit, mld-listener-report, mld2-listener-report } accept", "counter drop"]);
        table.Chain(Asked,
        [
            "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, mld-listener-report, mld-listener-done, mld2-listener-report } accept",
            "ip6 daddr { ff02::1:2, fe80::/64 } udp sport 546 udp dport 547 accept",
        ]);
    }

    private static Guest Of(NetworkSpec network, NicAddress nic, PolicyChains policies)
    {
        if (!PhysicalAddress.TryParse(nic.Mac, out var mac) || mac.GetAddressBytes().Length != 6)
        {
            throw FirewallErrors.NotValid(network, $"'{nic.Mac}' is no MAC address, of NIC {nic.Nic} of '{nic.Instance}'");
        }

        return new(NetworkNames.Tap(nic.InstanceId, nic.Nic), string.Join(':', mac.GetAddressBytes().Select(b => $"{b:x2}")),
            Address(network, nic, nic.Ipv4), Address(network, nic, nic.Ipv6), network.Kind is NetworkKind.Nat or NetworkKind.Isolated, policies.Concern(nic), network);
    }

    private static IPAddress? Address(NetworkSpec network, NicAddress nic, string? text) =>
        text is null ? null
        : Subnet.TryParseAddress(text, out var address) ? address
        : throw FirewallErrors.NotValid(network, $"'{text}' is no address, of NIC {nic.Nic} of '{nic.Instance}'");

    private static void AddFrom(NftTable table, Guest guest)
    {
        var (tap, mac) = (guest.Tap, guest.Mac);
        table.Chain($"{tap}.from",
        [
            $"ether saddr != {mac} counter drop",
            $"ether type ip goto {tap}.ip",
            $"ether type ip6 goto {tap}.ip6",
            $"ether type arp goto {tap}.arp",
            "counter drop",
        ]);
        table.Chain($"{tap}.arp", guest switch
        {
            { Ipv4: { } address } =>
            [
                $"arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp operation 1-2 arp saddr ether {mac} arp saddr ip {address} accept",
                $"arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp operation request arp saddr ether {mac} arp saddr ip 0.0.0.0 accept",
                "counter drop",
            ],
            { Allots: true } => ["counter drop"],
            _ => [$"arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp saddr ether {mac} accept", "counter drop"],
        });
    }

    private static void AddFromIpv4(NftTable table, Guest guest) => table.Chain($"{guest.Tap}.ip", guest switch
    {
        { Ipv4: { } address } =>
        [
            "udp dport 68 counter drop",
            "ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept",
            $"ip saddr != {address} counter drop",
            .. new[] { "255.255.255.255", guest.Gateway }.OfType<string>().Select(server => $"ip daddr {server} udp sport 68 udp dport 67 accept"),
            guest.Admit,
        ],
        { Allots: true } => ["counter drop"],
        _ => ["udp dport 68 counter drop", "udp sport 68 udp dport 67 accept", guest.Admit],
    });

    private static void AddFromIpv6(NftTable table, Guest guest)
    {
        var tap = guest.Tap;
        if (guest is { Allots: false, Ipv6: null })
        {
            table.Chain($"{tap}.ip6", [$"jump {Unfit}", "icmpv6 type nd-neighbor-advert accept", $"jump {Asked}", guest.Admit]);
            return;
        }

        table.Chain($"{tap}.ip6",
        [
            $"jump {Unfit}",
            .. guest.Ipv6 is { } address ? (string[])[$"ip6 saddr {address} goto {tap}.own6"] : [],
            $"ip6 saddr {guest.LinkLocal} goto {tap}.own6",
            $"ip6 saddr :: icmpv6 type nd-neighbor-solicit goto {tap}.target",
            $"ip6 saddr :: goto {Unset}",

            // Link-local addresses that are made of a MAC (bits 24 to 39 of the interface are fffe) belong to that card alone; others may be random ones.
            "ip6 saddr & ::ff:ff00:0 == ::ff:fe00:0 counter drop",
            $"ip6 saddr fe80::/64 goto {tap}.own6",
            "counter drop",
        ]);
        table.Chain($"{tap}.own6", [$"icmpv6 type nd-neighbor-advert goto {tap}.target", $"jump {Asked}", guest.Admit]);

        // What it says is its own: the target (RFC 4861, 4.3 and 4.4) is read where the header of ICMPv6 has it.
        table.Chain($"{tap}.target",
        [
            .. guest.Ipv6 is { } allotted ? (string[])[$"@th,64,128 0x{Convert.ToHexStringLower(allotted.GetAddressBytes())} accept"] : [],
            $"@th,64,128 0x{Convert.ToHexStringLower(IPAddress.Parse(guest.LinkLocal).GetAddressBytes())} accept",
            "@th,152,16 0xfffe counter drop",
            "@th,64,64 0xfe80000000000000 accept",
            "counter drop",
        ]);
    }

    /// <summary>A frame for a guest is addressed to it by its IP address too, so that what is decided for one address reaches no other guest.</summary>
    private static void AddTo(NftTable table, Guest guest)
    {
        string[] destinations = !guest.Allots ? ["meta protocol ip", "meta protocol ip6"]
            :
            [
                .. guest.Ipv4 is { } ipv4 ? (string[])[$"ip daddr {ipv4}", "ip daddr 224.0.0.0-255.255.255.255", .. Broadcast(guest.Network).Select(b => $"ip daddr {b}")] : [],
                .. guest.Ipv6 is { } ipv6 ? (string[])[$"ip6 daddr {ipv6}"] : [],
                "ip6 daddr fe80::/64",
                "ip6 daddr ff00::/8",
            ];
        table.Chain($"{guest.Tap}.to", [.. destinations.Select(d => $"{d} {guest.Deliver}"), "meta protocol arp accept", "counter drop"]);
    }

    private static IEnumerable<string> Broadcast(NetworkSpec network) =>
        network.Ipv4 is { } ipv4 && AddressRange.Of(Subnet.Parse(ipv4)) is var subnet && subnet.Last - subnet.First >= 3 ? [$"{subnet with { First = subnet.Last }}"] : [];
}
