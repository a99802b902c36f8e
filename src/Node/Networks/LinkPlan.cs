using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Gantry.Contracts;

namespace Gantry.Node.Networks;

/// <summary>The network devices a node should have for its networks.</summary>
internal sealed record LinkPlan
{
    public const int DefaultMtu = 1500;

    /// <summary>What VXLAN adds to a frame: Ethernet, IPv4 or IPv6, UDP and its own header (RFC 7348, section 5).</summary>
    private const int VxlanOverIpv4 = 50;
    private const int VxlanOverIpv6 = 70;

    /// <summary>Gantry's own; a bridge comes before its ports.</summary>
    public required IReadOnlyList<PlannedLink> Links { get; init; }

    /// <summary>The host's, which must be there already.</summary>
    public required IReadOnlyList<NeededLink> Needed { get; init; }

    /// <summary>Bridges of the TAPs that guests may have: a TAP that is there belongs on it.</summary>
    public required IReadOnlyDictionary<string, string> Bridges { get; init; }

    /// <summary>Names of Gantry's own that should not be there.</summary>
    public required IReadOnlySet<string> Absent { get; init; }

    public static LinkPlan For(IReadOnlyCollection<NetworkSpec> networks)
    {
        var links = networks.Where(IsOwn).SelectMany(LinksOf).ToList();
        return new()
        {
            Links = links,
            Needed = [.. networks.SelectMany(NeededBy)],
            Bridges = networks.SelectMany(n => n.Addresses.Select(a => (Tap: NetworkNames.Tap(a.InstanceId, a.Nic), Bridge: BridgeOf(n))))
                .DistinctBy(p => p.Tap).ToDictionary(p => p.Tap, p => p.Bridge),
            Absent = networks.SelectMany(n => NamesOf(n.Id)).Except(links.Select(l => l.Name)).ToHashSet(),
        };
    }

    /// <summary>That of a network which is to be gone.</summary>
    public static LinkPlan Without(Id<Network> network) =>
        new() { Links = [], Needed = [], Bridges = new Dictionary<string, string>(), Absent = NamesOf(network).ToHashSet() };

    /// <summary>The bridge guests are put on.</summary>
    public static string BridgeOf(NetworkSpec network) => IsOwn(network) ? NetworkNames.Bridge(network.Id) : network.Device ?? "";

    /// <summary>The largest packet, in bytes.</summary>
    public static int MtuOf(NetworkSpec network) => network.Mtu ?? DefaultMtu - network.Vxlan switch
    {
        null => 0,
        { Local: var local } when IPAddress.TryParse(local, out var address) && address.AddressFamily == AddressFamily.InterNetworkV6 => VxlanOverIpv6,
        _ => VxlanOverIpv4,
    };

    /// <summary>Every device that a network can have.</summary>
    public static IReadOnlyList<string> NamesOf(Id<Network> network) => [NetworkNames.Vxlan(network), NetworkNames.Vlan(network), NetworkNames.Bridge(network)];

    private static bool IsOwn(NetworkSpec network) => network.Kind != NetworkKind.Bridge;

    private static IEnumerable<PlannedLink> LinksOf(NetworkSpec network)
    {
        var (bridge, mtu) = (NetworkNames.Bridge(network.Id), MtuOf(network));
        yield return new(bridge, "bridge", mtu) { Network = network.Name, Mac = MacOf(network), Addresses = [.. ((string?[])[network.Ipv4, network.Ipv6]).OfType<string>()] };
        if (network.Vlan is { } vlan)
        {
            yield return new(NetworkNames.Vlan(network.Id), "vlan", mtu) { Network = network.Name, Master = bridge, Vlan = vlan };
        }

        if (network.Vxlan is { } vxlan)
        {
            yield return new(NetworkNames.Vxlan(network.Id), "vxlan", mtu) { Network = network.Name, Master = bridge, Vxlan = vxlan };
        }
    }

    private static IEnumerable<NeededLink> NeededBy(NetworkSpec network) => network switch
    {
        { Kind: NetworkKind.Bridge, Device: { } device } => [new(network.Name, device, "bridge")],
        { Vlan.Device: { } device } => [new(network.Name, device)],
        _ => [],
    };

    /// <summary>
    /// Its own, so that it stays the same whatever is plugged in: locally administered (RFC 7042, section 2.1), another one on each node that
    /// VXLAN joins, where the bridges see each other.
    /// </summary>
    private static string MacOf(NetworkSpec network)
    {
        var digest = SHA256.HashData(Encoding.UTF8.GetBytes($"{network.Id} {network.Vxlan?.Local}"));
        return $"02:{string.Join(':', digest.Take(5).Select(b => Convert.ToHexStringLower([b])))}";
    }
}

/// <param name="Kind">As <c>ip link</c> calls it: bridge, vlan or vxlan.</param>
internal sealed record PlannedLink(string Name, string Kind, int Mtu)
{
    /// <summary>The name of the network it is for.</summary>
    public required string Network { get; init; }

    /// <summary>Null for any.</summary>
    public string? Mac { get; init; }

    /// <summary>The bridge it is a port of.</summary>
    public string? Master { get; init; }

    /// <summary>With the lengths of their prefixes. The node has none on what has none here, not even one of its own making.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];

    public VlanUplink? Vlan { get; init; }

    public Vxlan? Vxlan { get; init; }
}

/// <param name="Kind">What it must be; null for any.</param>
internal sealed record NeededLink(string Network, string Device, string? Kind = null);
