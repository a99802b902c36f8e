using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;
using Gantry.Node.Host;

namespace Gantry.Daemon.Tests.Networks;

/// <summary>
/// Real guests on real networks: the daemon and all it starts have a network namespace of their own, in which the node's end of things
/// is tried; nothing of the machine's is touched, and it all goes with the daemon.
/// </summary>
public sealed class RealNetworkTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    [Fact]
    public async Task Guests_get_the_addresses_they_were_allotted_find_each_other_by_name_and_are_reached_by_forwards_and_kept_apart_by_policies()
    {
        await using var host = await HostNamespace.StartAsync();
        await using var machines = await RealMachines.WithMicroAsync(Database, _ => host.Around, networks: "linux");
        await Eventually.ShouldBeAsync(async () => (await machines.Api.ListNetworksAsync()).Items.Count(n => n.Status.Works), 1);

        // Each answers on port 80 and, when asked on port 81, tries to reach the other.
        var web = await machines.LaunchAsync("web", InstanceKind.Microvm, "while :; do echo i am web | nc -l -p 80; done");
        var db = await machines.LaunchAsync("db", InstanceKind.Microvm, Asks("web"));
        await machines.SaysAsync("web", $"eth0 has {web.Nics![0].Address}/24");
        await machines.SaysAsync("db", "asked: i am web");

        // A lease that was told, seen in the list and answered by the node's DNS, forward and reverse.
        (await machines.Api.ListAddressesAsync("default")).Items.Select(a => (a.Instance, a.Ipv4)).ShouldBe([("db", db.Nics![0].Address), ("web", web.Nics[0].Address)], ignoreOrder: true);
        var gateway = (await machines.Api.GetNetworkAsync("default")).Ipv4!.Split('/')[0];
        (await host.RunAsync("busybox", "nslookup", "web.default.gantry", gateway)).ShouldContain(web.Nics[0].Address!);
        (await host.RunAsync("busybox", "nslookup", web.Nics[0].Address!, gateway)).ShouldContain("web.default.gantry");
        (await host.RunAsync("busybox", "ping", "-c", "1", "-W", "60", web.Nics[0].Address!)).ShouldContain("1 packets received");

        // A forward reached from the node itself, and taken away.
        await RunningDaemon.DoneAsync(machines.Api.CreateForwardAsync("default", new() { Protocol = TransportProtocol.Tcp, HostPorts = "8080", Instance = "web", InstancePort = 80 }, 60));
        (await host.RunAsync("busybox", "nc", "-w", "60", gateway, "8080")).ShouldContain("i am web");
        (await RunningDaemon.RefusedAsync(() => machines.Api.CreateForwardAsync("default", new() { Protocol = TransportProtocol.Tcp, HostPorts = "8000-8100", Instance = "db" }, 60))).Code.ShouldBe("forward.conflicts");
        await RunningDaemon.DoneAsync(machines.Api.DeleteForwardAsync("default", (await machines.Api.ListForwardsAsync("default")).Items.Single().Id, 60));

        // A policy that isolates web: what explain says is what packets meet.
        await RunningDaemon.DoneAsync(machines.Api.PutPolicyAsync("default", new() { Name = "closed", AppliesTo = new(), Isolates = [PolicyDirection.In] }, 60));
        (await machines.Api.ExplainAsync("default", new("db", "web", PolicyProtocol.Tcp, 80))).Action.ShouldBe(PolicyAction.Deny);
        await Should.ThrowAsync<CommandFailed>(() => host.RunAsync("busybox", "nc", "-w", "5", web.Nics[0].Address!, "80"));
        await RunningDaemon.DoneAsync(machines.Api.DeletePolicyAsync("default", "closed", 60));
        (await host.RunAsync("busybox", "nc", "-w", "60", web.Nics[0].Address!, "80")).ShouldContain("i am web");

        (await RunningDaemon.RefusedAsync(() => machines.Api.DeleteNetworkAsync("default", 60))).Message.ShouldContain("db, web");
        await machines.DeleteAsync("web", "db");
        (await machines.Api.ListAddressesAsync("default")).Items.ShouldBeEmpty();
    }

    [Fact]
    public async Task Networks_come_back_after_a_killed_daemon_an_emptied_run_folder_and_bridges_that_are_gone()
    {
        await using var host = await HostNamespace.StartAsync();
        await using var machines = await RealMachines.WithMicroAsync(Database, _ => host.Around, networks: "linux");
        await Eventually.ShouldBeAsync(async () => (await machines.Api.ListNetworksAsync()).Items.Count(n => n.Status.Works), 1);
        var network = await machines.Api.GetNetworkAsync("default");
        var web = await machines.LaunchAsync("web", InstanceKind.Microvm, "while :; do echo i am web | nc -l -p 80; done");
        await machines.SaysAsync("web", "eth0 has");

        await host.RunAsync("ip", "link", "del", network.Device);
        (await machines.Api.RepairNetworksAsync()).Failed.ShouldBeEmpty();
        (await host.RunAsync("busybox", "nc", "-w", "60", web.Nics![0].Address!, "80")).ShouldContain("i am web");

        // As a restart of the host leaves it: no device, nothing under run.
        await RunningDaemon.DoneAsync(machines.Api.ActOnInstanceAsync("web", InstanceAction.Stop, 60));
        await machines.Daemon.KillAsync();
        Directory.Delete($"{machines.Root}/run/networks", recursive: true);
        await machines.Daemon.StartAsync();
        await Eventually.ShouldBeAsync(async () => (await machines.Api.ListNetworksAsync()).Items.Count(n => n.Status.Works), 1);
        await RunningDaemon.DoneAsync(machines.Api.ActOnInstanceAsync("web", InstanceAction.Start, 120));
        await machines.SaysAsync("web", $"eth0 has {web.Nics[0].Address}/24");
        await machines.DeleteAsync("web");
    }

    private static string Asks(string whom) => $"until nc -w 5 {whom} 80 </dev/null >/tmp/said && grep -q . /tmp/said; do sleep 1; done; echo asked: $(cat /tmp/said); sleep 100000";
}
