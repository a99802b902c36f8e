using System.Text.Json.Serialization;

namespace Gantry.Contracts;

/// <summary>A network that instances' NICs are on.</summary>
public sealed record Network
{
    public required Id<Network> Id { get; init; }
    public required string Name { get; init; }
    public string? Description { get; init; }
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();
    public required NetworkKind Kind { get; init; }

    /// <summary>The network device of the node it is: Gantry's own bridge, or for <c>bridge</c> the host's.</summary>
    public required string Device { get; init; }

    /// <summary>The gateway's address with the length of the prefix, such as <c>10.77.0.1/24</c>. Null without IPv4, and for <c>bridge</c>.</summary>
    public string? Ipv4 { get; init; }

    /// <summary>Likewise, such as <c>fd42:1::1/64</c>.</summary>
    public string? Ipv6 { get; init; }

    /// <summary>How guests come by their IPv6 address.</summary>
    public required Ipv6Mode Ipv6Mode { get; init; }

    /// <summary>Names of instances end with it.</summary>
    public required string Domain { get; init; }

    /// <summary>Null for the default, 1,500, or 1,450 where VXLAN needs room.</summary>
    public int? Mtu { get; init; }
    public VlanUplink? Vlan { get; init; }
    public Vxlan? Vxlan { get; init; }

    /// <summary>Guests get to all ports of the node itself, not to DHCP, DNS and ping only.</summary>
    public required bool HostAccess { get; init; }

    /// <summary>What happens to a connection no policy says anything of.</summary>
    public required PolicyDefaults Defaults { get; init; }

    public required NetworkStatus Status { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required DateTimeOffset UpdatedAt { get; init; }
    public required string Etag { get; init; }
}

public enum NetworkKind
{
    /// <summary>A bridge with a subnet of its own; what leaves it carries the node's address.</summary>
    Nat = 1,

    /// <summary>A bridge with a subnet of its own that nothing leaves.</summary>
    Isolated = 2,

    /// <summary>A bridge of the host, which Gantry only puts NICs on: addresses come from elsewhere.</summary>
    Bridge = 3,

    /// <summary>A bridge of Gantry's with a VLAN of one of the host's devices on it: addresses come from elsewhere.</summary>
    Vlan = 4,
}

public enum Ipv6Mode
{
    /// <summary>DHCPv6, so that every guest gets the one address it is allotted.</summary>
    Dhcp = 1,

    /// <summary>Guests make it of the prefix and their MAC (EUI-64), which is the one they are allotted.</summary>
    Slaac = 2,
}

public enum PolicyAction
{
    Allow = 1,
    Deny = 2,
}

/// <param name="In">To a guest.</param>
/// <param name="Out">From a guest.</param>
public sealed record PolicyDefaults(PolicyAction In = PolicyAction.Allow, PolicyAction Out = PolicyAction.Allow);

/// <param name="Device">Of the host.</param>
/// <param name="Tag">1 to 4094.</param>
public sealed record VlanUplink(string Device, int Tag);

/// <summary>Joins the network with that of other nodes (RFC 7348).</summary>
/// <param name="Id">1 to 16,777,215.</param>
/// <param name="Local">This node's address the packets come from.</param>
/// <param name="Peers">The other nodes' addresses.</param>
/// <param name="Port">UDP; default 4789.</param>
public sealed record Vxlan(int Id, string Local, IReadOnlyList<string> Peers, int Port = 4789);

/// <param name="Works">As it should be on the node.</param>
/// <param name="Reason">Why not.</param>
public sealed record NetworkStatus(bool Works, string? Reason = null);

/// <summary>What <c>POST /networks:repair</c> did, in words.</summary>
/// <param name="Repaired">What was missing or changed by hand, and is as it should be again.</param>
/// <param name="Failed">What still does not work.</param>
public sealed record NetworkRepair(IReadOnlyList<string> Repaired, IReadOnlyList<string> Failed);

/// <summary>The body of <c>POST /networks</c>, and what <c>PATCH /networks/{network}</c> changes as a merge patch: kind, devices and subnets stay.</summary>
public sealed record NetworkSettings
{
    public required string Name { get; init; }
    public string? Description { get; init; }
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>Default <c>nat</c>.</summary>
    public NetworkKind? Kind { get; init; }

    /// <summary>For <c>bridge</c>: the host's bridge.</summary>
    public string? Device { get; init; }

    /// <summary>The gateway's address with the length of the prefix; <c>none</c> for none. Default: a free /24 of 10.0.0.0/8.</summary>
    public string? Ipv4 { get; init; }

    /// <summary>Likewise. Default: a /64 of a random /48 of fd00::/8 (RFC 4193).</summary>
    public string? Ipv6 { get; init; }

    /// <summary>Default <c>dhcp</c>.</summary>
    public Ipv6Mode? Ipv6Mode { get; init; }

    /// <summary>Default: the network's name and <c>.gantry</c>.</summary>
    public string? Domain { get; init; }
    public int? Mtu { get; init; }
    public VlanUplink? Vlan { get; init; }
    public Vxlan? Vxlan { get; init; }
    public bool? HostAccess { get; init; }
    public PolicyDefaults? Defaults { get; init; }
}

/// <summary>What a NIC was allotted on a network.</summary>
/// <param name="Instance">Its name.</param>
/// <param name="Labels">The instance's, by which policies choose.</param>
/// <param name="Ipv4">Null where the network allots none.</param>
/// <param name="Static">It was asked for; else it was found.</param>
public sealed record NicAddress(
    Id<Instance> InstanceId, string Instance, string Nic, string Mac, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Ipv4,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Ipv6, bool Static, IReadOnlyDictionary<string, string> Labels);

/// <summary>Connections to a port of the node that go on to a guest.</summary>
public sealed record Forward
{
    public required Id<Forward> Id { get; init; }
    public required TransportProtocol Protocol { get; init; }

    /// <summary>The node's addresses it listens on; null for all.</summary>
    public IReadOnlyList<string>? HostAddresses { get; init; }

    /// <summary>One, such as <c>8080</c>, or a range, such as <c>8000-8099</c>.</summary>
    public required string HostPorts { get; init; }

    /// <summary>By name.</summary>
    public required string Instance { get; init; }

    /// <summary>The NIC's name on this network; default the first.</summary>
    public string? Nic { get; init; }

    /// <summary>The first of as many ports of the guest's. Default: the same as the host's.</summary>
    public int? InstancePort { get; init; }
    public string? Description { get; init; }
}

/// <summary>The body of <c>POST /networks/{network}/forwards</c>.</summary>
public sealed record CreateForward
{
    public required TransportProtocol Protocol { get; init; }
    public IReadOnlyList<string>? HostAddresses { get; init; }
    public required string HostPorts { get; init; }
    public required string Instance { get; init; }
    public string? Nic { get; init; }
    public int? InstancePort { get; init; }
    public string? Description { get; init; }

    public Forward ToForward(Id<Forward> id) => new()
    {
        Id = id,
        Protocol = Protocol,
        HostAddresses = HostAddresses,
        HostPorts = HostPorts,
        Instance = Instance,
        Nic = Nic,
        InstancePort = InstancePort,
        Description = Description,
    };
}

public enum TransportProtocol
{
    Tcp = 1,
    Udp = 2,
}

/// <summary>
/// Which connections NICs of a network may have. Of all policies that choose a NIC, by priority and then name, the first rule that
/// fits decides. When none does: denied if one of them isolates the NIC in that direction, else by the network's defaults.
/// What belongs to an allowed connection always passes.
/// </summary>
public sealed record Policy
{
    /// <summary>1 to 63 of a-z, 0-9 and '-'; once in a network.</summary>
    public required string Name { get; init; }
    public string? Description { get; init; }

    /// <summary>0 to 65,535; the lowest first.</summary>
    public int Priority { get; set; } = 1000; // of init, the reader of JSON would make 0 where it is left out; likewise below

    /// <summary>The instances it is for.</summary>
    public LabelSelector AppliesTo { get; set; } = new();

    /// <summary>Directions in which what no rule fits is denied.</summary>
    public IReadOnlyList<PolicyDirection> Isolates { get; set; } = [];
    public IReadOnlyList<PolicyRule> Rules { get; set; } = [];
}

public enum PolicyDirection
{
    /// <summary>To a guest.</summary>
    In = 1,

    /// <summary>From a guest.</summary>
    Out = 2,
}

/// <summary>All of it must hold; an empty one chooses every instance.</summary>
/// <param name="Labels">Label and value.</param>
/// <param name="Expressions">As Kubernetes has them.</param>
public sealed record LabelSelector(IReadOnlyDictionary<string, string>? Labels = null, IReadOnlyList<LabelExpression>? Expressions = null);

/// <param name="Values">For <c>in</c> and <c>notIn</c>.</param>
public sealed record LabelExpression(string Key, LabelOperator Operator, IReadOnlyList<string>? Values = null);

public enum LabelOperator
{
    In = 1,
    NotIn = 2,
    Exists = 3,
    DoesNotExist = 4,
}

/// <summary>One rule: what is left out fits everything.</summary>
public sealed record PolicyRule
{
    public required PolicyDirection Direction { get; init; }
    public required PolicyAction Action { get; init; }

    /// <summary>The other end: one of these. Null for anybody.</summary>
    public IReadOnlyList<PolicyPeer>? Peers { get; init; }

    /// <summary>One of these. Null for any protocol.</summary>
    public IReadOnlyList<PolicyPorts>? Ports { get; init; }

    /// <summary>A line in the kernel's log for each connection, at most ten a second.</summary>
    public bool Log { get; init; }
    public string? Description { get; init; }
}

/// <summary>One of both.</summary>
/// <param name="Cidr">An address range.</param>
/// <param name="Except">Ranges in it that do not belong.</param>
/// <param name="Instances">Instances of the same network.</param>
public sealed record PolicyPeer(string? Cidr = null, IReadOnlyList<string>? Except = null, LabelSelector? Instances = null);

/// <param name="Ports">One, such as <c>80</c>, or a range, such as <c>8000-8099</c>: of the guest that is connected to. Null for all; not for ICMP.</param>
public sealed record PolicyPorts(PolicyProtocol Protocol, string? Ports = null);

public enum PolicyProtocol
{
    Tcp = 1,
    Udp = 2,
    Sctp = 3,

    /// <summary>And ICMPv6, beside what neighbours must ask each other.</summary>
    Icmp = 4,
}

/// <summary>How often a rule decided.</summary>
/// <param name="Rule">The number of the rule, from 0; null for what no rule of the policy fitted.</param>
public sealed record PolicyCounter(string Policy, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] int? Rule, PolicyDirection Direction, long Packets, long Bytes);

/// <summary>The body of <c>POST /networks/{network}/policies:explain</c>: what would happen to a connection.</summary>
/// <param name="From">An instance of the network by name, or an IP address.</param>
/// <param name="To">Likewise.</param>
/// <param name="Port">Of <paramref name="To"/>; not for ICMP.</param>
public sealed record ExplainPolicy(string From, string To, PolicyProtocol Protocol = PolicyProtocol.Tcp, int? Port = null);

/// <summary>What happens to a connection, and by what.</summary>
/// <param name="Steps">Each end Gantry has a say in: first out, then in.</param>
public sealed record PolicyDecision(PolicyAction Action, IReadOnlyList<PolicyStep> Steps);

/// <param name="Policy">Null for the network's defaults.</param>
/// <param name="Rule">The number of the rule, from 0; null for isolation or defaults.</param>
public sealed record PolicyStep(PolicyDirection Direction, string Instance, string Nic, PolicyAction Action, string? Policy = null, int? Rule = null);
