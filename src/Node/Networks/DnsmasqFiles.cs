using System.Globalization;
using System.Net;
using System.Text;
using Gantry.Contracts;

namespace Gantry.Node.Networks;

/// <summary>
/// What a network's dnsmasq is told (dnsmasq(8), 2.90): its options, and in two files that it reads again when told to the addresses and
/// the names of all NICs. It keeps nothing itself: every address is allotted, so a new one goes on where the old one ended.
/// </summary>
/// <param name="Options">A configuration file.</param>
/// <param name="Leases">Lines of <c>--dhcp-host</c>.</param>
/// <param name="Names">As /etc/hosts is.</param>
internal sealed record DnsmasqFiles(string Options, string Leases, string Names)
{
    /// <summary>How long a guest keeps an address before it asks again.</summary>
    private const string Lease = "1h";

    /// <summary>More than any network has NICs: beyond it nobody gets an address.</summary>
    private const int MostLeases = 100_000;

    /// <summary>The enterprise number for examples (RFC 5612), so that the server has the same identity (RFC 8415, section 11.3) after every start.</summary>
    private const int Enterprise = 32473;

    /// <summary>Only for networks with a subnet.</summary>
    public static bool IsFor(NetworkSpec network) => network.Kind is NetworkKind.Nat or NetworkKind.Isolated && (network.Ipv4 ?? network.Ipv6) is not null;

    /// <param name="network">One that <see cref="NetworkCheck"/> let pass: what stands in it is written as it is.</param>
    /// <param name="run">The folder the two other files lie in.</param>
    public static DnsmasqFiles Of(NetworkSpec network, string run)
    {
        var addresses = network.Addresses.OrderBy(a => a.Instance, StringComparer.Ordinal).ThenBy(a => a.Nic, StringComparer.Ordinal).ToList();
        return new(
            Lines([.. General(network, run), .. Ipv4(network), .. Ipv6(network)]),
            Lines(addresses.Select(a => string.Join(',', ((string?[])[a.Mac.ToLowerInvariant(), Canonical(a.Ipv4), Bracketed(network, a.Ipv6), a.Instance]).OfType<string>()))),
            Lines(
                from a in addresses
                from address in ((string?[])[Canonical(a.Ipv4), Canonical(a.Ipv6)]).OfType<string>()
                select $"{address} {a.Instance}.{network.Domain} {a.Instance}"));
    }

    /// <summary>Whether all that was told before is told yet: then reading again is enough. What is taken back it would go on to hold for leased.</summary>
    public bool OnlyAddsTo(DnsmasqFiles before) =>
        Options == before.Options
            && before.Leases.Split('\n').All(Leases.Split('\n').ToHashSet().Contains) && before.Names.Split('\n').All(Names.Split('\n').ToHashSet().Contains);

    private static IEnumerable<string> General(NetworkSpec network, string run) =>
    [
        $"# Network {network.Name}: written by Gantry, which writes it anew at every start.",
        $"interface={NetworkNames.Bridge(network.Id)}", "bind-interfaces", "except-interface=lo", "user=", "group=", "pid-file",
        "no-hosts", $"addn-hosts={run}/names", $"domain={network.Domain}", $"local=/{network.Domain}/", "domain-needed", "bogus-priv",
        .. network.Kind == NetworkKind.Isolated ? ["no-resolv"] : (string[])[],
        $"dhcp-hostsfile={run}/leases", "leasefile-ro", "dhcp-authoritative", "dhcp-ignore=tag:!known", "dhcp-ignore-names", "no-ping",
        string.Create(CultureInfo.InvariantCulture, $"dhcp-lease-max={MostLeases}"), "quiet-dhcp", "quiet-dhcp6", "quiet-ra", "log-async=20",
    ];

    private static IEnumerable<string> Ipv4(NetworkSpec network)
    {
        if (network.Ipv4 is null)
        {
            yield break;
        }

        var subnet = Subnet.Parse(network.Ipv4);
        yield return $"dhcp-range={subnet.First},static,{Netmask(subnet)},{Lease}";
        if (network.Kind == NetworkKind.Isolated)
        {
            yield return "dhcp-option=option:router";
        }

        if (LinkPlan.MtuOf(network) is not LinkPlan.DefaultMtu and var mtu)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"dhcp-option-force=option:mtu,{mtu}");
        }
    }

    private static IEnumerable<string> Ipv6(NetworkSpec network)
    {
        if (network.Ipv6 is null)
        {
            yield break;
        }

        var subnet = Subnet.Parse(network.Ipv6);
        var mode = network.Ipv6Mode == Ipv6Mode.Slaac ? "ra-stateless" : "static";
        yield return string.Create(CultureInfo.InvariantCulture, $"dhcp-range={subnet.First},{mode},{subnet.PrefixLength},{Lease}");
        yield return "enable-ra";
        yield return string.Create(CultureInfo.InvariantCulture, $"dhcp-duid={Enterprise},{network.Id.Value:N}");
        yield return $"dhcp-option=option6:domain-search,{network.Domain}";
        if (network.Kind == NetworkKind.Isolated)
        {
            // Announced every ten minutes as elsewhere, but not as a way out.
            yield return $"ra-param={NetworkNames.Bridge(network.Id)},600,0";
        }
    }

    private static string? Bracketed(NetworkSpec network, string? ipv6) => ipv6 is null || network.Ipv6Mode == Ipv6Mode.Slaac ? null : $"[{Canonical(ipv6)}]";

    private static string? Canonical(string? address) => address is null ? null : IPAddress.Parse(address).ToString();

    private static IPAddress Netmask(Subnet subnet) => new(BitConverter.GetBytes(IPAddress.HostToNetworkOrder(subnet.PrefixLength == 0 ? 0 : -1 << (32 - subnet.PrefixLength))));

    private static string Lines(IEnumerable<string> lines) => lines.Aggregate(new StringBuilder(), (text, line) => text.Append(line).Append('\n')).ToString();
}
