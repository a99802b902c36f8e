using Gantry.Contracts;
using Gantry.Node.Networks;

namespace Gantry.Node.Tests.Networks;

/// <summary>Nothing odd gets to the tools, whoever asked for it; what a node keeps of its networks; what of the host they avoid.</summary>
public sealed class NetworkCheckTests : IAsyncDisposable
{
    private readonly TestRoot _root = new();

    public ValueTask DisposeAsync() => _root.DisposeAsync();

    public static TheoryData<string, string> Odd => new()
    {
        { "name", "its name is none" },
        { "domain", "its domain is none" },
        { "domain newline", "its domain is none" },
        { "domain empty", "its domain is none" },
        { "ipv4", "its IPv4 subnet is none" },
        { "ipv4 is ipv6", "its IPv4 subnet is none" },
        { "gateway", "10.77.0.0 is none a gateway can have" },
        { "all", "its IPv6 subnet is none" },
        { "mtu", "packets of 1000 bytes are too small or too large" },
        { "device", "the name of a device of the host is none" },
        { "device dots", "the name of a device of the host is none" },
        { "no device", "a network of kind bridge, and no other, is on one of the host's bridges" },
        { "addresses", "on the host's bridges and VLANs addresses come from elsewhere" },
        { "vlan", "the tag of a VLAN is from 1 to 4094" },
        { "vxlan", "the ends of a VXLAN are IP addresses of one family" },
        { "instance", "the name of an instance on it is none" },
        { "mac", "the MAC of 'web1' is none" },
        { "group mac", "the MAC of 'web1' is none" },
        { "outside", "10.78.0.5 of 'web1' is none of its subnet for a guest" },
        { "own", "10.77.0.1 of 'web1' is none of its subnet for a guest" },
        { "scope", "fe80::1%lo of 'web1' is none of its subnet for a guest" },
    };

    [Theory]
    [MemberData(nameof(Odd))]
    public async Task What_is_odd_is_refused_and_nothing_is_kept(string what, string why)
    {
        var nat = NetworkSamples.Nat();
        var nic = nat.Nic("web1", 5);
        var onBridge = nat with { Kind = NetworkKind.Bridge, Device = "br0", Ipv4 = null, Ipv6 = null };
        var odd = what switch
        {
            "name" => nat with { Name = "net 77" },
            "domain" => nat with { Domain = "a,b" },
            "domain newline" => nat with { Domain = "a\nserver=1.2.3.4" },
            "domain empty" => nat with { Domain = "" },
            "ipv4" => nat with { Ipv4 = "10.77.1/24" },
            "ipv4 is ipv6" => nat with { Ipv4 = "fd42::1/64" },
            "gateway" => nat with { Ipv4 = "10.77.0.0/24" },
            "all" => nat with { Ipv6 = "::1/0" },
            "mtu" => nat with { Mtu = 1000 },
            "device" => onBridge with { Device = "br0 up" },
            "device dots" => onBridge with { Device = ".." },
            "no device" => onBridge with { Device = null },
            "addresses" => onBridge with { Ipv4 = "10.77.0.1/24" },
            "vlan" => onBridge with { Kind = NetworkKind.Vlan, Device = null, Vlan = new("eth0", 4095) },
            "vxlan" => nat with { Vxlan = new(1, "192.168.9.1", ["fd00::1"]) },
            "instance" => nat.With(nic with { Instance = "web1,set:x" }),
            "mac" => nat.With(nic with { Mac = "52:54:00:00:00" }),
            "group mac" => nat.With(nic with { Mac = "53:54:00:00:00:05" }),
            "outside" => nat.With(nic with { Ipv4 = "10.78.0.5" }),
            "own" => nat.With(nic with { Ipv4 = "10.77.0.1" }),
            "scope" => nat.With(nic with { Ipv6 = "fe80::1%lo" }),
            _ => throw new ArgumentOutOfRangeException(nameof(what)),
        };
        var networks = new SimNetworks(_root.Context);

        var refused = await Should.ThrowAsync<Refusal>(() => networks.ApplyAsync([NetworkSamples.Nat(78), odd], default));

        refused.Code.ShouldBe("network.invalid");
        refused.Message.ShouldEndWith($": {why}.");
        Directory.GetFileSystemEntries(_root.Context.Root.Networks).ShouldBeEmpty();
    }

    [Fact]
    public async Task The_simulator_keeps_networks_as_a_node_does_and_a_damaged_file_is_left_out_until_it_is_written_anew()
    {
        var (one, other) = (NetworkSamples.Nat(77), NetworkSamples.Nat(78));
        one = one.With(one.Nic("web1", 5)) with { Policies = [new() { Name = "web", Rules = [new() { Direction = PolicyDirection.In, Action = PolicyAction.Allow }] }] };
        await new SimNetworks(_root.Context).ApplyAsync([one, other], default);
        await File.WriteAllTextAsync($"{_root.Context.Root.Networks}/{other.Id}.json", "{");

        var networks = new SimNetworks(_root.Context);
        networks.All().ShouldHaveSingleItem().Addresses.ShouldBe(one.Addresses, new SameNic());
        (await networks.CountersAsync(one.Id, default)).ShouldBe([new("web", 0, PolicyDirection.In, 0, 0)]);
        (await Should.ThrowAsync<Refusal>(() => networks.StatusAsync(other.Id, default))).Code.ShouldBe("network.unknown_here");
        await networks.ApplyAsync([other], default);
        new SimNetworks(_root.Context).All().Select(n => n.Id).ShouldBe([one.Id, other.Id], ignoreOrder: true);
        await networks.RemoveAsync(one.Id, default);
        await networks.RemoveAsync(one.Id, default);
        (await new SimNetworks(_root.Context).StatusesAsync(default)).Keys.ShouldBe([other.Id]);
    }

    [Fact]
    public void The_subnets_of_the_host_are_those_it_has_addresses_in_and_routes_to_but_not_all_of_the_internet() => HostSubnets.Of(
        HostLink.ReadAll(
            """
            [{"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host"},{"family":"inet6","local":"::1","prefixlen":128}]},
            {"ifname":"docker0","addr_info":[{"family":"inet","local":"172.17.0.1","prefixlen":16},{"family":"inet6","local":"fe80::1","prefixlen":64,"scope":"link"}]},
            {"ifname":"gb-1","addr_info":[{"family":"inet","local":"10.77.0.1","prefixlen":24}]}]
            """),
        HostRoute.ReadAll(
            """
            [{"dst":"default","gateway":"192.168.5.1","dev":"d0","flags":[]},{"dst":"10.1.2.3","dev":"d0"},{"dst":"0.0.0.0/1","dev":"tun0"},{"dst":"2000::/3","dev":"tun0"},
            {"type":"blackhole","dst":"172.31.0.0/16"},{"type":"local","dst":"192.168.5.2","dev":"d0"},{"type":"multicast","dst":"ff00::/8","dev":"d0"},
            {"dst":"10.77.0.0/24","dev":"gb-1"},{"dst":"172.17.0.0/16","dev":"docker0"},{"dst":"fd01::/64","dev":"d0"},{"dst":"fe80::/64","dev":"d0"}]
            """),
        new HashSet<string> { "gb-1" }).ShouldBe(["10.1.2.3/32", "172.17.0.0/16", "172.31.0.0/16", "fd01::/64"]);

    [Fact]
    public void Only_where_forwarding_was_off_routers_are_believed_in_spite_of_it()
    {
        var routers = new Dictionary<string, string> { ["net/ipv6/conf/default/accept_ra"] = "1", ["net/ipv6/conf/eth0/accept_ra"] = "1", ["net/ipv6/conf/eth1/accept_ra"] = "0" };

        Forwarding.Keys([NetworkSamples.Nat() with { Kind = NetworkKind.Isolated }]).ShouldBeEmpty();
        Forwarding.Keys([NetworkSamples.Nat() with { Ipv6 = null }]).ShouldBe(["net/ipv4/ip_forward"]);
        Forwarding.Changes(new Dictionary<string, string> { ["net/ipv4/ip_forward"] = "0", ["net/ipv6/conf/all/forwarding"] = "1" }, routers).ShouldBe(["net/ipv4/ip_forward=1"]);
        Forwarding.Changes(new Dictionary<string, string> { ["net/ipv6/conf/all/forwarding"] = "0" }, routers).ShouldBe(
            ["net/ipv6/conf/default/accept_ra=2", "net/ipv6/conf/eth0/accept_ra=2", "net/ipv6/conf/all/forwarding=1"]);
    }

    [Fact]
    public void A_file_that_says_only_the_least_has_the_defaults_for_the_rest()
    {
        var spec = System.Text.Json.JsonSerializer.Deserialize(
            $$$"""{"id":"{{{NetworkSamples.Id}}}","name":"n","kind":"nat","domain":"d","vxlan":{"id":1,"local":"::1","peers":[]}}""", NetworkJson.Default.NetworkSpec)!;

        (spec.Version, spec.Ipv6Mode, spec.Defaults, spec.Vxlan!.Port).ShouldBe((NetworkSpec.Newest, Ipv6Mode.Dhcp, new PolicyDefaults(), 4789));
        spec.Addresses.ShouldBeEmpty();
        spec.Policies.ShouldBeEmpty();
    }

    private sealed class SameNic : IEqualityComparer<NicAddress>
    {
        public bool Equals(NicAddress? x, NicAddress? y) => x! with { Labels = y!.Labels } == y;

        public int GetHashCode(NicAddress obj) => obj.Mac.GetHashCode(StringComparison.Ordinal);
    }
}
