using System.Security.Cryptography;
using System.Text;
using Gantry.Contracts;

namespace Gantry.Node.Networks;

/// <summary>
/// What networks of a root are called in the kernel, where a device's name has 15 characters and every root shares the space. Made of
/// ids alone, so that anything of Gantry's is known by its name and found again after a restart.
/// </summary>
internal static class NetworkNames
{
    /// <summary>nftables tables: one for each family, both replaced in one transaction.</summary>
    public static string Table(GantryRoot root) => root.IsSystem ? "gantry" : $"gantry_{Short(root.Path, 8)}";

    public static string Bridge(Id<Network> network) => $"gb-{Short($"{network}", 10)}";

    public static string Vxlan(Id<Network> network) => $"gx-{Short($"{network}", 10)}";

    public static string Vlan(Id<Network> network) => $"gv-{Short($"{network}", 10)}";

    /// <summary>The host's end of a NIC.</summary>
    public static string Tap(Id<Instance> instance, string nic) => $"gt-{Short($"{instance}/{nic}", 10)}";

    /// <summary>What a guest sends passes it where that is limited.</summary>
    public static string Ifb(Id<Instance> instance, string nic) => $"gi-{Short($"{instance}/{nic}", 10)}";

    private static string Short(string text, int digits) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..digits];
}
