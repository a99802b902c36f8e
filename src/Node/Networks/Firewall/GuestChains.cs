using System.Net;
using System.Net.NetworkInformation;
using Gantry.Contracts;

namespace Gantry.Node.Networks.Firewall;

/// <summary>
/// The bridge table: for each NIC what its guest may send (its own addresses, nothing that a router or a DHCP server sends) and be sent.
/// Neighbours, DHCP and the groups of multicast listeners are spoken of whatever the policies say.
/// </summary>
internal static class GuestChains
{
    private const string AskedByNeighbours = "{ nd-router-solicit, nd-neighbor-solicit, mld-listener-report, mld-listener-done, mld2-listener-report }";
    private const string SaidToNeighbours =
        "{ nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report }";

    /// <summary>What a chain is for one NIC made of.</summary>
    /// <param name="Ipv4">Null for none, or for none that is known.</param>
    /// <param name="Allots">The network gives addresses, so that a guest has no other.</param>
    /// <param name="Guarded">Policies or defaults say something of it.</param>
    private sealed record Guest(string Tap, string Mac, IPAddress? Ipv4, IPAddress? Ipv6, bool Allots, bool Guarded, NetworkSpec Network)
    {
        /// <summary>By EUI-64 (RFC 4291, appendix A): a bridge, and so the gateway, has such a one too.</summary>
        public string LinkLocal => Eui64.LinkLocal(Mac);

        public string Admit => Guarded ? $"goto {Tap}.out" : "accept";
    }

    public static NftTable Compile(NftTable table, IReadOnlyList<NetworkSpec> networks)
    {
        var from = new List<string>();
        var to = new List<string>();
        var kept = new List<string>();
        foreach (var network in networks)
        {
            var policies = new PolicyChains(table, network);
            foreach (var nic in network.Addresses.OrderBy(n => NetworkNames.Tap(n.InstanceId, n.Nic), StringComparer.Ordinal))
            {
                var guest = Of(network, nic, policies);
                from.Add($"\"{guest.Tap}\" : goto {guest.Tap}.from");
                to.Add($"\"{guest.Tap}\" : goto {guest.Tap}.to");
                AddFrom(table, guest);
                AddTo(table, guest);
                if (guest.Guarded)
                {
                    policies.Add(guest.Tap, nic);
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
        : AddressRange.TryParseAddress(text, out var address) ? address
        : throw FirewallErrors.NotValid(network, $"'{text}' is no address, of NIC {nic.Nic} of '{nic.Instance}'");

    private static void AddFrom(NftTable table, Guest guest)
    {
        var (tap, mac) = (guest.Tap, guest.Mac);
        table.Chain($"{tap}.from",
        [
            $"ether saddr != {mac} counter drop",
            $"ether type vmap {{ arp : goto {tap}.arp, ip : goto {tap}.ip, ip6 : goto {tap}.ip6 }}",
            "counter drop",
        ]);
        table.Chain($"{tap}.arp", guest switch
        {
            { Ipv4: { } address } =>
            [
                $"arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp operation {{ request, reply }} arp saddr ether {mac} arp saddr ip {address} accept",
                $"arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp operation request arp saddr ether {mac} arp saddr ip 0.0.0.0 accept",
                "counter drop",
            ],
            { Allots: true } => ["counter drop"],
            _ => [$"arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp saddr ether {mac} accept", "counter drop"],
        });
        table.Chain($"{tap}.ip", guest switch
        {
            { Ipv4: { } address } =>
            [
                "udp dport 68 counter drop",
                "ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept",
                $"ip saddr != {address} counter drop",
                $"{(Gateway(guest.Network.Ipv4) is { } gateway ? $"ip daddr {{ 255.255.255.255, {gateway} }} " : "")}udp sport 68 udp dport 67 accept",
                guest.Admit,
            ],
            { Allots: true } => ["counter drop"],
            _ => ["udp dport 68 counter drop", "udp sport 68 udp dport 67 accept", guest.Admit],
        });
        AddFromIpv6(table, guest);
    }

    private static void AddFromIpv6(NftTable table, Guest guest)
    {
        var tap = guest.Tap;
        string[] first = ["icmpv6 type { nd-router-advert, nd-redirect, mld-listener-query } counter drop", "udp dport 546 counter drop"];
        if (guest is { Allots: false, Ipv6: null })
        {
            table.Chain($"{tap}.ip6", [.. first, "icmpv6 type nd-neighbor-advert accept", $"icmpv6 type {AskedByNeighbours} accept", "udp sport 546 udp dport 547 accept", guest.Admit]);
            return;
        }

        var own = guest.Ipv6 is { } address ? $"{{ {address}, {guest.LinkLocal} }}" : guest.LinkLocal;
        table.Chain($"{tap}.ip6",
        [
            .. first,
            $"ip6 saddr {own} goto {tap}.own6",
            $"ip6 saddr :: icmpv6 type nd-neighbor-solicit goto {tap}.target",
            "ip6 saddr :: icmpv6 type { nd-router-solicit, mld-listener-report, mld2-listener-report } accept",

            // Link-local addresses that are made of a MAC (bits 24 to 39 of the interface are fffe) belong to that card alone; others may be random ones.
            "ip6 saddr & ::ff:ff00:0 == ::ff:fe00:0 counter drop",
            $"ip6 saddr fe80::/64 goto {tap}.own6",
            "counter drop",
        ]);
        table.Chain($"{tap}.own6",
        [
            $"icmpv6 type nd-neighbor-advert goto {tap}.target",
            $"icmpv6 type {AskedByNeighbours} accept",
            "ip6 daddr { ff02::1:2, fe80::/64 } udp sport 546 udp dport 547 accept",
            guest.Admit,
        ]);

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

    private static void AddTo(NftTable table, Guest guest)
    {
        var rules = new List<string> { "meta protocol arp accept", "meta protocol != { ip, ip6 } counter drop" };
        if (guest.Allots)
        {
            rules.Add(guest.Ipv4 is { } ipv4 ? $"ip daddr != {{ {string.Join(", ", [$"{ipv4}", .. Broadcast(guest.Network), "255.255.255.255", "224.0.0.0/4"])} }} counter drop" : "meta protocol ip counter drop");
            rules.Add(guest.Ipv6 is { } ipv6 ? $"ip6 daddr != {{ {ipv6}, fe80::/64, ff00::/8 }} counter drop" : "ip6 daddr != { fe80::/64, ff00::/8 } counter drop");
        }

        if (guest.Guarded)
        {
            rules.Add($"icmpv6 type {SaidToNeighbours} accept");
            rules.Add($"{(guest.Allots && Gateway(guest.Network.Ipv4) is { } gateway ? $"ip saddr {gateway} " : "")}udp sport 67 udp dport 68 accept");
            rules.Add("ip6 saddr fe80::/64 udp sport 547 udp dport 546 accept");
            rules.Add($"goto {guest.Tap}.in");
        }

        table.Chain($"{guest.Tap}.to", rules);
    }

    private static string? Gateway(string? ipv4) => ipv4?.Split('/')[0];

    private static IEnumerable<string> Broadcast(NetworkSpec network) =>
        network.Ipv4 is { } ipv4 && AddressRange.NetworkOf(ipv4) is var subnet && subnet.Last - subnet.First >= 3 ? [$"{subnet with { First = subnet.Last }}"] : [];
}
