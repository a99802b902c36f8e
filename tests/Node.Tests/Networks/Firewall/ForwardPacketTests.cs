using Gantry.Contracts;
using Gantry.Node.Networks;
using static Gantry.Node.Tests.Networks.Firewall.Examples;
using static Gantry.Node.Tests.Networks.Firewall.PacketNamespaces;

namespace Gantry.Node.Tests.Networks.Firewall;

/// <summary>Connections between real stacks, through a real bridge and real filters.</summary>
public class ForwardPacketTests
{
    private const TransportProtocol Tcp = TransportProtocol.Tcp;
    private const TransportProtocol Udp = TransportProtocol.Udp;

    [Theory]
    [InlineData(Tcp, false)]
    [InlineData(Udp, false)]
    [InlineData(Tcp, true)]
    [InlineData(Udp, true)]
    public async Task Forwards_are_reached_from_outside_from_the_node_and_from_inside(TransportProtocol protocol, bool bridgeNetfilter)
    {
        var network = Network(77, ("web", ""), ("other", "")) with
        {
            Forwards =
            [
                Forward(protocol, "8080", "web", 80), Forward(protocol, "8000-8003", "web"),
                Forward(protocol, "9000-9002", "web", 8001), Forward(protocol, "7000", "web", 80, OtherNode4),
            ],
        };
        await using var all = await StartAsync(bridgeNetfilter, network);
        await all.AnswerAsync(all.Guest("web"), 80, 8000, 8001, 8002, 8003);

        // The guest sees who it is that comes, and its own port.
        (await AskAsync(all.Outside, protocol, Node4, 8080)).ShouldBe($"{Outside4} 80");
        (await AskAsync(all.Outside, protocol, Node6, 8080)).ShouldBe($"{Outside6} 80");
        (await AskAsync(all.Outside, protocol, Node4, 8000)).ShouldBe($"{Outside4} 8000");
        (await AskAsync(all.Outside, protocol, Node6, 8003)).ShouldBe($"{Outside6} 8003");
        (await AskAsync(all.Outside, protocol, Node4, 9002)).ShouldBe($"{Outside4} 8003");
        (await AskAsync(all.Outside, protocol, OtherNode4, 7000)).ShouldBe($"{Outside4} 80");
        (await AskInVainAsync(all.Outside, protocol, Node4, 7000)).ShouldBeNull("it listens on the other address");
        (await AskInVainAsync(all.Outside, protocol, Node4, 8004)).ShouldBeNull("the range ends before");

        (await AskAsync(all.Node, protocol, Node4, 8080)).ShouldBe($"{Node4} 80");
        (await AskAsync(all.Node, protocol, Node6, 9000)).ShouldBe($"{Node6} 8001");
        (await AskAsync(all.Node, protocol, "127.0.0.1", 8080)).ShouldBe("10.77.0.1 80");
        (await AskAsync(all.Node, protocol, "10.77.0.1", 8001)).ShouldBe("10.77.0.1 8001");

        (await AskAsync(all.Guest("other"), protocol, Node4, 8080)).ShouldBe("10.77.0.1 80", "through the node, so that the answer comes from whom was asked");
        (await AskAsync(all.Guest("other"), protocol, "10.77.0.1", 8002)).ShouldBe("10.77.0.1 8002");
        (await AskAsync(all.Guest("other"), protocol, Node6, 8080)).ShouldBe("fd00:77::1 80");
        (await AskAsync(all.Guest("other"), protocol, "10.77.0.10", 80)).ShouldBe("10.77.0.11 80", "straight over the bridge it is itself");
        if (!bridgeNetfilter)
        {
            // With br_netfilter the frame would have to leave by the device it came from, which a bridge does not do.
            (await AskAsync(all.Guest("web"), protocol, Node4, 8080)).ShouldBe("10.77.0.1 80", "a guest reaches itself");
        }
    }

    [Fact]
    public async Task What_leaves_a_network_has_the_nodes_address_and_comes_in_by_forwards_only()
    {
        await using var all = await StartAsync(Network(77, ("web", "")));
        await all.AnswerAsync(all.Outside, 80);
        await all.AnswerAsync(all.Guest("web"), 80);

        (await AskAsync(all.Guest("web"), Tcp, Outside4, 80)).ShouldBe($"{Node4} 80");
        (await AskAsync(all.Guest("web"), Udp, Outside4, 80)).ShouldBe($"{Node4} 80");
        (await AskAsync(all.Guest("web"), Tcp, Outside6, 80)).ShouldBe($"{Node6} 80");
        await all.Guest("web").RunAsync("busybox", "ping", "-c", "1", "-W", "20", "-s", "4000", Outside4);

        await all.Outside.LinksAsync($"route add 10.77.0.0/24 via {Node4}", $"route add fd00:77::/64 via {Node6}");
        (await AskInVainAsync(all.Outside, Tcp, "10.77.0.10", 80)).ShouldBeNull();
        (await AskInVainAsync(all.Outside, Udp, "10.77.0.10", 80)).ShouldBeNull();
        (await AskInVainAsync(all.Outside, Tcp, "fd00:77::a", 80)).ShouldBeNull();
        (await AskAsync(all.Node, Tcp, "10.77.0.10", 80)).ShouldBe("10.77.0.1 80", "the node itself may");
    }

    [Fact]
    public async Task Networks_do_not_reach_each_other_but_by_forwards_and_isolated_ones_nothing()
    {
        var first = Network(77, ("one", ""));
        var second = Network(78, ("two", "")) with { Forwards = [Forward(Tcp, "8080", "two", 80)] };
        var alone = Network(79, ("three", ""), ("four", "")) with { Kind = NetworkKind.Isolated, Forwards = [Forward(Tcp, "8081", "three", 80)] };
        await using var all = await StartAsync(first, second, alone);
        foreach (var guest in (string[])["one", "two", "three"])
        {
            await all.AnswerAsync(all.Guest(guest), 80);
        }

        await all.AnswerAsync(all.Outside, 80);

        (await AskInVainAsync(all.Guest("one"), Tcp, "10.78.0.10", 80)).ShouldBeNull();
        (await AskInVainAsync(all.Guest("one"), Udp, "fd00:78::a", 80)).ShouldBeNull();
        (await AskInVainAsync(all.Guest("one"), Tcp, "10.79.0.10", 80)).ShouldBeNull();
        (await AskInVainAsync(all.Guest("three"), Tcp, "10.77.0.10", 80)).ShouldBeNull();
        (await AskInVainAsync(all.Guest("three"), Tcp, Outside4, 80)).ShouldBeNull();
        (await AskInVainAsync(all.Guest("three"), Tcp, Node4, 8080)).ShouldBeNull("a forward leads out of it as well");
        (await AskInVainAsync(all.Outside, Tcp, Node4, 8081)).ShouldBeNull("nothing leads into it");
        (await AskAsync(all.Guest("one"), Tcp, Node4, 8080)).ShouldBe("10.77.0.10 80", "a forward is for everybody");
        (await AskAsync(all.Guest("four"), Tcp, "10.79.0.10", 80)).ShouldBe("10.79.0.11 80");
        (await AskAsync(all.Guest("four"), Udp, "fd00:79::a", 80)).ShouldBe("fd00:79::b 80");
    }

    [Fact]
    public async Task Guests_reach_nothing_of_the_node_but_names_and_an_echo_unless_they_may()
    {
        var closed = Network(77, ("one", ""));
        var open = Network(78, ("two", "")) with { HostAccess = true };
        await using var all = await StartAsync(closed, open);
        await all.AnswerAsync(all.Node, 53, 22);

        (await AskAsync(all.Guest("one"), Tcp, "10.77.0.1", 53)).ShouldBe("10.77.0.10 53");
        (await AskAsync(all.Guest("one"), Udp, "fd00:77::1", 53)).ShouldBe("fd00:77::a 53");
        await all.Guest("one").RunAsync("busybox", "ping", "-c", "1", "-W", "20", "10.77.0.1");
        await all.Guest("one").RunAsync("busybox", "ping", "-c", "1", "-W", "20", "fd00:77::1");
        foreach (var (address, port) in ((string, int)[])[("10.77.0.1", 22), ("fd00:77::1", 22), (Node4, 22), (Node4, 53), ("10.78.0.1", 53), ("10.78.0.1", 22)])
        {
            (await AskInVainAsync(all.Guest("one"), Tcp, address, port)).ShouldBeNull($"{address} {port}");
        }

        (await AskAsync(all.Guest("two"), Tcp, "10.78.0.1", 22)).ShouldBe("10.78.0.10 22");
        (await AskAsync(all.Guest("two"), Tcp, Node4, 22)).ShouldBe("10.78.0.10 22");
        (await AskAsync(all.Node, Tcp, "127.0.0.1", 22)).ShouldBe("127.0.0.1 22");
    }
}
