using System.Net;
using Gantry.Contracts;
using Gantry.Node.Networks;
using Gantry.Node.Networks.Firewall;
using static Gantry.Node.Tests.Networks.Firewall.Examples;

namespace Gantry.Node.Tests.Networks.Firewall;

/// <summary>What <c>gantry policy explain</c> says.</summary>
public class PolicyEvaluatorTests
{
    private static readonly NetworkSpec Network = Network(77, ("web", "app=web"), ("db", "app=db"), ("other", ""));

    [Fact]
    public void Both_ends_have_a_say_first_the_one_that_begins() =>
        Decide(Network, "10.77.0.10", "10.77.0.11").Steps.ShouldBe([Out("web", PolicyAction.Allow), In("db", PolicyAction.Allow)]);

    [Fact]
    public void Of_a_connection_with_the_outside_only_the_guest_has_a_say_and_of_others_nobody()
    {
        Decide(Network, "192.0.2.9", "fd00:77::a").Steps.ShouldBe([In("web", PolicyAction.Allow)]);
        Decide(Network, "10.77.0.12", "192.0.2.9").Steps.ShouldBe([Out("other", PolicyAction.Allow)]);
        Decide(Network, "192.0.2.9", "192.0.2.10").ShouldSatisfyAllConditions(d => d.Action.ShouldBe(PolicyAction.Allow), d => d.Steps.ShouldBeEmpty());
    }

    [Fact]
    public void The_lowest_priority_is_first_then_the_name_and_the_first_rule_that_fits_decides()
    {
        var network = Network with
        {
            Policies =
            [
                new() { Name = "b", Rules = [Allow(PolicyDirection.In, null, Tcp("80"))] },
                new() { Name = "a", Rules = [Deny(PolicyDirection.Out), Deny(PolicyDirection.In, null, Tcp("81")), Allow(PolicyDirection.In, null, Tcp("81"))] },
                new() { Name = "c", Priority = 5, Rules = [Deny(PolicyDirection.In, With("app=web"), Tcp("80"))] },
            ],
        };

        Decide(network, "192.0.2.9", "10.77.0.11", 80).Steps.ShouldBe([In("db", PolicyAction.Allow, "b", 0)]);
        Decide(network, "192.0.2.9", "10.77.0.11", 81).Steps.ShouldBe([In("db", PolicyAction.Deny, "a", 1)]);
        Decide(network, "10.77.0.10", "10.77.0.11", 80).ShouldSatisfyAllConditions(
            d => d.Action.ShouldBe(PolicyAction.Deny), d => d.Steps.ShouldBe([Out("web", PolicyAction.Deny, "a", 0), In("db", PolicyAction.Deny, "c", 0)]));
    }

    [Fact]
    public void What_no_rule_fits_is_denied_by_the_first_policy_that_isolates_else_by_the_defaults()
    {
        var network = Network with
        {
            Defaults = new(PolicyAction.Deny),
            Policies =
            [
                new() { Name = "x", AppliesTo = new(Labels("app=db")), Isolates = [PolicyDirection.In] },
                new() { Name = "late", Priority = 2000, Isolates = [PolicyDirection.Out] },
            ],
        };

        Decide(network, "10.77.0.10", "10.77.0.11").Steps.ShouldBe([Out("web", PolicyAction.Deny, "late"), In("db", PolicyAction.Deny, "x")]);
        Decide(network, "192.0.2.9", "10.77.0.10").Steps.ShouldBe([In("web", PolicyAction.Deny)]);
    }

    [Theory]
    [InlineData("10.0.0.5", true)]
    [InlineData("10.1.0.5", false)]
    [InlineData("11.0.0.5", false)]
    [InlineData("10.77.0.12", true)]
    [InlineData("fd00:77::b", true)]
    [InlineData("fd00:77::c", false)]
    public void A_peer_is_a_range_without_its_exceptions_or_an_instance_by_its_labels(string source, bool fits)
    {
        var rule = new PolicyRule { Direction = PolicyDirection.In, Action = PolicyAction.Deny, Peers = [new("10.0.0.0/8", ["10.1.0.0/16"]), With("app=db")] };
        var to = source.Contains(':', StringComparison.Ordinal) ? "fd00:77::a" : "10.77.0.10";

        Decide(Network with { Policies = [new() { Name = "p", Rules = [rule] }] }, source, to).Steps[^1].Action.ShouldBe(fits ? PolicyAction.Deny : PolicyAction.Allow);
    }

    [Theory]
    [InlineData("10.0.0.0/8", true)]
    [InlineData("0.0.0.0/0", true)]
    [InlineData("::/0", true)]
    [InlineData("::ffff:192.0.2.0/120", true)]
    [InlineData("192.0.2.1/32", true)]
    [InlineData("10.0.0.1/8", false)]
    [InlineData("10.0.0.0", false)]
    [InlineData("10.0.0.0/08", false)]
    [InlineData("10.0.0.0/33", false)]
    [InlineData("10.0.0/24", false)]
    [InlineData("0x0a000000/8", false)]
    [InlineData("fe80::%1/64", false)]
    [InlineData("", false)]
    public void A_range_of_addresses_is_written_in_one_way(string cidr, bool isOne) => AddressRange.TryParse(cidr, out _).ShouldBe(isOne);

    [Fact]
    public void Ranges_are_merged_and_cut_to_the_very_ends()
    {
        AddressRange Of(string cidr) => AddressRange.TryParse(cidr, out var range) ? range : throw new FormatException(cidr);

        string.Join(' ', Of("0.0.0.0/0").Without([Of("0.0.0.0/32"), Of("10.0.0.0/8"), Of("10.1.0.0/16"), Of("255.255.255.255/32")])).ShouldBe(
            "0.0.0.1-9.255.255.255 11.0.0.0-255.255.255.254");
        Of("10.0.0.0/8").Without([Of("0.0.0.0/0")]).ShouldBeEmpty();
        string.Join(' ', Of("::/0").Without([Of("8000::/1")])).ShouldBe("::-7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        AddressRange[] six = [Of("10.1.0.0/16"), Of("10.0.0.0/16"), Of("10.0.5.0/24"), Of("10.3.0.0/16"), Of("255.0.0.0/8"), Of("255.255.0.0/16")];
        string.Join(' ', AddressRange.Merge(six)).ShouldBe("10.0.0.0-10.1.255.255 10.3.0.0-10.3.255.255 255.0.0.0-255.255.255.255");
        string.Join(' ', PortRange.Merge([new(80, 90), new(91, 95), new(85, 86), new(65535, 65535), new(1, 1)])).ShouldBe("1 80-95 65535");
    }

    private static PolicyDecision Decide(NetworkSpec network, string from, string to, int port = 80) =>
        PolicyEvaluator.Decide(network, new(IPAddress.Parse(from), IPAddress.Parse(to), PolicyProtocol.Tcp, port));

    private static PolicyStep Out(string instance, PolicyAction action, string? policy = null, int? rule = null) =>
        new(PolicyDirection.Out, instance, "eth0", action, policy, rule);

    private static PolicyStep In(string instance, PolicyAction action, string? policy = null, int? rule = null) =>
        new(PolicyDirection.In, instance, "eth0", action, policy, rule);
}
