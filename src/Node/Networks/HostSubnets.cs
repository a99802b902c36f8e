using System.Globalization;

namespace Gantry.Node.Networks;

/// <summary>The subnets the host has addresses in or routes to by itself.</summary>
internal static class HostSubnets
{
    /// <summary>A VPN that takes everything routes to two halves of the internet: as little to avoid as a default route.</summary>
    private const int LeastIpv4Prefix = 2;

    /// <summary>Likewise: <c>2000::/3</c> is all that is given out.</summary>
    private const int LeastIpv6Prefix = 4;

    /// <param name="own">Names of devices of Gantry's networks, which do not count.</param>
    /// <returns>In CIDR form, sorted.</returns>
    public static IReadOnlyList<string> Of(IReadOnlyList<HostLink> links, IReadOnlyList<HostRoute> routes, IReadOnlySet<string> own)
    {
        var addresses = links.Where(l => !own.Contains(l.Name)).SelectMany(l => l.Addresses)
            .Select(a => string.Create(CultureInfo.InvariantCulture, $"{a.Local}/{a.PrefixLength}"));
        var targets = routes.Where(r => r.Type is not ("local" or "broadcast" or "multicast" or "anycast") && !own.Contains(r.Device ?? "")).Select(r => r.To)
            .OfType<string>().Select(to => to.Contains('/', StringComparison.Ordinal) ? to : to.Contains(':', StringComparison.Ordinal) ? $"{to}/128" : $"{to}/32");
        return
        [
            .. addresses.Concat(targets).Select(s => Subnet.TryParse(s, out var subnet) ? subnet : default).Where(s => s.Address is not null && Counts(s))
                .Select(s => $"{s with { Address = s.First }}").Distinct().Order(StringComparer.Ordinal),
        ];
    }

    private static bool Counts(Subnet subnet)
    {
        var first = subnet.Address.GetAddressBytes()[0];
        return subnet.IsIpv4
            ? subnet.PrefixLength >= LeastIpv4Prefix && first is not (0 or 127 or >= 224)
            : subnet.PrefixLength >= LeastIpv6Prefix && first is not (0 or 0xff) && !subnet.Address.IsIPv6LinkLocal;
    }
}
