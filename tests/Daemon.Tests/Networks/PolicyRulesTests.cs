using Gantry.Contracts;
using Gantry.Daemon.Networks;

namespace Gantry.Daemon.Tests.Networks;

/// <summary>What is wrong with policies and forwards is told by where it stands.</summary>
public class PolicyRulesTests
{
    private static readonly Policy Good = new()
    {
        Name = "web",
        AppliesTo = new(new Dictionary<string, string> { ["app"] = "web" }, [new("tier", LabelOperator.NotIn, ["back"])]),
        Isolates = [PolicyDirection.In, PolicyDirection.Out],
        Rules =
        [
            new()
            {
                Direction = PolicyDirection.In, Action = PolicyAction.Allow, Peers = [new("0.0.0.0/0", ["10.0.0.0/8"]), new("fd00::/8")],
                Ports = [new(PolicyProtocol.Tcp, "80"), new(PolicyProtocol.Udp, "1-65535"), new(PolicyProtocol.Icmp)],
            },
            new() { Direction = PolicyDirection.Out, Action = PolicyAction.Deny, Peers = [new(Instances: new())] },
        ],
    };

    private static readonly CreateForward GoodForward = new()
    {
        Protocol = TransportProtocol.Udp, HostPorts = "8000-9023", InstancePort = 9000, Instance = "web",
        HostAddresses = ["192.0.2.1", "2001:db8::1", "127.0.0.1"],
    };

    [Fact]
    public void What_is_right_has_no_faults()
    {
        PolicyRules.Faults(Good).ShouldBeEmpty();
        PolicyRules.Faults(new Policy { Name = "a" }).ShouldBeEmpty();
        ForwardRules.Faults(GoodForward).ShouldBeEmpty();
        ForwardRules.Faults(GoodForward with { HostPorts = "1-65535", InstancePort = null, HostAddresses = null }).ShouldBeEmpty(
            "ports that stay the same are as many as one likes");
    }

    public static TheoryData<Policy, string> WrongPolicies => new()
    {
        { Good with { Name = "Web" }, "$.name" },
        { Good with { Name = new string('a', 64) }, "$.name" },
        { Good with { Description = "a\u0007" }, "$.description" },
        { Good with { Priority = -1 }, "$.priority" },
        { Good with { Priority = 65_536 }, "$.priority" },
        { Good with { Isolates = [PolicyDirection.In, PolicyDirection.In] }, "$.isolates" },
        { Good with { Isolates = [(PolicyDirection)9] }, "$.isolates" },
        { Good with { AppliesTo = new(new Dictionary<string, string> { ["a b"] = "c" }) }, "$.appliesTo.labels" },
        { Good with { AppliesTo = new(new Dictionary<string, string> { ["a"] = new('c', 256) }) }, "$.appliesTo.labels.a" },
        { Good with { AppliesTo = new(Expressions: [new("a", LabelOperator.In)]) }, "$.appliesTo.expressions[0].values" },
        { Good with { AppliesTo = new(Expressions: [new("a", LabelOperator.Exists, ["b"])]) }, "$.appliesTo.expressions[0].values" },
        { Good with { AppliesTo = new(Expressions: [new("", LabelOperator.Exists)]) }, "$.appliesTo.expressions[0].key" },
        { Good with { AppliesTo = new(Expressions: [new("a", 0)]) }, "$.appliesTo.expressions[0].operator" },
        { Good with { AppliesTo = new(Expressions: [.. Enumerable.Repeat(new LabelExpression("a", LabelOperator.Exists), 65)]) }, "$.appliesTo.expressions" },
        { With(r => r with { Direction = 0 }), "$.rules[0].direction" },
        { With(r => r with { Action = (PolicyAction)3 }), "$.rules[0].action" },
        { With(r => r with { Peers = [] }), "$.rules[0].peers" },
        { With(r => r with { Peers = [.. Enumerable.Repeat(new PolicyPeer("10.0.0.0/8"), 65)] }), "$.rules[0].peers" },
        { With(r => r with { Peers = [new()] }), "$.rules[0].peers[0]" },
        { With(r => r with { Peers = [new("10.0.0.0/8", Instances: new())] }), "$.rules[0].peers[0]" },
        { With(r => r with { Peers = [new(Except: ["10.0.0.0/8"], Instances: new())] }), "$.rules[0].peers[0].except" },
        { With(r => r with { Peers = [new("10.0.0.0")] }), "$.rules[0].peers[0].cidr" },
        { With(r => r with { Peers = [new("10.0.0.1/8")] }), "$.rules[0].peers[0].cidr" },
        { With(r => r with { Peers = [new("10.1/16")] }), "$.rules[0].peers[0].cidr" },
        { With(r => r with { Peers = [new("010.0.0.0/8")] }), "$.rules[0].peers[0].cidr" },
        { With(r => r with { Peers = [new("10.0.0.0/33")] }), "$.rules[0].peers[0].cidr" },
        { With(r => r with { Peers = [new("fe80::%eth0/64")] }), "$.rules[0].peers[0].cidr" },
        { With(r => r with { Peers = [new("fd00::/8", ["10.0.0.0/8"])] }), "$.rules[0].peers[0].except[0]" },
        { With(r => r with { Ports = [] }), "$.rules[0].ports" },
        { With(r => r with { Ports = [new(PolicyProtocol.Icmp, "1")] }), "$.rules[0].ports[0].ports" },
        { With(r => r with { Ports = [new(PolicyProtocol.Tcp, "0")] }), "$.rules[0].ports[0].ports" },
        { With(r => r with { Ports = [new(PolicyProtocol.Tcp, "90-80")] }), "$.rules[0].ports[0].ports" },
        { With(r => r with { Ports = [new(PolicyProtocol.Tcp, "65536")] }), "$.rules[0].ports[0].ports" },
        { With(r => r with { Ports = [new(0)] }), "$.rules[0].ports[0].protocol" },
        { Good with { Rules = [.. Enumerable.Repeat(Good.Rules[0], 10_001)] }, "$.rules" },
    };

    public static TheoryData<CreateForward, string> WrongForwards => new()
    {
        { GoodForward with { HostPorts = "http" }, "$.hostPorts" },
        { GoodForward with { HostPorts = "8080-8000" }, "$.hostPorts" },
        { GoodForward with { InstancePort = 0 }, "$.instancePort" },
        { GoodForward with { InstancePort = 65_000 }, "$.instancePort" },
        { GoodForward with { HostPorts = "8000-9024" }, "$.instancePort" },
        { GoodForward with { Instance = "" }, "$.instance" },
        { GoodForward with { Nic = "a/b" }, "$.nic" },
        { GoodForward with { HostAddresses = [] }, "$.hostAddresses" },
        { GoodForward with { HostAddresses = ["192.0.2.1/24"] }, "$.hostAddresses[0]" },
        { GoodForward with { HostAddresses = ["192.0.2.1", "192.0.2.1"] }, "$.hostAddresses[1]" },
        { GoodForward with { HostAddresses = ["2001:db8::1", "2001:db8:0::1"] }, "$.hostAddresses[1]" },
        { GoodForward with { HostAddresses = ["0.0.0.0"] }, "$.hostAddresses[0]" },
        { GoodForward with { HostAddresses = ["224.0.0.1"] }, "$.hostAddresses[0]" },
        { GoodForward with { HostAddresses = ["fe80::1"] }, "$.hostAddresses[0]" },
        { GoodForward with { HostAddresses = ["::1"] }, "$.hostAddresses[0]" },
    };

    [Theory]
    [MemberData(nameof(WrongPolicies))]
    public void What_is_wrong_with_a_policy_is_told_by_where_it_stands(Policy policy, string path) => PolicyRules.Faults(policy).ShouldHaveSingleItem().Path.ShouldBe(path);

    [Theory]
    [MemberData(nameof(WrongForwards))]
    public void What_is_wrong_with_a_forward_is_told_by_where_it_stands(CreateForward forward, string path) =>
        ForwardRules.Faults(forward).ShouldHaveSingleItem().Path.ShouldBe(path);

    [Fact]
    public void Of_very_many_faults_a_hundred_are_told() =>
        PolicyRules.Faults(Good with { Rules = [.. Enumerable.Repeat(Good.Rules[0] with { Peers = [] }, 10_000)] }).Count().ShouldBe(100);

    private static Policy With(Func<PolicyRule, PolicyRule> change) => Good with { Rules = [change(Good.Rules[0])] };
}
