using Gantry.Contracts;

namespace Gantry.Node.Networks;

/// <summary>
/// The node passes packets on for its <c>nat</c> networks. A node that does so for IPv6 no longer takes its own default route from its
/// router, unless told to in spite of it (accept_ra 2: Documentation/networking/ip-sysctl.rst of the kernel), so its devices are told to.
/// It is never switched off again: others may need it by then.
/// </summary>
internal static class Forwarding
{
    private const string Ipv4 = "net/ipv4/ip_forward";
    private const string Ipv6 = "net/ipv6/conf/all/forwarding";

    /// <summary>The keys of the kernel that say whether it passes on what these networks need.</summary>
    public static IReadOnlyList<string> Keys(IEnumerable<NetworkSpec> networks)
    {
        var nat = networks.Where(n => n.Kind == NetworkKind.Nat).ToList();
        return [.. nat.Any(n => n.Ipv4 is not null) ? [Ipv4] : (string[])[], .. nat.Any(n => n.Ipv6 is not null) ? [Ipv6] : (string[])[]];
    }

    /// <summary>The keys that say which of the node's devices, and of those to come, take routes from a router.</summary>
    public static IReadOnlyList<string> RouterKeys(IEnumerable<string> devices) =>
        [.. devices.Where(d => d != "lo").Prepend("default").Select(d => $"net/ipv6/conf/{d}/accept_ra")];

    public static bool IsOff(IReadOnlyDictionary<string, string> keys) => keys.Values.Contains("0");

    /// <summary>What to set, in this order.</summary>
    /// <param name="keys">What they are.</param>
    /// <param name="routers">Likewise.</param>
    public static IReadOnlyList<string> Changes(IReadOnlyDictionary<string, string> keys, IReadOnlyDictionary<string, string> routers) =>
    [
        .. keys.GetValueOrDefault(Ipv6) == "0" ? [.. routers.Where(r => r.Value == "1").Select(r => $"{r.Key}=2").Order(StringComparer.Ordinal), $"{Ipv6}=1"] : (string[])[],
        .. keys.GetValueOrDefault(Ipv4) == "0" ? [$"{Ipv4}=1"] : (string[])[],
    ];
}
