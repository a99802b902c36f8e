using Gantry.Contracts;

namespace Gantry.Node.Networks;

/// <summary>The devices of networks, by the names users see them under.</summary>
public static class NetworkDevices
{
    /// <param name="device">The host's bridge; null for one of Gantry's own.</param>
    public static string Of(Id<Network> network, string? device) => device ?? NetworkNames.Bridge(network);
}
