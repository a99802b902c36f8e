using System.Diagnostics;
using Gantry.Contracts;
using Gantry.Node.Host;
using static Gantry.Node.Tests.Networks.Firewall.Examples;
using static Gantry.Node.Tests.Networks.Firewall.PacketNamespaces;

namespace Gantry.Node.Tests.Networks.Firewall;

/// <summary>Big documents are applied, and decide. How long it took is in the output; the machine of a test says nothing of that.</summary>
public class FirewallScaleTests(ITestOutputHelper output)
{
    [Fact]
    public async Task A_hundred_networks_with_five_hundred_forwards_are_applied_in_one_transaction()
    {
        var networks = Enumerable.Range(1, 100).Select(n => Network(n, ("web", "app=web"), ("db", "app=db")) with
        {
            Forwards = [.. Enumerable.Range(0, 5).Select(f => Forward(TransportProtocol.Tcp, $"{10_000 + 10 * n + f}", "web", 80 + f))],
            Policies = n % 10 != 0 ? [] :
                [new() { Name = "db", AppliesTo = new(Labels("app=db")), Isolates = [PolicyDirection.In], Rules = [Allow(PolicyDirection.In, With("app=web"))] }],
        }).ToArray();
        await using var all = await StartAsync();

        await TimedAsync("100 networks, 500 forwards", () => all.Firewall.ApplyAsync(networks, default));
        await TimedAsync("looked at", async () => (await all.Firewall.IsWholeAsync(networks, default)).ShouldBeTrue());
        await TimedAsync("one forward less", () => all.Firewall.ApplyAsync([networks[0] with { Forwards = [.. networks[0].Forwards.Skip(1)] }, .. networks[1..]], default));

        var listing = await all.Node.RunAsync("nft", "list", "chain", "inet", all.Table, "forwards");
        listing.ShouldNotContain("10010 :");
        listing.ShouldContain("10011 :");
        listing.ShouldContain("11004 :");
    }

    [Theory]
    [InlineData(5_000)]
    [InlineData(10_000)]
    public async Task A_document_of_thousands_of_rules_decides_by_the_last_and_a_change_of_one_is_seen(int rules)
    {
        Policy Document(int lastPort) => new()
        {
            Name = "many", AppliesTo = new(Labels("app=web")), Isolates = [PolicyDirection.In],
            Rules =
            [
                .. Enumerable.Range(0, rules - 1).Select(i => Deny(PolicyDirection.In, new($"172.16.{i / 256}.{i % 256}/32"), Tcp($"{1000 + i}"))),
                Allow(PolicyDirection.In, null, Tcp($"{lastPort}")),
            ],
        };
        var network = Network(77, ("web", "app=web"), ("client", "")) with { Policies = [Document(80)] };
        await using var all = await StartAsync(network with { Policies = [] });
        await all.AnswerAsync(all.Guest("web"), 80, 81);

        await TimedAsync($"{rules} rules", () => all.Firewall.ApplyAsync([network], default));
        (await AskAsync(all.Guest("client"), TransportProtocol.Tcp, "10.77.0.10", 80)).ShouldBe("10.77.0.11 80");
        (await AskInVainAsync(all.Guest("client"), TransportProtocol.Tcp, "10.77.0.10", 81)).ShouldBeNull();

        (await all.Firewall.IsWholeAsync([network], default)).ShouldBeTrue("by then it was looked at, and written down");
        var shell = new FirstEnd(all.Node.Shell);
        var firewall = all.NewFirewall(shell);
        await TimedAsync("taken up by a new daemon", async () => (await firewall.IsWholeAsync([network], default)).ShouldBeTrue());
        foreach (var port in (int[])[81, 80, 81, 80, 81])
        {
            shell.Watch.Restart();
            shell.Ended = null;
            await firewall.ApplyAsync([network with { Policies = [Document(port)] }], default);
            var (met, looked) = (shell.Ended!.Value.TotalMilliseconds, shell.Watch.Elapsed.TotalMilliseconds);
            output.WriteLine($"one rule of {rules}: packets meet it after {met:0} ms, looked at after {looked:0} ms");
            (await AskAsync(all.Guest("client"), TransportProtocol.Tcp, "10.77.0.10", port)).ShouldBe($"10.77.0.11 {port}");
        }

        (await AskInVainAsync(all.Guest("client"), TransportProtocol.Tcp, "10.77.0.10", 80)).ShouldBeNull();
        await TimedAsync("looked at", async () => (await firewall.IsWholeAsync([network with { Policies = [Document(81)] }], default)).ShouldBeTrue());
        await TimedAsync("counters", async () => (await all.Firewall.CountersAsync(network, default)).Count.ShouldBe(rules + 1));
    }

    /// <summary>Knows when the first command was at its end.</summary>
    private sealed class FirstEnd(IShell shell) : IShell
    {
        public Stopwatch Watch { get; } = new();

        public TimeSpan? Ended { get; set; }

        public async Task<CommandResult> RunAsync(Command command, CancellationToken ct)
        {
            var result = await shell.RunAsync(command, ct);
            Ended ??= Watch.Elapsed;
            return result;
        }
    }

    private async Task TimedAsync(string what, Func<Task> work)
    {
        var since = Stopwatch.StartNew();
        await work();
        output.WriteLine($"{what}: {since.Elapsed.TotalMilliseconds:0} ms");
    }
}
