using System.Text.Json;
using System.Text.Json.Serialization;
using Gantry.Contracts;

namespace Gantry.Node.Networks;

/// <summary>
/// All a node needs to have a network, kept as <c>data/networks/{id}.json</c>, so that a node sets its networks up again without a
/// control plane. It is replaced whole. What has a default can be set: given only at first, the serializer would replace it by null
/// where a file leaves it out.
/// </summary>
/// <param name="Ipv4">The gateway's address and the prefix.</param>
/// <param name="Device">For <see cref="NetworkKind.Bridge"/> the host's bridge; null for one of Gantry's own.</param>
public sealed record NetworkSpec(Id<Network> Id, string Name, NetworkKind Kind, string Domain)
{
    public const int Newest = 1;

    /// <summary>Raised when the meaning of a field changes; a node refuses one newer than it knows.</summary>
    public int Version { get; set; } = Newest;
    public string? Device { get; init; }
    public string? Ipv4 { get; init; }
    public string? Ipv6 { get; init; }
    public Ipv6Mode Ipv6Mode { get; set; } = Ipv6Mode.Dhcp;
    public int? Mtu { get; init; }
    public VlanUplink? Vlan { get; init; }
    public Vxlan? Vxlan { get; init; }
    public bool HostAccess { get; init; }
    public PolicyDefaults Defaults { get; set; } = new();

    /// <summary>Of all NICs on it, running or not.</summary>
    public IReadOnlyList<NicAddress> Addresses { get; set; } = [];
    public IReadOnlyList<Forward> Forwards { get; set; } = [];
    public IReadOnlyList<Policy> Policies { get; set; } = [];
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, UseStringEnumConverter = true, WriteIndented = true,
    RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(NetworkSpec))]
internal sealed partial class NetworkJson : JsonSerializerContext;
