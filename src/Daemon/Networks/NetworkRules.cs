using System.Text.RegularExpressions;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Node.Networks;

namespace Gantry.Daemon.Networks;

/// <summary>What a network's settings must keep to by themselves.</summary>
internal static partial class NetworkRules
{
    /// <summary>In place of a subnet: none.</summary>
    public const string None = "none";

    private const int LeastIpv4Prefix = 8;
    private const int MostIpv4Prefix = 30;
    private const int Ipv6Prefix = 64;
    private const int LeastMtu = 1280; // what IPv6 asks of every link (RFC 8200, section 5)
    private const int MostMtu = 9216;
    private const int MostPeers = 64;

    public static IEnumerable<Fault> Faults(NetworkSettings settings) =>
    [
        .. TextRules.Name("$.name", settings.Name), .. TextRules.Description(settings.Description), .. LabelRules.Faults(settings.Labels),
        .. OfKind(settings), .. OfSubnets(settings), .. OfDomain(settings.Domain), .. OfVxlan(settings.Vxlan),
        .. settings.Mtu is < LeastMtu or > MostMtu ? [new Fault("$.mtu", $"{settings.Mtu} is not from {LeastMtu} to {MostMtu}")] : (Fault[])[],
    ];

    private static IEnumerable<Fault> OfKind(NetworkSettings settings)
    {
        var kind = settings.Kind ?? NetworkKind.Nat;
        if (kind == NetworkKind.Bridge != settings.Device is not null)
        {
            yield return new("$.device", kind == NetworkKind.Bridge ? "name the host's bridge" : "only a network of kind bridge has one of the host's");
        }

        if (kind == NetworkKind.Vlan != settings.Vlan is not null)
        {
            yield return new("$.vlan", kind == NetworkKind.Vlan ? "name the host's device and the tag" : "only a network of kind vlan has one");
        }

        foreach (var (at, device) in ((string, string?)[])[("$.device", settings.Device), ("$.vlan.device", settings.Vlan?.Device)])
        {
            if (device is not null && !Device().IsMatch(device))
            {
                yield return new(at, "a network device has 1 to 15 of A-Z, a-z, 0-9, '.', '_' and '-'");
            }
        }

        if (settings.Vlan is { Tag: < 1 or > 4094 } vlan)
        {
            yield return new("$.vlan.tag", $"{vlan.Tag} is not from 1 to 4094");
        }

        if (kind is NetworkKind.Bridge or NetworkKind.Vlan && ((settings.Ipv4 ?? None) != None || (settings.Ipv6 ?? None) != None))
        {
            yield return new("$.ipv4", "on the host's bridges and VLANs addresses come from elsewhere");
        }

        if (kind is NetworkKind.Bridge or NetworkKind.Vlan && settings.Vxlan is not null)
        {
            yield return new("$.vxlan", "only networks of kind nat and isolated are joined by VXLAN");
        }
    }

    private static IEnumerable<Fault> OfSubnets(NetworkSettings settings)
    {
        foreach (var (at, text, isIpv4) in ((string, string?, bool)[])[("$.ipv4", settings.Ipv4, true), ("$.ipv6", settings.Ipv6, false)])
        {
            if (text is null or None)
            {
                continue;
            }

            if (!Subnet.TryParse(text, out var subnet) || subnet.IsIpv4 != isIpv4)
            {
                yield return new(at, isIpv4 ? "it is not the gateway's address with the length of the prefix, such as 10.77.0.1/24" : "it is not the gateway's address with the length of the prefix, such as fd42:1::1/64");
            }
            else if (isIpv4 ? subnet.PrefixLength is < LeastIpv4Prefix or > MostIpv4Prefix : subnet.PrefixLength != Ipv6Prefix)
            {
                yield return new(at, isIpv4 ? $"the prefix has {LeastIpv4Prefix} to {MostIpv4Prefix} bits" : $"the prefix has {Ipv6Prefix} bits");
            }
            else if (subnet.Address.Equals(subnet.First) || (isIpv4 && subnet.Address.Equals(subnet.Last)) || !IsUnicast(subnet))
            {
                yield return new(at, $"{subnet.Address} is none a gateway can have");
            }
        }
    }

    private static IEnumerable<Fault> OfDomain(string? domain) =>
        domain is null || (domain.Length <= 100 && domain.Split('.').All(Limits.IsName)) ? [] : [new("$.domain", "a domain is names joined by dots, at most 100 characters")];

    private static IEnumerable<Fault> OfVxlan(Vxlan? vxlan)
    {
        if (vxlan is null)
        {
            yield break;
        }

        if (vxlan.Id is < 1 or > 0xff_ffff)
        {
            yield return new("$.vxlan.id", $"{vxlan.Id} is not from 1 to {0xff_ffff}");
        }

        if (vxlan.Port is < 1 or > 65_535)
        {
            yield return new("$.vxlan.port", $"{vxlan.Port} is not from 1 to 65535");
        }

        if (!Subnet.TryParseAddress(vxlan.Local, out var local))
        {
            yield return new("$.vxlan.local", "it is no IP address");
        }

        if (vxlan.Peers.Count > MostPeers)
        {
            yield return new("$.vxlan.peers", $"{vxlan.Peers.Count} are more than {MostPeers}");
        }

        foreach (var (number, peer) in vxlan.Peers.Index())
        {
            if (!Subnet.TryParseAddress(peer, out var address) || address.AddressFamily != local?.AddressFamily)
            {
                yield return new($"$.vxlan.peers[{number}]", "it is no IP address of the same family as the local one");
            }
        }
    }

    private static bool IsUnicast(Subnet subnet)
    {
        var first = subnet.Address.GetAddressBytes()[0];
        return subnet.IsIpv4 ? first is not (0 or 127 or >= 224) : first != 0xff && !subnet.Address.IsIPv6LinkLocal && first != 0;
    }

    [GeneratedRegex(@"\A[A-Za-z0-9._-]{1,15}\z")]
    private static partial Regex Device();
}
