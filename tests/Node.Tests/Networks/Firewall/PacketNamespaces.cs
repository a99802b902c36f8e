using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Networks;
using Gantry.Node.Networks.Firewall;

namespace Gantry.Node.Tests.Networks.Firewall;

/// <summary>
/// A node, its guests and an outside, each a namespace: the node has the bridges, and in place of TAPs veth devices of the same names whose
/// other ends are the guests'. The outside is at 192.0.2.9 and 2001:db8::9 and knows no way to guests; the node at 192.0.2.1, 192.0.2.2 and 2001:db8::1.
/// </summary>
internal sealed class PacketNamespaces : IAsyncDisposable
{
    public const string Node4 = "192.0.2.1";
    public const string OtherNode4 = "192.0.2.2";
    public const string Node6 = "2001:db8::1";
    public const string Outside4 = "192.0.2.9";
    public const string Outside6 = "2001:db8::9";
    public const string NodeMac = "52:54:00:00:ff:01";
    public const string BridgeMac = "52:54:00:00:fe:01";
    public const string OutsideMac = "52:54:00:00:ff:09";

    private readonly TestRoot _root = new();
    private readonly Dictionary<string, NetworkNamespace> _guests = [];
    private readonly List<IAsyncDisposable> _running = [];

    public required NetworkNamespace Node { get; init; }

    public required NetworkNamespace Outside { get; init; }

    public NodeFirewall Firewall { get; private set; } = null!;

    public static Task<PacketNamespaces> StartAsync(params NetworkSpec[] networks) => StartAsync(false, networks);

    /// <param name="bridgeNetfilter">As on a host with br_netfilter, which shows bridged frames to the filters of routed packets.</param>
    public static async Task<PacketNamespaces> StartAsync(bool bridgeNetfilter, params NetworkSpec[] networks)
    {
        var all = new PacketNamespaces { Node = await NetworkNamespace.MakeAsync(), Outside = await NetworkNamespace.MakeAsync() };
        all.Firewall = all.NewFirewall();
        await all.Node.RunAsync("sysctl", "-q", "-w",
            $"net.bridge.bridge-nf-call-iptables={(bridgeNetfilter ? 1 : 0)}", $"net.bridge.bridge-nf-call-ip6tables={(bridgeNetfilter ? 1 : 0)}",
            "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv6.conf.default.accept_dad=0");
        await all.Node.LinksAsync(
            $"link add out0 address {NodeMac} type veth peer name eth0 address {OutsideMac} netns {all.Outside.Network}",
            $"address add {Node4}/24 dev out0", $"address add {OtherNode4}/24 dev out0", $"address add {Node6}/64 dev out0 nodad", "link set out0 up");
        await all.Outside.LinksAsync($"address add {Outside4}/24 dev eth0", $"address add {Outside6}/64 dev eth0 nodad", "link set eth0 up");
        foreach (var network in networks)
        {
            await all.AddAsync(network);
        }

        await all.Firewall.ApplyAsync(networks, default);
        return all;
    }

    public NetworkNamespace Guest(string instance) => _guests[instance];

    /// <summary>Another one of the same root and node, as after a restart of the daemon.</summary>
    public NodeFirewall NewFirewall(IShell? shell = null) => new(_root.Context with { Shell = shell ?? Node.Shell });

    public string Table => NetworkNames.Table(_root.Context.Root);

    /// <summary>Runs until all of it is disposed.</summary>
    public async Task<T> RunningAsync<T>(Task<T> starting)
        where T : IAsyncDisposable
    {
        var program = await starting;
        _running.Add(program);
        return program;
    }

    public Task AnswerAsync(NetworkNamespace where, params IEnumerable<int> ports) => RunningAsync(PacketProgram.AnswerAsync(where, ports));

    /// <summary>Connects and reads: "PEER-ADDRESS LOCAL-PORT" as the one who answers saw it. Null when nobody answers in time.</summary>
    public static async Task<string?> AskAsync(NetworkNamespace from, TransportProtocol protocol, string address, int port, int milliseconds = 20_000)
    {
        try
        {
            return (await from.RunAsync(PacketProgram.Path, "ask", protocol == TransportProtocol.Udp ? "udp" : "tcp", address, $"{port}", $"{milliseconds}")).Trim();
        }
        catch (CommandFailed e) when (e.ExitCode == 1)
        {
            return null;
        }
    }

    /// <summary>Likewise, of one that should not be answered: what is dropped is known only by waiting.</summary>
    public static Task<string?> AskInVainAsync(NetworkNamespace from, TransportProtocol protocol, string address, int port) => AskAsync(from, protocol, address, port, 700);

    /// <summary>
    /// Waits until all frames sent before have arrived where they go: three times a mark follows them, for a frame passes two devices
    /// at most and each device has one queue.
    /// </summary>
    /// <returns>What each of the receivers got.</returns>
    public static async Task<List<List<byte[]>>> SettleAsync(PacketProgram sender, string fromMac, string fromAddress, params IReadOnlyList<PacketProgram> receivers)
    {
        var got = receivers.Select(_ => new List<byte[]>()).ToList();
        for (var round = 0; round < 3; round++)
        {
            byte[] mark = [.. "a mark "u8, (byte)('0' + round), .. BitConverter.GetBytes(Random.Shared.NextInt64())];
            await sender.SendAsync(Frames.Arp(Frames.Everyone, fromMac, false, fromMac, fromAddress, fromAddress, mark));
            foreach (var (i, receiver) in receivers.Index())
            {
                got[i].AddRange(await receiver.UntilAsync(mark));
            }
        }

        return got;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var running in _running.Concat(_guests.Values.Distinct()).Append(Node).Append(Outside).Append(_root))
        {
            await running.DisposeAsync();
        }
    }

    private async Task AddAsync(NetworkSpec network)
    {
        var bridge = NetworkNames.Bridge(network.Id);
        await Node.LinksAsync(
        [
            $"link add {bridge} address {BridgeMac} type bridge forward_delay 0 mcast_snooping 0",
            .. network.Ipv4 is { } ipv4 ? (string[])[$"address add {ipv4} dev {bridge}"] : [],
            .. network.Ipv6 is { } ipv6 ? (string[])[$"address add {ipv6} dev {bridge} nodad"] : [],
            $"link set {bridge} up",
        ]);
        foreach (var nic in network.Addresses)
        {
            if (!_guests.TryGetValue(nic.Instance, out var guest))
            {
                _guests.Add(nic.Instance, guest = await NetworkNamespace.MakeAsync());
            }

            var tap = NetworkNames.Tap(nic.InstanceId, nic.Nic);
            await Node.LinksAsync(
                $"link add {tap} type veth peer name {nic.Nic} address {nic.Mac} netns {guest.Network}", $"link set {tap} master {bridge}", $"link set {tap} up");
            await guest.LinksAsync(
            [
                $"link set {nic.Nic} up",
                .. nic.Ipv4 is { } address4 ? (string[])[$"address add {address4}/24 dev {nic.Nic}", $"route add default via {Gateway(network.Ipv4!)}"] : [],
                .. nic.Ipv6 is { } address6 ? (string[])[$"address add {address6}/64 dev {nic.Nic} nodad", $"route add default via {Gateway(network.Ipv6!)}"] : [],
            ]);
        }
    }

    private static string Gateway(string address) => address.Split('/')[0];
}
