using Gantry.Contracts;

namespace Gantry.Node.Networks.Firewall;

/// <summary>
/// What networks mean in nftables. The bridge table sees each frame to and from a guest's device, wherever it goes: addresses that are not
/// the guest's, and policies. The inet table has what is routed: masquerading, forwards, what may pass between networks and to the node.
/// </summary>
internal sealed record Ruleset(NftTable Bridge, NftTable Inet)
{
    /// <exception cref="Refusal"><c>firewall.not_valid</c></exception>
    public static Ruleset Compile(string table, IReadOnlyList<NetworkSpec> networks)
    {
        var sorted = networks.OrderBy(n => NetworkNames.Bridge(n.Id), StringComparer.Ordinal).ToList();
        return new(GuestChains.Compile(new("bridge", table), sorted), RoutedChains.Compile(new("inet", table), sorted));
    }

    public IReadOnlyList<NftTable> Tables => [Bridge, Inet];

    public override string ToString() => $"{Bridge}{Inet}";
}
