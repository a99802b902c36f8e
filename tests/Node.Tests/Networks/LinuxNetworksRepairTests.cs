using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Networks;

namespace Gantry.Node.Tests.Networks;

/// <summary>What somebody took away by hand, what cannot be set up, and what the host has itself, in namespaces of each test's own.</summary>
public sealed class LinuxNetworksRepairTests : IAsyncLifetime
{
    private readonly TestRoot _root = new();
    private NetworkNamespace _host = null!;
    private LinuxNetworks _networks = null!;

    public async ValueTask InitializeAsync()
    {
        _host = await NetworkNamespace.MakeAsync();
        _networks = new(_root.Context with { Shell = _host.Shell });
    }

    public async ValueTask DisposeAsync()
    {
        _networks.Dispose();
        await _host.DisposeAsync();
        await _root.DisposeAsync();
    }

    [Fact]
    public async Task A_bridge_that_was_deleted_comes_back_with_its_guests()
    {
        var network = await ApplyOneAsync();
        await using var guest = await PlugAsync(network);
        await guest.LeaseAsync();
        await _host.RunAsync("ip", "link", "delete", "dev", NetworkNames.Bridge(network.Id));
        (await _networks.StatusAsync(network.Id, default)).ShouldBe(new(false, $"the device {NetworkNames.Bridge(network.Id)} of 'net77' was missing"));

        (await _networks.RepairAsync(default)).ShouldBe(
        [
            $"the device {NetworkNames.Bridge(network.Id)} of 'net77' was missing",
            $"the NIC {NetworkNames.Tap(guest.Nic.InstanceId, "eth0")} was not on {NetworkNames.Bridge(network.Id)}",
        ]);

        (await _networks.StatusAsync(network.Id, default)).ShouldBe(new(true));
        await guest.PingAsync("10.77.0.1");
        (await guest.LeaseAsync()).ShouldContain("ip=10.77.0.5/24");
        (await _networks.RepairAsync(default)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Dnsmasq_that_was_killed_comes_back_and_nobody_notices()
    {
        var network = await ApplyOneAsync();
        await using var guest = await PlugAsync(network);
        await guest.LeaseAsync();
        Posix.Kill(PidOf(network), Posix.SigKill);
        var ended = new NetworkStatus(false, "dnsmasq of 'net77' does not run");
        await guest.Space.UntilAsync(_ => _networks.StatusAsync(network.Id, default).GetAwaiter().GetResult() == ended, "true");

        (await _networks.RepairAsync(default)).ShouldBe(["dnsmasq of 'net77' did not run"]);

        (await guest.LookUpAsync("web1", "10.77.0.1")).ShouldContain("10.77.0.5");
        (await guest.LeaseAsync()).ShouldContain("ip=10.77.0.5/24");
    }

    [Fact]
    public async Task After_run_was_emptied_the_dnsmasq_nothing_is_known_of_gives_way()
    {
        var network = await ApplyOneAsync();
        var pid = PidOf(network);
        Directory.Delete($"{_root.Context.Root.NetworksRun}/{network.Id}", recursive: true);
        using var next = new LinuxNetworks(_root.Context with { Shell = _host.Shell });

        (await next.RepairAsync(default)).ShouldBe(["dnsmasq of 'net77' did not run"]);

        HostProcess.StartOf(pid).ShouldBeNull();
        await using var guest = await PlugAsync(network);
        (await guest.LeaseAsync()).ShouldContain("ip=10.77.0.5/24");
    }

    [Fact]
    public async Task After_a_restart_of_the_host_all_is_made_again_from_the_files()
    {
        var network = await ApplyOneAsync();
        Directory.Delete(_root.Context.Root.NetworksRun, recursive: true);
        await _host.DisposeAsync();
        _host = await NetworkNamespace.MakeAsync();
        using var next = new LinuxNetworks(_root.Context with { Shell = _host.Shell });

        (await next.RepairAsync(default)).ShouldBe(
        [
            $"the device {NetworkNames.Bridge(network.Id)} of 'net77' was missing",
            "packets were not passed on", "dnsmasq of 'net77' did not run", "the filters were not as they should be",
        ]);

        await using var guest = await PlugAsync(network);
        (await guest.LeaseAsync()).ShouldContain("ip=10.77.0.5/24");
    }

    [Fact]
    public async Task What_was_changed_by_hand_is_changed_back()
    {
        var network = await ApplyOneAsync();
        var bridge = NetworkNames.Bridge(network.Id);
        var before = await _host.RunAsync("ip", "address", "show", "dev", bridge);
        await _host.RunAsync("ip", "address", "delete", "10.77.0.1/24", "dev", bridge);
        await _host.RunAsync("ip", "address", "add", "10.99.0.1/24", "dev", bridge);
        await _host.RunAsync("ip", "link", "set", "dev", bridge, "down", "mtu", "1400");
        await _host.RunAsync("ip", "link", "set", "dev", bridge, "type", "bridge", "stp_state", "1");
        await _host.RunAsync("sysctl", "-w", "net/ipv4/ip_forward=0");

        (await _networks.RepairAsync(default)).ShouldBe(
        [
            $"the device {bridge} of 'net77' was changed: now mtu 1500", $"the device {bridge} of 'net77' was changed: now type bridge stp_state 0",
            $"the device {bridge} of 'net77' was changed: now type bridge forward_delay 0", $"the device {bridge} of 'net77' was changed: now up", "packets were not passed on",
        ]);

        Sorted(await _host.RunAsync("ip", "address", "show", "dev", bridge)).ShouldBe(Sorted(before));
        (await _networks.RepairAsync(default)).ShouldBeEmpty();

        static List<string> Sorted(string lines) => [.. lines.Split('\n', StringSplitOptions.TrimEntries).Order(StringComparer.Ordinal)];
    }

    [Fact]
    public async Task VXLAN_joins_the_bridges_of_two_nodes()
    {
        await using var other = await NetworkNamespace.MakeAsync();
        await using var otherRoot = new TestRoot();
        await _host.JoinAsync("uplink", other, "uplink");
        foreach (var (node, address) in new[] { (_host, "192.168.9.1/24"), (other, "192.168.9.2/24") })
        {
            await node.RunAsync("ip", "address", "add", address, "dev", "uplink");
            await node.RunAsync("ip", "link", "set", "dev", "uplink", "up");
        }

        var here = NetworkSamples.Nat() with { Vxlan = new(42, "192.168.9.1", ["192.168.9.2"]) };
        var there = here with { Ipv4 = "10.77.0.2/24", Ipv6 = "fd42:77::2/64", Vxlan = new(42, "192.168.9.2", ["192.168.9.1"]) };
        var (web, db) = (here.Nic("web1", 5), here.Nic("db1", 6));
        using var otherNetworks = new LinuxNetworks(otherRoot.Context with { Shell = other.Shell });
        await _networks.ApplyAsync([here.With(web, db)], default);
        await otherNetworks.ApplyAsync([there.With(web, db)], default);

        await using var first = await PluggedGuest.PlugAsync(_root, _host, here, web);
        await using var second = await PluggedGuest.PlugAsync(otherRoot, other, there, db);
        await first.LeaseAsync();
        (await second.LeaseAsync()).ShouldContain("ip=10.77.0.6/24");
        await first.PingAsync("10.77.0.6");
        await second.PingAsync("10.77.0.1");
        (await _host.RunAsync("ip", "link", "show", "dev", NetworkNames.Bridge(here.Id))).ShouldContain("mtu 1450");

        await _host.RunAsync("bridge", "fdb", "delete", ForwardingEntry.AnyMac, "dev", NetworkNames.Vxlan(here.Id), "dst", "192.168.9.2");
        (await _networks.RepairAsync(default)).ShouldBe([$"the device {NetworkNames.Vxlan(here.Id)} of 'net77' had other peers"]);
        await _networks.ApplyAsync([here with { Vxlan = null, Addresses = [web, db] }], default);
        (await first.Space.TryAsync("busybox", "ping", "-c", "1", "-W", "2", "10.77.0.6")).ShouldBeFalse("the nodes are no longer joined");
    }

    [Fact]
    public async Task Guests_are_on_the_hosts_own_bridge_where_a_network_says_so_and_it_stays_the_hosts()
    {
        await _host.RunAsync("ip", "link", "add", "name", "br0", "address", "02:00:00:00:00:07", "type", "bridge");
        await _host.RunAsync("ip", "link", "set", "dev", "br0", "up");
        var before = await _host.RunAsync("ip", "-details", "link", "show", "dev", "br0");
        var network = new NetworkSpec(Id<Network>.New(), "lan", NetworkKind.Bridge, "lan.gantry") { Device = "br0" };
        var nic = network.Nic("web1", 5);
        await _networks.ApplyAsync([network.With(nic)], default);
        await using var guest = await PluggedGuest.PlugAsync(_root, _host, network, nic);
        var tap = NetworkNames.Tap(nic.InstanceId, "eth0");
        await _host.RunAsync("ip", "link", "set", "dev", tap, "nomaster");

        (await _networks.RepairAsync(default)).ShouldBe([$"the NIC {tap} was not on br0"]);
        await _networks.RemoveAsync(network.Id, default);
        (await _host.RunAsync("ip", "link", "show", "dev", tap)).ShouldContain("master br0");
        await _host.RunAsync("ip", "link", "delete", "dev", tap);
        (await _host.RunAsync("ip", "-details", "link", "show", "dev", "br0")).Split("bridge forward_delay")[0].Replace("LOWER_UP", "", StringComparison.Ordinal)
            .ShouldStartWith(before.Split('<')[0]);
    }

    [Fact]
    public async Task What_fails_leaves_files_and_devices_as_they_were()
    {
        var network = await ApplyOneAsync();
        var before = (await _host.RunAsync("ip", "-brief", "address"), await File.ReadAllTextAsync($"{_root.Context.Root.Networks}/{network.Id}.json"));
        var onMissing = new NetworkSpec(Id<Network>.New(), "lan", NetworkKind.Bridge, "lan.gantry") { Device = "nosuch0" };
        var joined = NetworkSamples.Nat(78) with { Vxlan = new(42, "192.168.9.1", ["192.168.9.2"]) };
        var clash = NetworkSamples.Nat(79) with { Vxlan = joined.Vxlan };

        var refused = await Should.ThrowAsync<Refusal>(() => _networks.ApplyAsync([network with { Domain = "other.gantry" }, NetworkSamples.Nat(80), onMissing], default));
        (refused.Code, refused.Message).ShouldBe(("network.device_missing", "This node has no network device nosuch0, which 'lan' needs."));
        refused = await Should.ThrowAsync<Refusal>(() => _networks.ApplyAsync([network with { Domain = "other.gantry" }, joined, clash], default));
        refused.Code.ShouldBe("network.not_set_up");
        refused.Message.ShouldContain($"ip link add name {NetworkNames.Vxlan(clash.Id)} type vxlan id 42");

        (await _host.RunAsync("ip", "-brief", "address"), await File.ReadAllTextAsync($"{_root.Context.Root.Networks}/{network.Id}.json")).ShouldBe(before);
        Directory.GetFiles(_root.Context.Root.Networks).ShouldHaveSingleItem();
        (await _networks.StatusAsync(network.Id, default)).ShouldBe(new(true));
        await using var guest = await PlugAsync(network);
        (await guest.LeaseAsync()).ShouldContain("domain=net77.gantry");
    }

    [Fact]
    public async Task Something_that_listens_on_port_53_of_every_address_is_named()
    {
        using var listener = await _host.DoAsync(() =>
        {
            var socket = new System.Net.Sockets.Socket(System.Net.Sockets.SocketType.Dgram, System.Net.Sockets.ProtocolType.Udp);
            socket.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.IPv6Any, 53));
            return socket;
        });
        var refused = await Should.ThrowAsync<Refusal>(() => _networks.ApplyAsync([NetworkSamples.Nat()], default));

        refused.Code.ShouldBe("network.no_addresses");
        refused.Message.ShouldContain("Address already in use");
        (await _host.RunAsync("ip", "-brief", "link")).ShouldNotContain("gb-");
        Directory.GetFileSystemEntries(_root.Context.Root.NetworksRun).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_VLAN_is_made_of_a_device_of_the_host_or_the_kernel_says_why_not()
    {
        await _host.RunAsync("ip", "link", "add", "name", "up0", "type", "veth", "peer", "name", "up1");
        var network = new NetworkSpec(Id<Network>.New(), "office", NetworkKind.Vlan, "office.gantry") { Vlan = new("up0", 7) };
        var able = await _host.TryAsync("ip", "link", "add", "link", "up0", "name", "trial", "type", "vlan", "id", "9");

        if (able)
        {
            await _networks.ApplyAsync([network], default);
            (await _host.RunAsync("ip", "-details", "link", "show", "dev", NetworkNames.Vlan(network.Id))).ShouldContain("vlan protocol 802.1Q id 7");
            (await _networks.RepairAsync(default)).ShouldBeEmpty();
            await _networks.RemoveAsync(network.Id, default);
        }
        else
        {
            (await Should.ThrowAsync<Refusal>(() => _networks.ApplyAsync([network], default))).Message.ShouldContain("type vlan id 7`: Error: Unknown device type.");
        }

        (await _host.RunAsync("ip", "-brief", "link")).ShouldNotContain("g");
    }

    [Fact]
    public async Task The_host_keeps_its_own_router_and_says_which_subnets_are_its_own()
    {
        await _host.RunAsync("ip", "link", "add", "name", "up0.5", "type", "veth", "peer", "name", "up1");
        await _host.RunAsync("ip", "link", "set", "dev", "up1", "up");
        await _host.RunAsync("ip", "link", "set", "dev", "up0.5", "up");
        await _host.RunAsync("ip", "address", "add", "192.168.9.7/24", "dev", "up0.5");
        await _host.RunAsync("ip", "route", "add", "default", "via", "192.168.9.1");
        await _host.RunAsync("ip", "route", "add", "172.20.0.0/16", "via", "192.168.9.1");
        await _host.RunAsync("ip", "route", "add", "172.30.1.1", "via", "192.168.9.1", "table", "7");
        await _host.RunAsync("ip", "-6", "address", "add", "fd99::7/64", "dev", "up0.5", "nodad");
        await _host.RunAsync("sysctl", "-w", "net/ipv6/conf/up1/accept_ra=0");
        var network = await ApplyOneAsync();

        (await _networks.HostSubnetsAsync(default)).ShouldBe(["172.20.0.0/16", "172.30.1.1/32", "192.168.9.0/24", "fd99::/64"]);
        (await _host.RunAsync(
            "sysctl", "-n", "net/ipv6/conf/all/forwarding", "net/ipv4/ip_forward",
            "net/ipv6/conf/up0.5/accept_ra", "net/ipv6/conf/up1/accept_ra", "net/ipv6/conf/default/accept_ra",
            $"net/ipv6/conf/{NetworkNames.Bridge(network.Id)}/accept_ra")).Split('\n', StringSplitOptions.RemoveEmptyEntries).ShouldBe(["1", "1", "2", "0", "2", "0"]);
    }

    [Fact]
    public async Task A_network_whose_device_is_gone_keeps_no_other_from_being_repaired()
    {
        await _host.RunAsync("ip", "link", "add", "name", "br0", "type", "bridge");
        var lan = new NetworkSpec(Id<Network>.New(), "lan", NetworkKind.Bridge, "lan.gantry") { Device = "br0" };
        await _networks.ApplyAsync([lan], default);
        var network = await ApplyOneAsync();
        await _host.RunAsync("ip", "link", "delete", "dev", "br0");
        await _host.RunAsync("ip", "link", "delete", "dev", NetworkNames.Bridge(network.Id));

        (await _networks.RepairAsync(default)).ShouldBe([$"the device {NetworkNames.Bridge(network.Id)} of 'net77' was missing"]);

        (await _networks.StatusesAsync(default)).ShouldBe(new Dictionary<Id<Network>, NetworkStatus>
        {
            [lan.Id] = new(false, "This node has no network device br0, which 'lan' needs."),
            [network.Id] = new(true),
        });
    }

    private async Task<NetworkSpec> ApplyOneAsync()
    {
        var network = NetworkSamples.Nat();
        network = network.With(network.Nic("web1", 5));
        await _networks.ApplyAsync([network], default);
        return network;
    }

    private Task<PluggedGuest> PlugAsync(NetworkSpec network) => PluggedGuest.PlugAsync(_root, _host, network, network.Addresses[0]);

    private int PidOf(NetworkSpec network) => DnsmasqProcess.Read($"{_root.Context.Root.NetworksRun}/{network.Id}")!.Pid;
}
