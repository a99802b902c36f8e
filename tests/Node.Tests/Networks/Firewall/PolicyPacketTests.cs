using System.Net;
using Gantry.Contracts;
using Gantry.Node.Networks;
using Gantry.Node.Networks.Firewall;
using static Gantry.Node.Tests.Networks.Firewall.Examples;
using static Gantry.Node.Tests.Networks.Firewall.PacketNamespaces;

namespace Gantry.Node.Tests.Networks.Firewall;

/// <summary>Policies with real connections: what is allowed, what belongs to it, and what is counted.</summary>
public class PolicyPacketTests
{
    private const TransportProtocol Tcp = TransportProtocol.Tcp;
    private const TransportProtocol Udp = TransportProtocol.Udp;

    /// <summary>Web servers take port 80 from clients; a database takes 5432 from web servers and begins nothing itself.</summary>
    private static readonly Policy[] Shop =
    [
        new() { Name = "web", AppliesTo = new(Labels("app=web")), Isolates = [PolicyDirection.In], Rules = [Allow(PolicyDirection.In, With("app=client"), Examples.Tcp("80"))] },
        new()
        {
            Name = "db", AppliesTo = new(Labels("app=db")), Isolates = [PolicyDirection.In, PolicyDirection.Out],
            Rules = [Allow(PolicyDirection.In, With("app=web"), Examples.Tcp("5432"), new(PolicyProtocol.Udp))],
        },
    ];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Connections_pass_as_the_policies_say_and_answers_with_them(bool bridgeNetfilter)
    {
        var network = Network(77, ("web", "app=web"), ("db", "app=db"), ("client", "app=client")) with
        {
            Policies = Shop, Forwards = [Forward(Tcp, "8080", "web", 80), Forward(Tcp, "5432", "db")],
        };
        await using var all = await StartAsync(bridgeNetfilter, network);
        foreach (var guest in (string[])["web", "db", "client"])
        {
            await all.AnswerAsync(all.Guest(guest), 80, 5432);
        }

        await all.AnswerAsync(all.Outside, 80);
        var address = network.Addresses.ToDictionary(a => a.Instance);
        foreach (var from in address.Values)
        {
            foreach (var to in address.Values.Where(a => a != from))
            {
                foreach (var (protocol, port, ipv6) in ((TransportProtocol, int, bool)[])[(Tcp, 80, false), (Tcp, 5432, true), (Udp, 5432, false), (Udp, 80, true)])
                {
                    var (source, destination) = ipv6 ? (from.Ipv6!, to.Ipv6!) : (from.Ipv4!, to.Ipv4!);
                    var connection = new Connection(IPAddress.Parse(source), IPAddress.Parse(destination), protocol == Tcp ? PolicyProtocol.Tcp : PolicyProtocol.Udp, port);
                    var allowed = PolicyEvaluator.Decide(network, connection).Action == PolicyAction.Allow;
                    var guest = all.Guest(from.Instance);
                    var answer = await (allowed ? AskAsync(guest, protocol, destination, port) : AskInVainAsync(guest, protocol, destination, port));
                    answer.ShouldBe(allowed ? $"{source} {port}" : null, $"{from.Instance} to {to.Instance} {protocol} {port}");
                }
            }
        }

        (await AskAsync(all.Guest("web"), Tcp, Outside4, 80)).ShouldBe($"{Node4} 80");
        (await AskInVainAsync(all.Guest("db"), Tcp, Outside4, 80)).ShouldBeNull("it begins nothing");
        (await AskInVainAsync(all.Outside, Tcp, Node4, 8080)).ShouldBeNull("the outside is no client");

        await all.Firewall.ApplyAsync([network with { Policies = [Shop[0] with { Rules = [Allow(PolicyDirection.In, new($"{Outside4}/32"))] }, Shop[1]] }], default);
        (await AskAsync(all.Outside, Tcp, Node4, 8080)).ShouldBe($"{Outside4} 80", "by the address it comes from, though forwarded");
        (await AskInVainAsync(all.Guest("client"), Tcp, "10.77.0.10", 80)).ShouldBeNull();
    }

    [Fact]
    public async Task Echoes_errors_and_large_packets_pass_with_what_they_belong_to()
    {
        var network = Network(77, ("shut", "app=shut"), ("open", "")) with
        {
            Policies = [new() { Name = "shut", AppliesTo = new(Labels("app=shut")), Isolates = [PolicyDirection.In, PolicyDirection.Out], Rules = [Allow(PolicyDirection.Out)] }],
        };
        await using var all = await StartAsync(network);

        foreach (var address in (string[])["10.77.0.11", "fd00:77::b"])
        {
            await all.Guest("shut").RunAsync("busybox", "ping", "-c", "1", "-W", "20", address);
            await all.Guest("shut").RunAsync("busybox", "ping", "-c", "1", "-W", "20", "-s", "20000", address);
        }

        // Refused at once, for the error of the other side comes back: were it dropped, this would wait in vain and fail.
        (await AskAsync(all.Guest("shut"), Udp, "10.77.0.11", 9, 120_000)).ShouldBeNull();
        (await AskAsync(all.Guest("shut"), Udp, "fd00:77::b", 9, 120_000)).ShouldBeNull();
        foreach (var address in (string[])["10.77.0.10", "fd00:77::a"])
        {
            await Should.ThrowAsync<Node.Host.CommandFailed>(() => all.Guest("open").RunAsync("busybox", "ping", "-c", "1", "-W", "1", address));
            await Should.ThrowAsync<Node.Host.CommandFailed>(() => all.Guest("open").RunAsync("busybox", "ping", "-c", "1", "-W", "1", "-s", "20000", address));
        }
    }

    [Fact]
    public async Task A_connection_lives_on_when_other_rules_change_and_when_the_daemon_starts_anew()
    {
        var network = Network(77, ("shut", "app=shut"), ("open", "")) with
        {
            Policies = [new() { Name = "shut", AppliesTo = new(Labels("app=shut")), Isolates = [PolicyDirection.In], Rules = [Allow(PolicyDirection.Out)] }],
        };
        await using var all = await StartAsync(network);
        await using var shut = await PacketProgram.FramesAsync(all.Guest("shut"), "eth0");
        await using var open = await PacketProgram.FramesAsync(all.Guest("open"), "eth0");
        byte[] answer = [.. "the answer to a question"u8];
        var (shutMac, openMac) = (network.Addresses[0].Mac, network.Addresses[1].Mac);
        async Task<bool> AnsweredAsync()
        {
            await open.SendAsync(Frames.Udp(shutMac, openMac, "10.77.0.11", "10.77.0.10", 2000, 1000, answer));
            return (await SettleAsync(open, openMac, "10.77.0.11", shut))[0].Any(f => f.AsSpan().EndsWith(answer));
        }

        (await AnsweredAsync()).ShouldBeFalse("nobody asked");
        await shut.SendAsync(Frames.Udp(openMac, shutMac, "10.77.0.10", "10.77.0.11", 1000, 2000, [.. "the question"u8]));
        (await AnsweredAsync()).ShouldBeTrue();

        await all.Firewall.ApplyAsync([network with { Policies = [.. network.Policies, new() { Name = "another", Isolates = [PolicyDirection.In] }] }], default);
        (await AnsweredAsync()).ShouldBeTrue("rules changed");

        await all.NewFirewall().ApplyAsync([network], default);
        (await AnsweredAsync()).ShouldBeTrue("all of them were replaced");
    }

    [Theory]
    [InlineData(false, Frames.Fin)]
    [InlineData(false, Frames.Rst)]
    [InlineData(true, Frames.Fin)]
    public async Task A_connection_that_ends_is_known_for_its_last_packets_and_begins_nothing_from_the_other_side(bool ipv6, byte end)
    {
        var network = Network(77, ("shut", "app=shut"), ("open", "")) with
        {
            Policies = [new() { Name = "shut", AppliesTo = new(Labels("app=shut")), Isolates = [PolicyDirection.In] }],
        };
        await using var all = await StartAsync(network);
        await using var shut = await PacketProgram.FramesAsync(all.Guest("shut"), "eth0");
        await using var open = await PacketProgram.FramesAsync(all.Guest("open"), "eth0");
        var (mine, theirs) = (network.Addresses[0], network.Addresses[1]);
        var (mineAddress, theirAddress) = ipv6 ? (mine.Ipv6!, theirs.Ipv6!) : (mine.Ipv4!, theirs.Ipv4!);
        async Task<bool> ComesAsync(byte flags, int port = 2000)
        {
            byte[] tail = [.. "a segment with flags "u8, flags, .. BitConverter.GetBytes(port)];
            await open.SendAsync(Frames.Tcp(mine.Mac, theirs.Mac, theirAddress, mineAddress, port, 1000, flags, tail));
            return (await SettleAsync(open, theirs.Mac, theirs.Ipv4!, shut))[0].Any(f => f.AsSpan().EndsWith(tail));
        }

        (await ComesAsync(Frames.Syn | Frames.Ack)).ShouldBeFalse("nobody began");
        await shut.SendAsync(Frames.Tcp(theirs.Mac, mine.Mac, mineAddress, theirAddress, 1000, 2000, Frames.Syn, []));
        (await ComesAsync(Frames.Syn | Frames.Ack)).ShouldBeTrue();
        (await ComesAsync(Frames.Ack)).ShouldBeTrue();
        (await ComesAsync(Frames.Ack, 2001)).ShouldBeFalse("another port is another connection");
        (await ComesAsync((byte)(end | Frames.Ack))).ShouldBeTrue();
        (await ComesAsync(Frames.Ack)).ShouldBeTrue("what was on its way");
        (await ComesAsync(Frames.Syn)).ShouldBeFalse("that would be a new one");
    }

    [Fact]
    public async Task Rules_and_isolation_count_what_they_decide()
    {
        var network = Network(77, ("web", "app=web"), ("client", "app=client"), ("other", "")) with
        {
            Policies =
            [
                new()
                {
                    Name = "web", AppliesTo = new(Labels("app=web")), Isolates = [PolicyDirection.In],
                    Rules =
                    [
                        Deny(PolicyDirection.In, null, Examples.Tcp("81")) with { Log = true },
                        Allow(PolicyDirection.In, With("app=client"), Examples.Tcp("80"), Examples.Tcp("81")), Allow(PolicyDirection.Out),
                    ],
                },
            ],
        };
        await using var all = await StartAsync(network);
        await using var client = await PacketProgram.FramesAsync(all.Guest("client"), "eth0");
        await using var other = await PacketProgram.FramesAsync(all.Guest("other"), "eth0");
        await using var web = await PacketProgram.FramesAsync(all.Guest("web"), "eth0");
        byte[] First(int sender, PolicyProtocol protocol, int sourcePort, int port) =>
            Frames.First(network.Addresses[0].Mac, network.Addresses[sender].Mac, network.Addresses[sender].Ipv4!, "10.77.0.10", protocol, sourcePort, port, []);

        await client.SendAsync(
            First(1, PolicyProtocol.Tcp, 1001, 80), First(1, PolicyProtocol.Tcp, 1002, 80), First(1, PolicyProtocol.Tcp, 1003, 81), First(1, PolicyProtocol.Tcp, 1003, 82));
        await other.SendAsync(First(2, PolicyProtocol.Tcp, 1001, 80), First(2, PolicyProtocol.Udp, 1002, 80));
        await SettleAsync(client, network.Addresses[1].Mac, "10.77.0.11", web);
        await SettleAsync(other, network.Addresses[2].Mac, "10.77.0.12", web);

        (await all.Firewall.CountersAsync(network, default)).Select(c => (c.Policy, c.Rule, c.Direction, c.Packets)).ShouldBe(
            [("web", 0, PolicyDirection.In, 1L), ("web", 1, PolicyDirection.In, 2L), ("web", 2, PolicyDirection.Out, 0L), ("web", null, PolicyDirection.In, 3L)]);
    }
}
