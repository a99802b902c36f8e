using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Networks;
using Gantry.Node.Networks.Firewall;
using static Gantry.Node.Tests.Networks.Firewall.Examples;
using static Gantry.Node.Tests.Networks.Firewall.PacketNamespaces;

namespace Gantry.Node.Tests.Networks.Firewall;

/// <summary>Filters are applied whole, told from those somebody changed, and leave the tables of others alone.</summary>
public class NodeFirewallTests
{
    private const string Foreign = """
        table inet theirs {
            set addresses {
                type ipv4_addr
                elements = { 198.51.100.7 }
            }

            chain input {
                type filter hook input priority 10; policy accept;
                ip saddr @addresses counter drop comment "theirs"
            }
        }
        table bridge gantry_of_another {
            chain forward {
                type filter hook forward priority 10; policy accept;
                ether type 0x9999 counter drop
            }
        }

        """;

    private static readonly NetworkSpec Guarded = Network(77, ("web", "app=web"), ("db", "app=db")) with
    {
        Policies = [new() { Name = "web", Isolates = [PolicyDirection.In], Rules = [Allow(PolicyDirection.In, null, Tcp("80")), Allow(PolicyDirection.In, With("app=db"))] }],
        Forwards = [Forward(TransportProtocol.Tcp, "8080", "web", 80)],
    };

    [Fact]
    public async Task Tables_of_others_are_never_touched()
    {
        await using var all = await StartAsync();
        await all.Node.NftAsync(Foreign);
        var before = await ForeignOf(all);

        await all.Firewall.ApplyAsync([Guarded, Network(78, ("two", ""))], default);
        await all.Firewall.ApplyAsync([Guarded], default);
        await all.NewFirewall().ApplyAsync([], default);
        (await ForeignOf(all)).ShouldBe(before);
        await all.Firewall.RemoveAsync(default);
        await all.Firewall.RemoveAsync(default);

        (await ForeignOf(all)).ShouldBe(before);
        (await all.Node.RunAsync("nft", "list", "tables")).Split('\n', StringSplitOptions.RemoveEmptyEntries).ShouldBe(
            ["table inet theirs", "table bridge gantry_of_another"], ignoreOrder: true);
    }

    [Theory]
    [InlineData("flush table bridge {0}")]
    [InlineData("delete table inet {0}")]
    [InlineData("flush ruleset")]
    [InlineData("flush chain inet {0} forward")]
    [InlineData("add rule inet {0} forwards tcp dport 99 accept")]
    [InlineData("insert rule bridge {0} prerouting accept")]
    [InlineData("add chain bridge {0} mine")]
    [InlineData("add set inet {0} mine {{ type ipv4_addr; }}")]
    [InlineData("add map inet {0} mine {{ type ipv4_addr : verdict; }}")]
    [InlineData("add chain bridge {0} prerouting {{ policy drop; }}")]
    public async Task What_somebody_changed_by_hand_is_noticed_and_put_right(string change)
    {
        await using var all = await StartAsync(Guarded);
        (await all.Firewall.IsWholeAsync([Guarded], default)).ShouldBeTrue();
        (await all.NewFirewall().IsWholeAsync([Guarded], default)).ShouldBeTrue("a new daemon finds it whole too");
        (await all.Firewall.IsWholeAsync([Guarded with { HostAccess = true }], default)).ShouldBeFalse("this was not applied");
        (await all.Firewall.IsWholeAsync([Guarded], default)).ShouldBeTrue();
        var whole = await ListAsync(all);

        await all.Node.NftAsync(string.Format(System.Globalization.CultureInfo.InvariantCulture, change, all.Table));
        (await all.NewFirewall().IsWholeAsync([Guarded], default)).ShouldBeFalse();
        await all.Firewall.ApplyAsync([Guarded], default);

        (await all.Firewall.IsWholeAsync([Guarded], default)).ShouldBeTrue("what is looked at after a change is put right by then");
        (await ListAsync(all)).ShouldBe(whole);
    }

    [Fact]
    public async Task The_loopback_of_a_bridge_made_anew_is_put_right_too()
    {
        await using var all = await StartAsync(Guarded);
        var bridge = NetworkNames.Bridge(Guarded.Id);
        (await all.Node.RunAsync("sysctl", "-n", $"net.ipv4.conf.{bridge}.route_localnet")).Trim().ShouldBe("1");

        await all.Node.RunAsync("sysctl", "-q", "-w", $"net.ipv4.conf.{bridge}.route_localnet=0");
        (await all.Firewall.IsWholeAsync([Guarded], default)).ShouldBeFalse();
        await all.Firewall.ApplyAsync([Guarded], default);

        (await all.Firewall.IsWholeAsync([Guarded], default)).ShouldBeTrue();
    }

    [Fact]
    public async Task Where_there_is_no_nftables_there_is_nothing_to_remove()
    {
        await using var root = new TestRoot();

        await new NodeFirewall(root.Context with { Shell = new Bare() }).RemoveAsync(default);
        (await Should.ThrowAsync<Refusal>(() => new NodeFirewall(root.Context with { Shell = new Bare() }).ApplyAsync([Guarded], default))).Code.ShouldBe("firewall.not_applied");
    }

    [Fact]
    public async Task What_cannot_be_applied_changes_nothing_and_says_why()
    {
        await using var all = await StartAsync(Guarded);
        var before = await ListAsync(all);
        var twice = Guarded with { Forwards = [.. Guarded.Forwards, Forward(TransportProtocol.Tcp, "8080", "db", 81)] };

        (await Should.ThrowAsync<Refusal>(() => all.Firewall.ApplyAsync([twice], default))).Code.ShouldBe("firewall.not_applied");
        (await Should.ThrowAsync<Refusal>(() => all.Firewall.ApplyAsync([Guarded with { Forwards = [Forward(TransportProtocol.Tcp, "8080", "nobody")] }], default)))
            .Message.ShouldBe("The filters of network 'net77' cannot be made: no NIC of 'nobody' is on it, which 8080 should be forwarded to.");

        (await ListAsync(all)).ShouldBe(before);
        await all.Firewall.ApplyAsync([Guarded], default);
        (await all.Firewall.IsWholeAsync([Guarded], default)).ShouldBeTrue();
    }

    [Fact]
    public async Task A_change_leaves_what_it_would_have_been_had_it_been_applied_at_once()
    {
        var random = new Random(7);
        await using var all = await StartAsync();
        for (var round = 0; round < 12; round++)
        {
            var some = Enumerable.Range(1, random.Next(4)).Select(n => Network(n, ("a", "app=web,tier=front"), ("b", "app=db")) with
            {
                Policies = RandomPolicies.Policies(random), Forwards = random.Next(2) == 0 ? [] : [Forward(TransportProtocol.Tcp, $"{8000 + n}", "a")],
            }).ToList();
            await all.Firewall.ApplyAsync(some, default);
            (await all.Firewall.IsWholeAsync(some, default)).ShouldBeTrue("and looks no more for others' changes, which another daemon's would be");
            var changed = await ListAsync(all);

            await all.Node.NftAsync($"delete table bridge {all.Table}\ndelete table inet {all.Table}\n");
            await all.NewFirewall().ApplyAsync(some, default);

            Sorted(changed).ShouldBe(Sorted(await ListAsync(all)));
            (await all.Firewall.IsWholeAsync(some, default)).ShouldBeTrue();
        }
    }

    /// <summary>By parts, whose order is that of their making.</summary>
    private static List<string> Sorted(string listing) =>
        [.. string.Join('\n', listing.Split('\n').Where(l => l.StartsWith('\t'))).Split("\n\t}").Select(p => p.Trim('\n')).Order(StringComparer.Ordinal)];

    private static Task<string> ListAsync(PacketNamespaces all) => all.Node.RunAsync("nft", "-s", "-t", "list", "ruleset");

    private static async Task<string> ForeignOf(PacketNamespaces all) =>
        await all.Node.RunAsync("nft", "list", "table", "inet", "theirs") + await all.Node.RunAsync("nft", "list", "table", "bridge", "gantry_of_another");

    /// <summary>Of a host on which no command is found.</summary>
    private sealed class Bare : IShell
    {
        public Task<CommandResult> RunAsync(Command command, CancellationToken ct) => throw new CommandFailed($"{command.Program} is not installed.", 127, "");
    }
}
