using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Gantry.Node.Drivers;

namespace Gantry.Daemon.Nodes;

internal static class NodeApi
{
    public static void MapNodes(this IEndpointRouteBuilder api)
    {
        api.MapGet("/nodes", Nodes).Produces<Page<NodeInfo>>().WithTags("Nodes").Requires(Privilege.NodeAudit);
        api.MapGet("/drivers", ListDriversAsync).Produces<Page<DriverInfo>>().WithTags("Nodes").Requires(Privilege.NodeAudit);
    }

    public static async Task<Page<DriverInfo>> ListDriversAsync(LocalNode node, CancellationToken ct)
    {
        var drivers = await Task.WhenAll(node.AllDrivers.OrderBy(d => d.Name, StringComparer.Ordinal).Select(async driver =>
        {
            var found = await driver.ProbeAsync(ct);
            return new DriverInfo(driver.Name, driver.Kinds, found.Health, found.Version, found.Accelerator, Capabilities.Of(driver), found.Reason);
        }));
        return new(drivers, null);
    }

    private static Page<NodeInfo> Nodes(LocalNode node, NodeIdentity identity) =>
        new([new(identity.Id, identity.Name, node.Host.Cpus, node.Host.MemoryBytes, node.Host.Kernel, node.Host.Architecture)], null);
}
