using Gantry.Contracts;
using Gantry.Node.Networks;

namespace Gantry.Node.Tests.Networks;

/// <summary>What should be, what is, and the lines that make the one of the other.</summary>
public sealed class LinkPlanTests
{
    private static readonly NetworkSpec Nat = new(NetworkSamples.Id, "default", NetworkKind.Nat, "default.gantry") { Ipv4 = "10.77.0.1/24", Ipv6 = "fd42:1::1/64" };
    private static readonly string Bridge = NetworkNames.Bridge(NetworkSamples.Id);

    [Fact]
    public void A_network_is_made_down_given_its_settings_and_then_set_up() => Text(LinkChanges.Between(LinkPlan.For([Nat]), [], [])).ShouldBe(
        """
        link add name gb-ac10015ec5 address 02:5c:7b:c7:d3:85 type bridge stp_state 0 forward_delay 0
        sysctl net/ipv6/conf/gb-ac10015ec5/disable_ipv6=0
        sysctl net/ipv6/conf/gb-ac10015ec5/accept_ra=0
        sysctl net/ipv6/conf/gb-ac10015ec5/autoconf=0
        sysctl net/ipv6/conf/gb-ac10015ec5/accept_dad=0
        link set dev gb-ac10015ec5 mtu 1500
        address add 10.77.0.1/24 broadcast + dev gb-ac10015ec5
        address add fd42:1::1/64 nodad dev gb-ac10015ec5
        link set dev gb-ac10015ec5 up
        the device gb-ac10015ec5 of 'default' was missing
        """);

    [Fact]
    public void VXLAN_is_a_port_that_sends_to_every_peer_and_leaves_room_for_itself() => Text(
        LinkChanges.Between(LinkPlan.For([Nat with { Ipv6 = null, Vxlan = new(42, "192.168.9.1", ["192.168.9.2", "192.168.9.3"]) }]), [], [])).ShouldBe(
        """
        link add name gb-ac10015ec5 address 02:e4:c6:a1:66:0d type bridge stp_state 0 forward_delay 0
        link add name gx-ac10015ec5 type vxlan id 42 local 192.168.9.1 dstport 4789
        sysctl net/ipv6/conf/gb-ac10015ec5/disable_ipv6=1
        sysctl net/ipv6/conf/gx-ac10015ec5/disable_ipv6=1
        link set dev gb-ac10015ec5 mtu 1450
        address add 10.77.0.1/24 broadcast + dev gb-ac10015ec5
        link set dev gb-ac10015ec5 up
        link set dev gx-ac10015ec5 mtu 1450
        link set dev gx-ac10015ec5 master gb-ac10015ec5
        link set dev gx-ac10015ec5 up
        bridge fdb append 00:00:00:00:00:00 dev gx-ac10015ec5 dst 192.168.9.2
        bridge fdb append 00:00:00:00:00:00 dev gx-ac10015ec5 dst 192.168.9.3
        the device gb-ac10015ec5 of 'default' was missing
        the device gx-ac10015ec5 of 'default' was missing
        """);

    [Fact]
    public void A_VLAN_is_a_port_and_the_node_has_no_address_on_it() => Text(
        LinkChanges.Between(LinkPlan.For([new(NetworkSamples.Id, "office", NetworkKind.Vlan, "office.gantry") { Vlan = new("eth0", 7) }]), [], [])).ShouldBe(
        """
        link add name gb-ac10015ec5 address 02:5c:7b:c7:d3:85 type bridge stp_state 0 forward_delay 0
        link add link eth0 name gv-ac10015ec5 type vlan id 7
        sysctl net/ipv6/conf/gb-ac10015ec5/disable_ipv6=1
        sysctl net/ipv6/conf/gv-ac10015ec5/disable_ipv6=1
        link set dev gb-ac10015ec5 mtu 1500
        link set dev gb-ac10015ec5 up
        link set dev gv-ac10015ec5 mtu 1500
        link set dev gv-ac10015ec5 master gb-ac10015ec5
        link set dev gv-ac10015ec5 up
        the device gb-ac10015ec5 of 'office' was missing
        the device gv-ac10015ec5 of 'office' was missing
        """);

    [Fact]
    public void A_bridge_of_the_host_is_left_as_it_is() =>
        Text(LinkChanges.Between(LinkPlan.For([new(NetworkSamples.Id, "lan", NetworkKind.Bridge, "lan.gantry") { Device = "br0" }]), [Link("br0", "bridge")], [])).ShouldBe("");

    [Fact]
    public void What_is_as_it_should_be_is_not_touched()
    {
        var nic = Nat.Nic("web1", 5);
        var plan = LinkPlan.For([Nat.With(nic)]);

        Text(LinkChanges.Between(plan, [Whole(plan), Link(NetworkNames.Tap(nic.InstanceId, "eth0"), "tun") with { Master = Bridge }], [])).ShouldBe("");
    }

    [Fact]
    public void Only_what_differs_is_changed()
    {
        var plan = LinkPlan.For([Nat]);
        var changed = Whole(plan) with { Mtu = 1400, Mac = "02:00:00:00:00:01", Flags = [],
            Addresses = [new("inet", "10.77.0.1", 24, "global"), new("inet", "10.99.0.1", 16, "global"), new("inet6", "fe80::1", 64, "link")] };

        Text(LinkChanges.Between(plan, [changed], [])).ShouldBe(
            """
            sysctl net/ipv6/conf/gb-ac10015ec5/disable_ipv6=0
            sysctl net/ipv6/conf/gb-ac10015ec5/accept_ra=0
            sysctl net/ipv6/conf/gb-ac10015ec5/autoconf=0
            sysctl net/ipv6/conf/gb-ac10015ec5/accept_dad=0
            link set dev gb-ac10015ec5 mtu 1500
            link set dev gb-ac10015ec5 address 02:5c:7b:c7:d3:85
            address delete 10.99.0.1/16 dev gb-ac10015ec5
            address add fd42:1::1/64 nodad dev gb-ac10015ec5
            link set dev gb-ac10015ec5 up
            the device gb-ac10015ec5 of 'default' was changed: now mtu 1500
            the device gb-ac10015ec5 of 'default' was changed: now address 02:5c:7b:c7:d3:85
            the device gb-ac10015ec5 of 'default' was changed: now up
            """);
    }

    [Fact]
    public void What_a_VXLAN_was_made_with_stays_so_another_is_made_in_its_place_and_its_peers_are_put_right()
    {
        var network = Nat with { Vxlan = new(42, "192.168.9.1", ["192.168.9.2"]) };
        var (plan, other) = (LinkPlan.For([network]), LinkPlan.For([network with { Vxlan = new(43, "192.168.9.1", ["192.168.9.2"]) }]));
        var (bridge, vxlan) = (Whole(plan), HostLink.ReadAll($$$"""
            [{},{"ifindex":9,"ifname":"{{{NetworkNames.Vxlan(NetworkSamples.Id)}}}","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],
            "mtu":1450,"master":"{{{Bridge}}}","address":"fa:ff:a9:41:73:2f",
            "linkinfo":{"info_kind":"vxlan","info_data":{"id":42,"local":"192.168.9.1","port_range":{"low":0,"high":0},"port":4789,"learning":true},
            "info_slave_kind":"bridge"},"addr_info":[]}]
            """)[0]);
        List<ForwardingEntry> entries =
        [
            new(ForwardingEntry.AnyMac, vxlan.Name, "192.168.9.2"), new(ForwardingEntry.AnyMac, vxlan.Name, "192.168.9.4"),
            new("52:54:00:00:00:07", vxlan.Name, "192.168.9.5"), new("33:33:00:00:00:01", Bridge, null),
        ];

        LinkChanges.Between(plan, [bridge with { Mtu = 1450 }, vxlan], entries).Flood.ShouldBe([$"fdb delete 00:00:00:00:00:00 dev {vxlan.Name} dst 192.168.9.4"]);
        var changes = LinkChanges.Between(other, [bridge with { Mtu = 1450 }, vxlan], entries);
        changes.Make.ShouldBe([$"link delete dev {vxlan.Name}", $"link add name {vxlan.Name} type vxlan id 43 local 192.168.9.1 dstport 4789"]);
        changes.Flood.ShouldBe([$"fdb append 00:00:00:00:00:00 dev {vxlan.Name} dst 192.168.9.2"]);
        LinkChanges.Between(LinkPlan.For([Nat]), [bridge, vxlan], []).Make.ShouldBe([$"link delete dev {vxlan.Name}"]);
        LinkChanges.Between(LinkPlan.Without(Nat.Id), [bridge, vxlan, Link("eth0", "veth")], []).Make.ShouldBe([$"link delete dev {Bridge}", $"link delete dev {vxlan.Name}"]);
    }

    [Theory]
    [InlineData(null, null, 1500)]
    [InlineData(null, "192.168.9.1", 1450)]
    [InlineData(null, "fd01::1", 1430)]
    [InlineData(9000, "192.168.9.1", 9000)]
    public void The_largest_packet_is_as_asked_or_leaves_room_for_VXLAN(int? asked, string? local, int expected) =>
        LinkPlan.MtuOf(Nat with { Mtu = asked, Vxlan = local is null ? null : new(1, local, []) }).ShouldBe(expected);

    [Fact]
    public void A_bridge_has_the_same_MAC_for_ever_but_another_on_each_node_that_VXLAN_joins()
    {
        static string? Mac(NetworkSpec network) => LinkPlan.For([network]).Links[0].Mac;

        Mac(Nat).ShouldBe(Mac(Nat with { Name = "other", Ipv4 = null }));
        Mac(Nat with { Vxlan = new(1, "192.168.9.1", []) }).ShouldNotBe(Mac(Nat with { Vxlan = new(1, "192.168.9.2", []) }));
        Mac(Nat)!.ShouldStartWith("02:");
    }

    [Fact]
    public void Every_kind_of_device_that_is_not_Gantrys_can_be_read() => HostLink.ReadAll(
        """
        [{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP"],"mtu":65536,"addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host","label":"lo"}]},{},
        {"ifindex":2,"ifname":"wg0","flags":["POINTOPOINT"],"mtu":1420,"linkinfo":{"info_kind":"wireguard"},"addr_info":[]},
        {"ifindex":3,"ifname":"v0","link":"eth0","mtu":1500,"linkinfo":{"info_kind":"macvlan","info_data":{"mode":"bridge","id":"0x1","port":{"low":1}}},"addr_info":[]}]
        """).Select(l => $"{l.Index} {l.Name} {l.Kind} {l.Parent}").ShouldBe(["1 lo  ", "2 wg0 wireguard ", "3 v0 macvlan eth0"]);

    /// <summary>As the kernel would show what was made of the plan's first device.</summary>
    private static HostLink Whole(LinkPlan plan) => Link(plan.Links[0].Name, "bridge") with
    {
        Mac = plan.Links[0].Mac,
        Addresses = [new("inet", "10.77.0.1", 24, "global"), new("inet6", "fd42:1::1", 64, "global"), new("inet6", "fe80::5", 64, "link")],
    };

    private static HostLink Link(string name, string kind) => new()
    {
        Name = name, Index = 7, Flags = ["UP", "LOWER_UP"], Mtu = 1500, Mac = "02:00:00:00:00:09", Info = new() { Kind = kind, Data = new() { Stp = 0, ForwardDelay = 0 } },
    };

    private static string Text(LinkChanges changes) => string.Join(
        '\n', [.. changes.Make, .. changes.Settings.Select(s => $"sysctl {s}"), .. changes.Set, .. changes.Flood.Select(f => $"bridge {f}"), .. changes.Found]);
}
