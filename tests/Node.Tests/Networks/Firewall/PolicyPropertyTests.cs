using System.Diagnostics;
using System.Globalization;
using System.Net;
using Gantry.Contracts;
using Gantry.Node.Networks;
using Gantry.Node.Networks.Firewall;
using static Gantry.Node.Tests.Networks.Firewall.Examples;
using static Gantry.Node.Tests.Networks.Firewall.PacketNamespaces;

namespace Gantry.Node.Tests.Networks.Firewall;

/// <summary>Random policies and random connections: what comes through real filters is what the plain evaluation allows.</summary>
public class PolicyPropertyTests(ITestOutputHelper output)
{
    private const int ConnectionsOfEach = 250;
    private static readonly TimeSpan Enough = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData(4)]
    [InlineData(null)]
    public async Task Packets_pass_as_the_evaluation_decides(int? seed)
    {
        var chosen = seed ?? Random.Shared.Next();
        output.WriteLine($"seed {chosen}");
        var random = new Random(chosen);
        var network = Network(77, ("a", "app=web,tier=front"), ("b", "app=web,tier=back"), ("c", "app=db"), ("d", ""));

        // The outside begins connections to guests through forwards, whose ports are the guests' own.
        network = network with
        {
            Forwards = [.. from protocol in Enum.GetValues<TransportProtocol>()
                           from i in Enumerable.Range(0, 4) select Forward(protocol, $"{80 + 10 * i}-{89 + 10 * i}", network.Addresses[i].Instance)],
        };
        await using var all = await StartAsync(network);
        await using var outside = await PacketProgram.FramesAsync(all.Outside, "eth0");
        await using var node = await PacketProgram.FramesAsync(all.Node, "out0");
        var guests = new List<PacketProgram>();
        foreach (var nic in network.Addresses)
        {
            guests.Add(await all.RunningAsync(PacketProgram.FramesAsync(all.Guest(nic.Instance), "eth0")));
            await all.Node.LinksAsync(new[] { nic.Ipv4, nic.Ipv6 }.Select(a => $"neigh replace {a} lladdr {nic.Mac} nud permanent dev {NetworkNames.Bridge(network.Id)}"));
        }

        await all.Node.LinksAsync(new[] { Outside4, Outside6 }.Select(a => $"neigh replace {a} lladdr {OutsideMac} nud permanent dev out0"));
        var (rounds, number, allowed) = (0, 0, 0);
        for (var since = Stopwatch.StartNew(); since.Elapsed < Enough; rounds++)
        {
            network = network with { Policies = RandomPolicies.Policies(random), Defaults = new(RandomPolicies.Action(random), RandomPolicies.Action(random)) };
            await all.Firewall.ApplyAsync([network], default);
            allowed += await RoundAsync(network, random, guests, outside, node, number);
            number += ConnectionsOfEach;
        }

        output.WriteLine($"{rounds} rounds of {ConnectionsOfEach} connections, {allowed} allowed");
        allowed.ShouldBeInRange(1, number - 1, "both must have happened");
    }

    /// <summary>Sends the first packets of connections, and compares who got which.</summary>
    private static async Task<int> RoundAsync(NetworkSpec network, Random random, List<PacketProgram> guests, PacketProgram outside, PacketProgram node, int number)
    {
        var probes = Enumerable.Range(number, ConnectionsOfEach).Select(n => Probe.Random(network, random, n)).ToList();
        foreach (var sent in probes.GroupBy(p => p.From))
        {
            await (sent.Key is { } i ? guests[i] : outside).SendAsync(sent.Select(p => p.Frame(network)));
        }

        // Each guest's marks follow its packets, and those from the node's own end of the way to the outside follow all of them.
        var got = await SettleAsync(guests[0], network.Addresses[0].Mac, network.Addresses[0].Ipv4!, [.. guests.Skip(1)]);
        got.Insert(0, (await SettleAsync(guests[1], network.Addresses[1].Mac, network.Addresses[1].Ipv4!, guests[0]))[0]);
        got.Add((await SettleAsync(node, NodeMac, Node4, outside))[0]);

        var wrong = new List<string>();
        foreach (var probe in probes)
        {
            var decision = PolicyEvaluator.Decide(network, probe.Connection);
            var came = got[probe.To ?? guests.Count].Any(f => f.AsSpan().EndsWith(probe.Tail));
            if (came != (decision.Action == PolicyAction.Allow))
            {
                wrong.Add($"{probe.Connection} {(came ? "came through" : "was dropped")}, but is decided by {string.Join(" and ", decision.Steps)}");
            }
        }

        wrong.ShouldBeEmpty($"{string.Join('\n', wrong.Take(3))}\nwith {System.Text.Json.JsonSerializer.Serialize(network.Policies)} {network.Defaults}");
        return probes.Count(p => PolicyEvaluator.Decide(network, p.Connection).Action == PolicyAction.Allow);
    }

    /// <param name="From">The number of a guest; null for the outside.</param>
    private sealed record Probe(int Number, int? From, int? To, bool IsIpv6, PolicyProtocol Protocol, int Port)
    {
        public byte[] Tail { get; } = [.. "probe "u8, .. BitConverter.GetBytes(Number), .. "12345678901234567890"u8];

        public Connection Connection => new(IPAddress.Parse(Address(From)), IPAddress.Parse(Address(To)), Protocol, Protocol == PolicyProtocol.Icmp ? null : Port);

        public static Probe Random(NetworkSpec network, Random random, int number)
        {
            int? from = random.Next(5) is var f and < 4 ? f : null;
            int? to = from is null ? random.Next(4) : (from + 1 + random.Next(4)) % 5 is var t and < 4 ? t : null;

            // Of the outside only what is forwarded comes in, and conntrack looks closely at SCTP.
            PolicyProtocol[] protocols = from is null ? [PolicyProtocol.Tcp, PolicyProtocol.Udp]
                : to is null ? [PolicyProtocol.Tcp, PolicyProtocol.Udp, PolicyProtocol.Icmp] : Enum.GetValues<PolicyProtocol>();
            var port = from is null ? 80 + 10 * to!.Value + random.Next(10) : RandomPolicies.Port(random);
            return new(number, from, to, random.Next(2) == 0, protocols[random.Next(protocols.Length)], port);
        }

        public byte[] Frame(NetworkSpec network)
        {
            var (fromMac, toMac) = (From is { } f ? network.Addresses[f].Mac : OutsideMac, From is null ? NodeMac : To is { } t ? network.Addresses[t].Mac : BridgeMac);
            var destination = From is null ? (IsIpv6 ? Node6 : Node4) : Address(To);
            return Frames.First(toMac, fromMac, Address(From), destination, Protocol, 10_000 + Number % 50_000, Port, Tail);
        }

        private string Address(int? guest) => (guest, IsIpv6) switch
        {
            ({ } i, true) => string.Create(CultureInfo.InvariantCulture, $"fd00:77::{10 + i:x}"),
            ({ } i, false) => $"10.77.0.{10 + i}",
            (null, true) => Outside6,
            (null, false) => Outside4,
        };
    }
}
