using System.Net;
using Gantry.Contracts;
using Gantry.Node.Networks;
using static Gantry.Node.Tests.Networks.Firewall.Examples;
using static Gantry.Node.Tests.Networks.Firewall.PacketNamespaces;

namespace Gantry.Node.Tests.Networks.Firewall;

/// <summary>Frames as a hostile guest makes them, sent by its device; a neighbour and the node's bridge see what comes through.</summary>
public class SpoofingTests
{
    private const string Mine = "52:54:00:00:4d:0a";
    private const string Other = "52:54:00:00:4d:0b";
    private const string Mine4 = "10.77.0.10";
    private const string Other4 = "10.77.0.11";
    private const string Mine6 = "fd00:77::a";
    private const string Other6 = "fd00:77::b";
    private const string MineLocal = "fe80::5054:ff:fe00:4d0a";
    private const string OtherLocal = "fe80::5054:ff:fe00:4d0b";
    private const string GatewayLocal = "fe80::5054:ff:fe00:fe01";
    private const string RandomLocal = "fe80::1234:5678:9abc:def0";
    private const string AllNodes = "ff02::1";
    private const string AllNodesMac = "33:33:00:00:00:01";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Of_a_guest_on_a_network_with_addresses_only_what_is_its_own_comes_through(bool guarded)
    {
        var policies = guarded ? new Policy[] { new() { Name = "all", Rules = [Allow(PolicyDirection.Out), Allow(PolicyDirection.In)] } } : [];
        await using var all = await StartAsync(Network(77, ("mine", ""), ("other", "")) with { Policies = policies });

        await ShouldPassAsync(all, Own());
        await ShouldNotPassAsync(all, [.. Foreign(), .. OfRoutersAndServers(), .. Strange()]);

        await all.Firewall.RemoveAsync(default);
        await ShouldPassAsync(all, [.. Foreign(), .. OfRoutersAndServers(), .. Strange()]);
    }

    [Theory]
    [InlineData(NetworkKind.Bridge)]
    [InlineData(NetworkKind.Vlan)]
    public async Task Of_a_guest_whose_addresses_come_from_elsewhere_the_MAC_is_its_own_and_it_is_no_router_and_no_server(NetworkKind kind)
    {
        var network = Network(77, ("mine", ""), ("other", ""));
        await using var all = await StartAsync(network);
        var addresses = network.Addresses.Select(a => a with { Ipv4 = null, Ipv6 = null });
        await all.Firewall.ApplyAsync([network with { Kind = kind, Device = "br0", Ipv4 = null, Ipv6 = null, Addresses = [.. addresses] }], default);

        await ShouldPassAsync(all, [.. Own(), .. Foreign().Where(f => f.What.Contains("address", StringComparison.Ordinal))]);
        await ShouldNotPassAsync(all, [.. Foreign().Where(f => f.What.Contains("MAC", StringComparison.Ordinal)), .. OfRoutersAndServers(), .. Strange()]);
    }

    /// <summary>A frame and why it is sent; a tail tells frames apart.</summary>
    private sealed record Sent(string What, Func<byte[], byte[]> Make);

    private static IEnumerable<Sent> Own() =>
    [
        new("a packet of its own", tail => Frames.Udp(Other, Mine, Mine4, Other4, 1000, 2000, tail)),
        new("IPv6 of its own", tail => Frames.Udp(Other, Mine, Mine6, Other6, 1000, 2000, tail)),
        new("link-local by its MAC", tail => Frames.Udp(Other, Mine, MineLocal, OtherLocal, 1000, 2000, tail)),
        new("link-local and random", tail => Frames.Udp(Other, Mine, RandomLocal, OtherLocal, 1000, 2000, tail)),
        new("a question for a neighbour", tail => Frames.Arp(Frames.Everyone, Mine, false, Mine, Mine4, Other4, tail)),
        new("an answer to a neighbour", tail => Frames.Arp(Other, Mine, true, Mine, Mine4, Other4, tail)),
        new("a probe whether an address is free", tail => Frames.Arp(Frames.Everyone, Mine, false, Mine, "0.0.0.0", Mine4, tail)),
        new("a question for an address by DHCP", tail => Frames.Udp(Frames.Everyone, Mine, "0.0.0.0", "255.255.255.255", 68, 67, tail)),
        new("a question for an address by DHCPv6", tail => Frames.Udp("33:33:00:01:00:02", Mine, MineLocal, "ff02::1:2", 546, 547, tail)),
        new("a question for a router", tail => Frames.Icmpv6("33:33:00:00:00:02", Mine, MineLocal, "ff02::2", [133, 0, 0, 0, 0, 0, 0, 0, .. tail])),
        new("detection of a duplicate of its own", tail => Neighbour(135, "::", AllNodes, Mine6, tail)),
        new("an advertisement of its own", tail => Neighbour(136, Mine6, AllNodes, Mine6, tail)),
        new("an advertisement of its own, link-local", tail => Neighbour(136, MineLocal, AllNodes, MineLocal, tail)),
        new("an advertisement, link-local and random", tail => Neighbour(136, RandomLocal, AllNodes, RandomLocal, tail)),
    ];

    private static IEnumerable<Sent> Foreign() =>
    [
        new("another's MAC", tail => Frames.Udp(Other, "52:54:00:00:4d:99", Mine4, Other4, 1000, 2000, tail)),
        new("the gateway's MAC", tail => Frames.Udp(Other, BridgeMac, Mine4, Other4, 1000, 2000, tail)),
        new("another's MAC in ARP", tail => Frames.Arp(Frames.Everyone, Mine, true, Other, Mine4, Other4, tail)),
        new("the gateway's MAC in ARP", tail => Frames.Arp(Frames.Everyone, Mine, true, BridgeMac, "10.77.0.1", Other4, tail)),
        new("a foreign address", tail => Frames.Udp(Other, Mine, "10.77.0.99", Other4, 1000, 2000, tail)),
        new("the gateway's address", tail => Frames.Udp(Other, Mine, "10.77.0.1", Other4, 1000, 2000, tail)),
        new("a foreign address of IPv6", tail => Frames.Udp(Other, Mine, "fd00:77::99", Other6, 1000, 2000, tail)),
        new("a foreign address in ARP", tail => Frames.Arp(Frames.Everyone, Mine, false, Mine, "10.77.0.1", Other4, tail)),
        new("a foreign address in ARP's answer", tail => Frames.Arp(Other, Mine, true, Mine, "10.77.0.1", Other4, tail)),
        new("an advertisement of another's address", tail => Neighbour(136, Mine6, AllNodes, Other6, tail)),
        new("an advertisement of the gateway's address", tail => Neighbour(136, Mine6, AllNodes, "fd00:77::1", tail)),
        new("an advertisement of another's link-local address", tail => Neighbour(136, MineLocal, AllNodes, OtherLocal, tail)),
        new("an advertisement of the gateway's link-local address", tail => Neighbour(136, MineLocal, AllNodes, GatewayLocal, tail)),
        new("a packet from the gateway's link-local address", tail => Frames.Udp(Other, Mine, GatewayLocal, OtherLocal, 1000, 2000, tail)),
        new("detection of a duplicate of another's address", tail => Neighbour(135, "::", AllNodes, Other6, tail)),
        new("an unset address, though not for DHCP", tail => Frames.Udp(Other, Mine, "::", Other6, 1000, 2000, tail)),
    ];

    private static IEnumerable<Sent> OfRoutersAndServers() =>
    [
        new("a router's advertisement", tail => Frames.Icmpv6(AllNodesMac, Mine, MineLocal, AllNodes, [134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, .. tail])),
        new("a router's advertisement behind another header", tail => Frames.Packet(
            AllNodesMac, Mine, MineLocal, AllNodes, 60, [58, 0, 1, 4, 0, 0, 0, 0, 134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, .. tail])),
        new("a redirection", tail => Frames.Icmpv6(Other, Mine, MineLocal, OtherLocal, [137, 0, 0, 0, 0, 0, 0, 0, .. tail])),
        new("a DHCP server's offer", tail => Frames.Udp(Frames.Everyone, Mine, Mine4, "255.255.255.255", 67, 68, tail)),
        new("a DHCPv6 server's answer", tail => Frames.Udp(Other, Mine, MineLocal, OtherLocal, 547, 546, tail)),
    ];

    private static IEnumerable<Sent> Strange() =>
    [
        new("a frame in a VLAN", tail => Frames.Ethernet(Other, Mine, 0x8100, [0, 5, 8, 0, .. Frames.Udp(Other, Mine, Mine4, Other4, 1000, 2000, tail)[14..]])),
        new("a frame in two VLANs", tail => Frames.Ethernet(Other, Mine, 0x88a8, [0, 5, 0x81, 0, 0, 5, 8, 0, .. Frames.Udp(Other, Mine, Mine4, Other4, 1000, 2000, tail)[14..]])),
        new("an unknown kind of frame", tail => Frames.Ethernet(Other, Mine, 0x9999, tail)),
        new("a frame of the older kind", tail => Frames.Ethernet(Other, Mine, (ushort)tail.Length, tail)),
    ];

    private static byte[] Neighbour(byte type, string source, string destination, string target, byte[] tail) =>
        Frames.Icmpv6(AllNodesMac, Mine, source, destination, [type, 0, 0, 0, 0x20, 0, 0, 0, .. IPAddress.Parse(target).GetAddressBytes(), .. tail]);

    private static async Task ShouldPassAsync(PacketNamespaces all, IEnumerable<Sent> frames)
    {
        var (sent, seen) = await SeenAsync(all, frames);
        sent.Except(seen).ShouldBeEmpty("these should come through");
    }

    private static async Task ShouldNotPassAsync(PacketNamespaces all, IEnumerable<Sent> frames)
    {
        var (_, seen) = await SeenAsync(all, frames);
        seen.ShouldBeEmpty("these should be dropped");
    }

    /// <summary>Sends all of them and says which a neighbour or the bridge itself saw.</summary>
    private static async Task<(List<string> Sent, List<string> Seen)> SeenAsync(PacketNamespaces all, IEnumerable<Sent> frames)
    {
        await using var mine = await PacketProgram.FramesAsync(all.Guest("mine"), "eth0");
        await using var other = await PacketProgram.FramesAsync(all.Guest("other"), "eth0");
        await using var bridge = await PacketProgram.FramesAsync(all.Node, NetworkNames.Bridge(Network(77).Id));
        var sent = frames.ToList();
        var frame = sent.Select((s, i) => s.Make([.. "frame number "u8, (byte)i, .. "01234567890123456789"u8])).ToList();
        await mine.SendAsync(frame);
        var got = (await SettleAsync(mine, Mine, Mine4, other, bridge)).SelectMany(g => g).ToList();
        var seen = sent.Index().Where(s => got.Any(g => g.AsSpan().IndexOf((byte[])[.. "frame number "u8, (byte)s.Index, .. "0123"u8]) >= 0)).Select(s => s.Item.What).ToList();
        sent.Count.ShouldBeGreaterThan(0);
        return ([.. sent.Select(s => s.What)], seen);
    }
}
