using Gantry.Contracts;
using static Gantry.Node.Tests.Networks.Firewall.PacketNamespaces;

namespace Gantry.Node.Tests.Networks.Firewall;

/// <summary>Policies of every kind, of few values, so that they often meet.</summary>
internal static class RandomPolicies
{
    private static readonly string[] Keys = ["app", "tier", "nothing"];
    private static readonly string[] Values = ["web", "db", "front", "back"];

    private static readonly (string Cidr, string[] Except)[] Ranges =
    [
        ("0.0.0.0/0", ["10.77.0.0/24"]), ("0.0.0.0/0", ["10.77.0.10/31", "192.0.2.0/24"]), ("0.0.0.0/0", []),
        ("::/0", []), ("::/0", ["fd00:77::/64"]), ("::/0", ["2001:db8::/32", "fd00:77::c/126"]),
        ("10.77.0.10/32", []), ("10.77.0.10/31", []), ("10.77.0.0/24", ["10.77.0.12/31"]), ("fd00:77::/64", ["fd00:77::a/127"]), ("fd00:77::d/128", []),
        ($"{Outside4}/32", []), ($"{Outside6}/128", []), ("192.0.2.0/24", []),
    ];

    public static List<Policy> Policies(Random random) =>
        [.. Enumerable.Range(0, random.Next(6)).Select(i => new Policy
        {
            Name = $"{(char)('z' - i)}-policy", Priority = random.Next(3), AppliesTo = Selector(random),
            Isolates = [.. Enum.GetValues<PolicyDirection>().Where(_ => random.Next(3) == 0)],
            Rules = [.. Enumerable.Range(0, random.Next(5)).Select(_ => Rule(random))],
        })];

    public static PolicyAction Action(Random random) => random.Next(2) == 0 ? PolicyAction.Allow : PolicyAction.Deny;

    /// <summary>Not those of DHCP, which no policy is asked about.</summary>
    public static int Port(Random random) => 80 + random.Next(45);

    private static PolicyRule Rule(Random random) => new()
    {
        Direction = random.Next(2) == 0 ? PolicyDirection.In : PolicyDirection.Out, Action = Action(random), Log = random.Next(8) == 0,
        Peers = random.Next(3) == 0 ? null : [.. Enumerable.Range(0, 1 + random.Next(3)).Select(_ => Peer(random))],
        Ports = random.Next(3) == 0 ? null : [.. Enumerable.Range(0, 1 + random.Next(3)).Select(_ => Ports(random))],
    };

    private static PolicyPeer Peer(Random random) =>
        random.Next(2) == 0 ? new(Instances: Selector(random))
        : Ranges[random.Next(Ranges.Length)] is var (cidr, except) ? new(cidr, except.Length == 0 ? null : except) : throw new InvalidOperationException();

    private static PolicyPorts Ports(Random random)
    {
        var protocol = Enum.GetValues<PolicyProtocol>()[random.Next(4)];
        var first = Port(random);
        return new(protocol, protocol == PolicyProtocol.Icmp || random.Next(4) == 0 ? null : random.Next(2) == 0 ? $"{first}" : $"{first}-{first + random.Next(20)}");
    }

    private static LabelSelector Selector(Random random) => random.Next(4) switch
    {
        0 => new(),
        1 => new(new Dictionary<string, string> { [Keys[random.Next(3)]] = Values[random.Next(4)] }),
        2 => new(Expressions: [Expression(random)]),
        _ => new(new Dictionary<string, string> { ["app"] = "web" }, [Expression(random)]),
    };

    private static LabelExpression Expression(Random random)
    {
        var how = Enum.GetValues<LabelOperator>()[random.Next(4)];
        var takesValues = how is LabelOperator.In or LabelOperator.NotIn;
        return new(Keys[random.Next(3)], how, takesValues ? [.. Enumerable.Range(0, 1 + random.Next(2)).Select(_ => Values[random.Next(4)])] : null);
    }
}
