using Gantry.Contracts;

namespace Gantry.Node.Networks.Firewall;

/// <summary>What one rule of a policy is in nftables: up to one for each protocol and family, with the rule's number as comment.</summary>
internal static class PolicyMatch
{
    // The kernel takes 127 characters (NF_LOG_PREFIXLEN), and each name may have 63.
    private const int LogPrefixLength = 127;

    public static IEnumerable<string> Rules(NetworkSpec network, Policy policy, int number)
    {
        var rule = policy.Rules[number];
        var verdict = rule.Action == PolicyAction.Allow ? "accept" : "drop";
        foreach (var peers in Peers(network, rule))
        {
            foreach (var ports in Ports(network, rule))
            {
                var match = $"{peers}{ports}";
                if (rule.Log)
                {
                    yield return $"{match}limit rate 10/second burst 10 packets log prefix \"{LogPrefix(network, policy, number)}\" level info";
                }

                yield return $"{match}counter {verdict} comment \"{number}\"";
            }
        }
    }

    private static string LogPrefix(NetworkSpec network, Policy policy, int number)
    {
        var end = $"/{policy.Name}/{number}: ";
        var name = new string([.. network.Name.Where(c => char.IsAsciiLetterOrDigit(c) || c == '-')]);
        return $"gantry {name[..Math.Min(name.Length, LogPrefixLength - 7 - end.Length)]}{end}";
    }

    /// <summary>Who is at the other end: nothing for anybody, no string at all for nobody.</summary>
    private static IEnumerable<string> Peers(NetworkSpec network, PolicyRule rule)
    {
        if (rule.Peers is null)
        {
            yield return "";
            yield break;
        }

        var end = rule.Direction == PolicyDirection.In ? "saddr" : "daddr";
        foreach (var family in rule.Peers.SelectMany(p => Ranges(network, p)).ToLookup(r => r.IsIpv6).OrderBy(f => f.Key))
        {
            yield return $"{(family.Key ? "ip6" : "ip")} {end} {{ {string.Join(", ", AddressRange.Merge(family))} }} ";
        }
    }

    private static IEnumerable<AddressRange> Ranges(NetworkSpec network, PolicyPeer peer)
    {
        var cidr = peer.Cidr is { } text ? Range(network, text).Without([.. (peer.Except ?? []).Select(e => Range(network, e))]) : [];
        var instances = peer.Instances is { } selector
            ? network.Addresses.Where(n => selector.Chooses(n.Labels)).SelectMany(n => new[] { n.Ipv4, n.Ipv6 }).OfType<string>()
                .Select(a => Subnet.TryParseAddress(a, out var address) ? AddressRange.Of(address) : throw FirewallErrors.NotValid(network, $"'{a}' is no address"))
            : [];
        return cidr.Concat(instances);
    }

    private static AddressRange Range(NetworkSpec network, string cidr) =>
        AddressRange.TryParse(cidr, out var range) ? range : throw FirewallErrors.NotValid(network, $"'{cidr}' is no range of addresses such as 10.0.0.0/8");

    private static IEnumerable<string> Ports(NetworkSpec network, PolicyRule rule)
    {
        if (rule.Ports is null)
        {
            yield return "";
            yield break;
        }

        foreach (var protocol in rule.Ports.GroupBy(p => p.Protocol).OrderBy(p => p.Key))
        {
            if (protocol.Key == PolicyProtocol.Icmp && protocol.Any(p => p.Ports is not null))
            {
                throw FirewallErrors.NotValid(network, "ICMP has no ports");
            }

            var ranges = protocol.Any(p => p.Ports is null) ? null
                : PortRange.Merge(protocol.Select(p => PortRange.TryParse(p.Ports, out var range) ? range
                    : throw FirewallErrors.NotValid(network, $"'{p.Ports}' is no port and no range of ports")));
            yield return protocol.Key switch
            {
                PolicyProtocol.Icmp => "meta l4proto { icmp, ipv6-icmp } ",
                _ when ranges is null => $"meta l4proto {Word(protocol.Key)} ",
                _ => $"{Word(protocol.Key)} dport {{ {string.Join(", ", ranges)} }} ",
            };
        }
    }

    private static string Word(PolicyProtocol protocol) => protocol switch
    {
        PolicyProtocol.Tcp => "tcp",
        PolicyProtocol.Udp => "udp",
        PolicyProtocol.Sctp => "sctp",
        _ => throw new ArgumentOutOfRangeException(nameof(protocol)),
    };
}
