using Gantry.Contracts;
using Gantry.Node.Networks;

namespace Gantry.Daemon.Networks;

/// <summary>A network as it is kept.</summary>
/// <param name="Settings">With nothing left out that has a default.</param>
/// <param name="Version">Of settings, forwards and policies together.</param>
internal sealed record StoredNetwork(
    Id<Network> Id, NetworkSettings Settings, IReadOnlyList<Forward> Forwards, IReadOnlyList<Policy> Policies, bool IsReady, DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt, long Version, long Revision)
{
    public string Name => Settings.Name;

    public string Etag => $"\"{Version}\"";

    public NetworkKind Kind => Settings.Kind ?? NetworkKind.Nat;

    public Network ToWire(NetworkStatus status) => new()
    {
        Id = Id,
        Name = Name,
        Description = Settings.Description,
        Labels = Settings.Labels ?? new Dictionary<string, string>(),
        Kind = Kind,
        Device = NetworkDevices.Of(Id, Settings.Device),
        Ipv4 = Settings.Ipv4,
        Ipv6 = Settings.Ipv6,
        Ipv6Mode = Settings.Ipv6Mode ?? Ipv6Mode.Dhcp,
        Domain = Settings.Domain ?? "",
        Mtu = Settings.Mtu,
        Vlan = Settings.Vlan,
        Vxlan = Settings.Vxlan,
        HostAccess = Settings.HostAccess == true,
        Defaults = Settings.Defaults ?? new(),
        Status = status,
        CreatedAt = CreatedAt,
        UpdatedAt = UpdatedAt,
        Etag = Etag,
    };

    public NetworkSpec ToSpec(IReadOnlyList<NicAddress> addresses) => new(Id, Name, Kind, Settings.Domain ?? "")
    {
        Device = Settings.Device,
        Ipv4 = Settings.Ipv4,
        Ipv6 = Settings.Ipv6,
        Ipv6Mode = Settings.Ipv6Mode ?? Ipv6Mode.Dhcp,
        Mtu = Settings.Mtu,
        Vlan = Settings.Vlan,
        Vxlan = Settings.Vxlan,
        HostAccess = Settings.HostAccess == true,
        Defaults = Settings.Defaults ?? new(),
        Addresses = addresses,
        Forwards = Forwards,
        Policies = Policies,
    };
}

/// <summary>What of a network's document is replaced, under one version; what is null stays.</summary>
/// <param name="Rule">Instead of all policies.</param>
internal sealed record NetworkChange(
    NetworkSettings? Settings = null, IReadOnlyList<Forward>? Forwards = null, IReadOnlyList<Policy>? Policies = null, PolicyRuleChange? Rule = null)
{
    /// <summary>For the event.</summary>
    public string What => Settings is not null ? "settings" : Forwards is not null ? "forwards" : "policies";
}
