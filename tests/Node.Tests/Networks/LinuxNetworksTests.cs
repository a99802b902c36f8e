using System.Globalization;
using Gantry.Contracts;
using Gantry.Node.Networks;

namespace Gantry.Node.Tests.Networks;

/// <summary>Real bridges, a real dnsmasq and real packets, in namespaces of each test's own.</summary>
public sealed class LinuxNetworksTests : IAsyncLifetime
{
    private readonly TestRoot _root = new();
    private NetworkNamespace _host = null!;
    private LinuxNetworks _networks = null!;

    public async ValueTask InitializeAsync()
    {
        _host = await NetworkNamespace.MakeAsync();
        _networks = Open();
    }

    public async ValueTask DisposeAsync()
    {
        _networks.Dispose();
        await _host.DisposeAsync();
        await _root.DisposeAsync();
    }

    [Fact]
    public async Task A_guest_gets_the_address_it_is_allotted_with_a_way_out_and_names_and_gets_the_same_again()
    {
        var network = NetworkSamples.Nat();
        var (web, db) = (network.Nic("web1", 5), network.Nic("db1", 6));
        await ApplyAsync(network.With(web, db));

        await using var guest = await PlugAsync(network, web);
        (await guest.LeaseAsync()).ShouldContain("bound ip=10.77.0.5/24 router=10.77.0.1 dns=10.77.0.1 domain=net77.gantry hostname=web1");
        await guest.PingAsync("10.77.0.1");

        (await guest.LookUpAsync("db1", "10.77.0.1")).ShouldContain("Address: 10.77.0.6");
        (await guest.LookUpAsync("db1.net77.gantry", "10.77.0.1")).ShouldContain("Address: fd42:77::6");
        (await guest.LookUpAsync("10.77.0.6", "10.77.0.1")).ShouldContain("name = db1.net77.gantry");
        (await guest.LookUpAsync("fd42:77::5", "10.77.0.1")).ShouldContain("name = web1.net77.gantry");
        (await guest.CannotLookUpAsync("db2.net77.gantry", "10.77.0.1")).ShouldBeTrue();
        (await guest.LeaseAsync()).ShouldContain("bound ip=10.77.0.5/24");
        (await _networks.StatusAsync(network.Id, default)).ShouldBe(new(true));
    }

    [Fact]
    public async Task A_guest_with_a_MAC_that_has_no_address_gets_none_until_it_is_allotted_one()
    {
        var network = NetworkSamples.Nat();
        var (web, late) = (network.Nic("web1", 5), network.Nic("late1", 9));
        await ApplyAsync(network.With(web));
        var pid = PidOf(network);
        await using var guest = await PlugAsync(network, late);
        (await guest.TryLeaseAsync()).ShouldBeFalse();

        await ApplyAsync(network.With(web, late));

        (await guest.LeaseAsync()).ShouldContain("ip=10.77.0.9/24");
        (await guest.LookUpAsync("late1", "10.77.0.1")).ShouldContain("10.77.0.9");
        PidOf(network).ShouldBe(pid, "what is only added is read again by the one that runs");
    }

    [Fact]
    public async Task An_address_that_was_released_goes_to_the_next_at_once()
    {
        var network = NetworkSamples.Nat();
        var (old, next) = (network.Nic("old1", 5), network.Nic("next1", 6) with { Ipv4 = "10.77.0.5", Ipv6 = "fd42:77::5" });
        await ApplyAsync(network.With(old));
        await using (var guest = await PlugAsync(network, old))
        {
            (await guest.LeaseAsync()).ShouldContain("ip=10.77.0.5/24");
        }

        await ApplyAsync(network.With(next));

        await using var taker = await PlugAsync(network, next);
        (await taker.LeaseAsync()).ShouldContain("ip=10.77.0.5/24");
        (await taker.LookUpAsync("10.77.0.5", "10.77.0.1")).ShouldContain("name = next1.net77.gantry");
        (await taker.CannotLookUpAsync("old1.net77.gantry", "10.77.0.1")).ShouldBeTrue();
    }

    [Fact]
    public async Task An_instance_with_two_NICs_on_a_network_is_found_under_both_addresses()
    {
        var network = NetworkSamples.Nat();
        var first = network.Nic("web1", 5);
        var second = network.Nic("web1", 6, "eth1") with { InstanceId = first.InstanceId };
        await ApplyAsync(network.With(first, second));

        await using var guest = await PlugAsync(network, second);
        (await guest.LeaseAsync()).ShouldContain("ip=10.77.0.6/24");
        var found = await guest.LookUpAsync("web1", "10.77.0.1");
        found.ShouldContain("10.77.0.5");
        found.ShouldContain("10.77.0.6");
    }

    [Fact]
    public async Task DHCPv6_gives_a_guest_the_one_address_of_its_MAC()
    {
        var network = NetworkSamples.Nat();
        var web = network.Nic("web1", 5);
        await ApplyAsync(network.With(web, network.Nic("db1", 6)));

        await using var guest = await PlugAsync(network, web);
        (await Dhcp6Client.LeaseAsync(guest.Space, web.Mac)).ToString().ShouldBe("fd42:77::5");
        await guest.Space.RunAsync("ip", "address", "add", "fd42:77::5/64", "dev", "eth0", "nodad");
        await guest.PingAsync("fd42:77::1");
        (await guest.Space.UntilAsync(r => r.Contains("default via fe80::", StringComparison.Ordinal), "ip", "-6", "route")).ShouldNotContain("fd42:77::5054");
        (await guest.LookUpAsync("db1", "fd42:77::1")).ShouldContain("10.77.0.6");
        (await guest.Space.RunAsync("ip", "-6", "address", "show", "dev", "eth0", "dynamic")).ShouldNotContain("fd42", Case.Sensitive, "only DHCPv6 gives addresses here");
    }

    [Fact]
    public async Task With_SLAAC_a_guest_makes_itself_the_address_it_is_allotted()
    {
        var network = NetworkSamples.Nat() with { Ipv6Mode = Ipv6Mode.Slaac };
        var web = network.Nic("web1", 5);
        await ApplyAsync(network.With(web));

        await using var guest = await PlugAsync(network, web);
        await guest.Space.UntilAsync(
            a => a.Contains(web.Ipv6!, StringComparison.Ordinal) && !a.Contains("tentative", StringComparison.Ordinal), "ip", "-6", "address", "show", "dev", "eth0", "dynamic");
        await guest.PingAsync("fd42:77::1");
        (await guest.LookUpAsync("web1", "fd42:77::1")).ShouldContain(web.Ipv6!);
    }

    [Fact]
    public async Task On_an_isolated_network_there_are_addresses_and_names_but_no_way_out()
    {
        var network = NetworkSamples.Nat() with { Kind = NetworkKind.Isolated };
        var web = network.Nic("web1", 5);
        await ApplyAsync(network.With(web));

        await using var guest = await PlugAsync(network, web);
        (await guest.LeaseAsync()).ShouldContain("bound ip=10.77.0.5/24 router= dns=10.77.0.1");
        (await guest.LookUpAsync("web1", "10.77.0.1")).ShouldContain("10.77.0.5");
        await guest.Space.UntilAsync(r => r.Contains("fd42:77::/64", StringComparison.Ordinal), "ip", "-6", "route");
        (await guest.Space.RunAsync("ip", "-6", "route")).ShouldNotContain("default");
        (await _host.RunAsync("sysctl", "-n", "net/ipv4/ip_forward")).Trim().ShouldBe("0");
    }

    [Fact]
    public async Task Dnsmasq_is_nobody_with_three_capabilities_and_can_write_nowhere()
    {
        var networks = new[] { NetworkSamples.Nat(77), NetworkSamples.Nat(78) };
        await _networks.ApplyAsync(networks, default);

        var users = new List<string>();
        foreach (var network in networks)
        {
            var run = $"{_root.Context.Root.NetworksRun}/{network.Id}";
            var status = await File.ReadAllLinesAsync($"/proc/{PidOf(network)}/status");
            string Value(string key) => status.First(l => l.StartsWith($"{key}:", StringComparison.Ordinal)).Split(':')[1].Trim();

            var uid = Value("Uid").Split('\t').Distinct().ShouldHaveSingleItem();
            int.Parse(uid, CultureInfo.InvariantCulture).ShouldBeInRange(_root.Context.Uids.FirstNetwork, _root.Context.Uids.FirstNetwork + _root.Context.Uids.Networks - 1);
            Value("Gid").Split('\t').Distinct().ShouldHaveSingleItem().ShouldBe(uid);
            Value("Groups").ShouldBeEmpty();
            foreach (var set in (string[])["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
            {
                Convert.ToInt64(Value(set), 16).ShouldBe((1 << 10) | (1 << 12) | (1 << 13), $"{set}: bind to low ports, administer, raw packets");
            }

            Value("NoNewPrivs").ShouldBe("1");
            foreach (var path in Directory.GetFileSystemEntries(run).Append(run))
            {
                (await _host.TryAsync("setpriv", $"--reuid={uid}", $"--regid={uid}", "--clear-groups", "--", "test", "-w", path)).ShouldBeFalse(path);
            }

            (await _host.TryAsync(
                "setpriv", $"--reuid={uid}", $"--regid={uid}", "--clear-groups", "--", "cat", $"{_root.Context.Root.Networks}/{network.Id}.json")).ShouldBeFalse();
            users.Add(uid);
        }

        users.Distinct().Count().ShouldBe(2, "each network's has a user of its own");
    }

    [Fact]
    public async Task All_goes_on_while_no_daemon_is_there_and_the_next_finds_it()
    {
        var network = NetworkSamples.Nat();
        var web = network.Nic("web1", 5);
        await ApplyAsync(network.With(web));
        var pid = PidOf(network);
        _networks.Dispose();

        _networks = Open();

        (await _networks.RepairAsync(default)).ShouldBeEmpty();
        PidOf(network).ShouldBe(pid);
        _networks.All().ShouldHaveSingleItem().Addresses.ShouldHaveSingleItem().Instance.ShouldBe("web1");
        await ApplyAsync(network.With(web, network.Nic("db1", 6)));
        PidOf(network).ShouldBe(pid);
    }

    [Fact]
    public async Task What_is_removed_leaves_nothing_and_may_be_removed_again()
    {
        var before = await _host.RunAsync("ip", "-brief", "link");
        var network = NetworkSamples.Nat();
        await ApplyAsync(network.With(network.Nic("web1", 5)));
        var pid = PidOf(network);

        await _networks.RemoveAsync(network.Id, default);
        await _networks.RemoveAsync(network.Id, default);

        (await _host.RunAsync("ip", "-brief", "link")).ShouldBe(before);
        Gantry.Node.Host.HostProcess.StartOf(pid).ShouldBeNull();
        Directory.GetFileSystemEntries(_root.Context.Root.Networks).ShouldBeEmpty();
        Directory.GetFileSystemEntries(_root.Context.Root.NetworksRun).ShouldBeEmpty();
        _networks.All().ShouldBeEmpty();
        (await Should.ThrowAsync<Refusal>(() => _networks.StatusAsync(network.Id, default))).Code.ShouldBe("network.unknown_here");
    }

    [Fact]
    public async Task Twenty_networks_are_made_at_once_and_one_is_reached_like_the_other()
    {
        var networks = Enumerable.Range(100, 20).Select(NetworkSamples.Nat).Select(n => n.With(n.Nic("web1", 5))).ToArray();
        await _networks.ApplyAsync(networks, default);

        networks.Select(PidOf).Distinct().Count().ShouldBe(20);
        (await _networks.StatusesAsync(default)).Values.ShouldAllBe(s => s.Works);
        foreach (var network in (NetworkSpec[])[networks[0], networks[19]])
        {
            await using var guest = await PlugAsync(network, network.Addresses[0]);
            (await guest.LeaseAsync()).ShouldContain($"ip={network.Addresses[0].Ipv4}/24");
        }
    }

    private LinuxNetworks Open() => new(_root.Context with { Shell = _host.Shell });

    private Task ApplyAsync(NetworkSpec network) => _networks.ApplyAsync([network], default);

    private Task<PluggedGuest> PlugAsync(NetworkSpec network, NicAddress nic) => PluggedGuest.PlugAsync(_root, _host, network, nic);

    private int PidOf(NetworkSpec network) => DnsmasqProcess.Read($"{_root.Context.Root.NetworksRun}/{network.Id}")!.Pid;
}
