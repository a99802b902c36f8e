using Gantry.Contracts;

namespace Gantry.Daemon.Platform;

internal static class PrivilegeExtensions
{
    /// <summary>Names, as data of the route, what its caller must hold. A test demands it of every route.</summary>
    public static TBuilder Requires<TBuilder>(this TBuilder endpoint, Privilege privilege)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(privilege);
}
