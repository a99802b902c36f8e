using System.Net.NetworkInformation;
using System.Text.RegularExpressions;
using Gantry.Contracts;

namespace Gantry.Node.Networks;

/// <summary>
/// What a node demands of a network before it tells its tools of it. The control plane has checked it all and says it better; but these
/// words end up in what iproute2, dnsmasq and nftables read, so nothing odd may be in them, whoever wrote them.
/// </summary>
internal static partial class NetworkCheck
{
    private const int DomainLength = 190;
    private const int LeastMtu = 68;
    private const int LeastIpv6Mtu = 1280;
    private const int MostMtu = 65_535;

    /// <exception cref="Refusal"><c>network.invalid</c></exception>
    public static void Demand(NetworkSpec network)
    {
        if (WhyNot(network) is { } why)
        {
            throw NodeNetworkErrors.Invalid(Limits.IsName(network.Name) ? network.Name : $"{network.Id}", why);
        }
    }

    private static string? WhyNot(NetworkSpec network) =>
        network.Id == default ? "it has no id"
        : !Limits.IsName(network.Name) ? "its name is none"
        : !Enum.IsDefined(network.Kind) || !Enum.IsDefined(network.Ipv6Mode) ? "its kind is none"
        : network.Domain.Length > DomainLength || !network.Domain.Split('.').All(Limits.IsName) ? "its domain is none"
        : network.Mtu is { } mtu && (mtu > MostMtu || mtu < (network.Ipv6 is null ? LeastMtu : LeastIpv6Mtu)) ? $"packets of {mtu} bytes are too small or too large"
        : WhyNotDevices(network) ?? WhyNotSubnet(network.Ipv4, true) ?? WhyNotSubnet(network.Ipv6, false)
            ?? network.Addresses.Select(a => WhyNotAddress(network, a)).FirstOrDefault(w => w is not null);

    private static string? WhyNotDevices(NetworkSpec network) =>
        network.Kind == NetworkKind.Bridge != (network.Device is not null) ? "a network of kind bridge, and no other, is on one of the host's bridges"
        : network.Kind == NetworkKind.Vlan != (network.Vlan is not null) ? "a network of kind vlan, and no other, is on a VLAN"
        : network.Kind is NetworkKind.Bridge or NetworkKind.Vlan && (network.Ipv4 ?? network.Ipv6) is not null ? "on the host's bridges and VLANs addresses come from elsewhere"
        : network.Kind == NetworkKind.Bridge && network.Vxlan is not null ? "a bridge of the host is not joined by VXLAN"
        : ((string?[])[network.Device, network.Vlan?.Device]).OfType<string>().Any(d => d is "." or ".." || !DeviceName().IsMatch(d)) ? "the name of a device of the host is none"
        : network.Vlan is { Tag: < 1 or > 4094 } ? "the tag of a VLAN is from 1 to 4094"
        : network.Vxlan is { Id: < 1 or > 0xff_ffff } ? $"the number of a VXLAN is from 1 to {0xff_ffff}"
        : network.Vxlan is { Port: < 1 or > 65_535 } ? "the port of a VXLAN is from 1 to 65535"
        : network.Vxlan is { } vxlan && !(Subnet.TryParseAddress(vxlan.Local, out var local)
            && vxlan.Peers.All(p => Subnet.TryParseAddress(p, out var peer) && peer.AddressFamily == local.AddressFamily)) ? "the ends of a VXLAN are IP addresses of one family"
        : null;

    private static string? WhyNotSubnet(string? text, bool isIpv4) =>
        text is null ? null
        : !Subnet.TryParse(text, out var subnet) || subnet.IsIpv4 != isIpv4 || subnet.PrefixLength == 0 ? $"its {(isIpv4 ? "IPv4" : "IPv6")} subnet is none"
        : subnet.Address.Equals(subnet.First) || (isIpv4 && subnet.Address.Equals(subnet.Last)) ? $"{subnet.Address} is none a gateway can have"
        : null;

    private static string? WhyNotAddress(NetworkSpec network, NicAddress nic) =>
        !Limits.IsName(nic.Instance) ? "the name of an instance on it is none"
        : !MacPattern().IsMatch(nic.Mac) || !PhysicalAddress.TryParse(nic.Mac.ToUpperInvariant(), out var mac) || (mac.GetAddressBytes()[0] & 1) == 1
            ? $"the MAC of '{nic.Instance}' is none"
        : !CanHave(network.Ipv4, nic.Ipv4) ? $"{nic.Ipv4} of '{nic.Instance}' is none of its subnet for a guest"
        : !CanHave(network.Ipv6, nic.Ipv6) ? $"{nic.Ipv6} of '{nic.Instance}' is none of its subnet for a guest"
        : null;

    private static bool CanHave(string? subnet, string? address) =>
        address is null || (subnet is not null && Subnet.TryParseAddress(address, out var parsed) && Subnet.Parse(subnet).CanBeGuest(parsed));

    [GeneratedRegex(@"\A[A-Za-z0-9._-]{1,15}\z", RegexOptions.CultureInvariant)]
    private static partial Regex DeviceName();

    [GeneratedRegex(@"\A([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}\z", RegexOptions.CultureInvariant)]
    private static partial Regex MacPattern();
}
