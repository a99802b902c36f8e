using Gantry.Contracts;

namespace Gantry.Daemon.Platform;

/// <summary>What a route demands of its caller, as it hangs on the endpoint.</summary>
internal sealed record RequiredPrivilege(Privilege Privilege);

internal static class PrivilegeExtensions
{
    public static TBuilder Requires<TBuilder>(this TBuilder route, Privilege privilege)
        where TBuilder : IEndpointConventionBuilder =>
        route.WithMetadata(new RequiredPrivilege(privilege));
}
