using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Networks;

/// <summary>NICs of instances and what they are allotted, on a node that keeps networks in files only.</summary>
public sealed class InstanceNicTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    [Fact]
    public async Task A_NIC_is_allotted_the_lowest_free_address_the_one_asked_for_and_one_of_its_MAC_and_gives_them_back()
    {
        await GivenNetworkAsync("front", "10.50.0.1/29", "fd50::1/64");
        await GivenAsync("one", new Nic { Name = "eth0", Network = "front", Mac = "52:54:00:00:00:01" });
        await GivenAsync("two", new Nic { Name = "eth0", Network = "front", Address = "10.50.0.3" });
        await GivenAsync("three", new Nic { Name = "eth0", Network = "front" });

        (await daemon.Api.ListAddressesAsync("front")).Items.Select(a => (a.Instance, a.Ipv4, a.Static)).ShouldBe([("one", "10.50.0.2", false), ("three", "10.50.0.4", false), ("two", "10.50.0.3", true)]);
        (await daemon.Api.GetInstanceAsync("one")).Nics!.Single().Address6.ShouldBe("fd50::5054:ff:fe00:1");

        await RunningDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync("one", force: true, 60));
        await GivenAsync("four", new Nic { Name = "eth0", Network = "front" });
        (await daemon.Api.GetInstanceAsync("four")).Nics!.Single().Address.ShouldBe("10.50.0.2");
        await Eventually.ShouldBeAsync(() => Task.FromResult(string.Join(' ', Spec("front").Addresses.Select(a => a.Instance))), "four three two");
    }

    [Theory]
    [InlineData("""{"name": "eth0", "network": "strict", "address": "10.51.0.1"}""", "network.address_outside")]
    [InlineData("""{"name": "eth0", "network": "strict", "address": "10.51.0.0"}""", "network.address_outside")]
    [InlineData("""{"name": "eth0", "network": "strict", "address": "10.51.0.255"}""", "network.address_outside")]
    [InlineData("""{"name": "eth0", "network": "strict", "address": "10.52.0.5"}""", "network.address_outside")]
    [InlineData("""{"name": "eth0", "network": "strict", "address6": "fd51::5"}""", "network.address_outside")]
    [InlineData("""{"name": "eth0", "network": "strict", "address": "10.51.0.7"}""", "network.address_taken")]
    [InlineData("""{"name": "eth0", "network": "strict", "mac": "52:54:00:00:00:07"}""", "network.mac_taken")]
    [InlineData("""{"name": "eth0", "network": "nowhere"}""", "network.unknown")]
    [InlineData("""{"name": "eth0", "network": "none", "address": "10.51.0.9"}""", "network.address_outside")]
    [InlineData("""{"name": "eth0", "network": "strict", "address": "10.51"}""", "request.invalid")]
    [InlineData("""{"name": "eth0", "limits": {"sendBytesPerSecond": 0}}""", "request.invalid")]
    public async Task What_a_NIC_cannot_have_is_refused_and_nothing_is_made(string nic, string code)
    {
        if ((await daemon.Api.ListNetworksAsync()).Items.All(n => n.Name != "strict"))
        {
            await GivenNetworkAsync("strict", "10.51.0.1/24", "none");
            await GivenAsync("owner", new Nic { Name = "eth0", Network = "strict", Address = "10.51.0.7", Mac = "52:54:00:00:00:07" });
        }

        var (_, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/instances?wait=60", $$"""{"name": "refused", "kind": "microvm", "boot": {"kernel": "/boot/any"}, "nics": [{{nic}}]}""");

        problem!.Code.ShouldBe(code);
        (await daemon.Api.ListInstancesAsync()).Items.ShouldNotContain(i => i.Name == "refused");
        (await daemon.Api.ListAddressesAsync("strict")).Items.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Addresses_that_are_used_up_are_told()
    {
        await GivenNetworkAsync("tiny", "10.53.0.1/30", "none");
        await GivenAsync("only", new Nic { Name = "eth0", Network = "tiny" });

        (await RunningDaemon.RefusedAsync(() => GivenAsync("late", new Nic { Name = "eth0", Network = "tiny" }))).Code.ShouldBe("network.addresses_used_up");
    }

    [Fact]
    public async Task NICs_are_added_limited_and_removed_while_it_runs()
    {
        await GivenNetworkAsync("live", "10.54.0.1/24", "none");
        await GivenAsync("host", new Nic { Name = "eth0", Network = "live" });
        await RunningDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync("host", InstanceAction.Start, 60));

        await RunningDaemon.DoneAsync(SendAsync(HttpMethod.Post, "/instances/host/nics?wait=60", """{"name": "eth1", "network": "live", "address": "10.54.0.9"}"""));
        await RunningDaemon.DoneAsync(SendAsync(HttpMethod.Patch, "/instances/host/nics/eth1?wait=60", """{"limits": {"sendBytesPerSecond": 5000}}"""));
        var nics = (await daemon.Api.GetInstanceAsync("host")).Nics!;
        nics.Select(n => (n.Name, n.Address, n.Limits?.SendBytesPerSecond)).ShouldBe([("eth0", "10.54.0.2", null), ("eth1", "10.54.0.9", 5000L)]);
        Spec("live").Addresses.Select(a => a.Nic).ShouldBe(["eth0", "eth1"]);
        (await daemon.SendAsync(HttpMethod.Post, "/instances/host/nics?wait=60", """{"name": "eth1"}""")).Problem!.Code.ShouldBe("nic.taken");
        (await daemon.SendAsync(HttpMethod.Get, "/instances/host/nics")).Body.GetProperty("items").GetArrayLength().ShouldBe(2);

        await RunningDaemon.DoneAsync(SendAsync(HttpMethod.Delete, "/instances/host/nics/eth1?wait=60", null));
        (await daemon.Api.GetInstanceAsync("host")).Nics!.Select(n => n.Name).ShouldBe(["eth0"]);
        (await daemon.SendAsync(HttpMethod.Delete, "/instances/host/nics/eth1?wait=60")).Problem!.Code.ShouldBe("nic.unknown");
        (await daemon.Api.ListAddressesAsync("live")).Items.Select(a => a.Nic).ShouldBe(["eth0"]);
    }

    [Fact]
    public async Task The_node_learns_of_names_and_labels_and_a_network_in_use_stays()
    {
        await GivenNetworkAsync("told", "10.55.0.1/24", "none");
        await GivenAsync("before", new Nic { Name = "eth0", Network = "told" });

        await RunningDaemon.DoneAsync(daemon.Api.RenameInstanceAsync("before", "after", 60));
        (await daemon.SendAsync(HttpMethod.Patch, "/instances/after", """{"labels": {"tier": "web"}}""")).Status.ShouldBe(200);

        await Eventually.ShouldBeAsync(() => Task.FromResult(string.Join(' ', Spec("told").Addresses.Select(a => $"{a.Instance}={a.Labels.GetValueOrDefault("tier")}"))), "after=web");
        var refusal = await RunningDaemon.RefusedAsync(() => daemon.Api.DeleteNetworkAsync("told", 60));
        (refusal.Code, refusal.Message).ShouldBe(("network.in_use", "The network 'told' is used by after."));
    }

    [Fact]
    public async Task A_forward_leads_to_a_NIC_that_is_there_and_takes_no_port_that_another_has()
    {
        await GivenNetworkAsync("ported", "10.56.0.1/24", "none");
        await GivenNetworkAsync("other", "10.57.0.1/24", "none");
        await GivenAsync("server", new Nic { Name = "eth0", Network = "ported" }, new Nic { Name = "eth1", Network = "other" });
        var forward = new CreateForward { Protocol = TransportProtocol.Tcp, HostPorts = "40000-40010", Instance = "server" };
        await RunningDaemon.DoneAsync(daemon.Api.CreateForwardAsync("ported", forward, 60));

        (await RunningDaemon.RefusedAsync(() => daemon.Api.CreateForwardAsync("ported", forward with { HostPorts = "40005" }, 60))).Code.ShouldBe("forward.conflicts");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.CreateForwardAsync("other", forward with { HostPorts = "40010" }, 60))).Message.ShouldContain("on 'ported'");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.CreateForwardAsync("ported", forward with { HostPorts = "40020", Instance = "nobody" }, 60))).Code.ShouldBe("forward.no_target");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.CreateForwardAsync("ported", forward with { HostPorts = "40020", Nic = "eth1" }, 60))).Code.ShouldBe("forward.no_target");
        await RunningDaemon.DoneAsync(daemon.Api.CreateForwardAsync("ported", forward with { Protocol = TransportProtocol.Udp }, 60));

        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Any, 0);
        listener.Start();
        var taken = ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
        (await RunningDaemon.RefusedAsync(() => daemon.Api.CreateForwardAsync("ported", forward with { HostPorts = $"{taken}" }, 60))).Message.ShouldContain("a program of the node");
        Spec("ported").Forwards.Count.ShouldBe(2);
    }

    [Fact]
    public async Task A_NIC_more_than_there_may_be_is_refused()
    {
        await GivenAsync("full", [.. Enumerable.Range(0, Limits.Nics).Select(i => new Nic { Name = $"eth{i}", Network = "none" })]);

        var (_, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/instances/full/nics?wait=60", """{"name": "more", "network": "none"}""");

        problem!.Code.ShouldBe("nic.too_many");
    }

    private Gantry.Node.Networks.NetworkSpec Spec(string network) => daemon.Node.Networks.All().Single(n => n.Name == network);

    private Task GivenNetworkAsync(string name, string ipv4, string ipv6) => RunningDaemon.DoneAsync(daemon.Api.CreateNetworkAsync(new() { Name = name, Ipv4 = ipv4, Ipv6 = ipv6 }, 60));

    private Task GivenAsync(string name, params Nic[] nics) => RunningDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(RunningDaemon.A(name) with { Nics = nics }, 60));

    private async Task<Operation> SendAsync(HttpMethod method, string path, string? body)
    {
        var (_, problem, answer) = await daemon.SendAsync(method, path, body);
        problem.ShouldBeNull(problem?.Detail);
        return System.Text.Json.JsonSerializer.Deserialize(answer, WireJson.Default.Operation)!;
    }
}
