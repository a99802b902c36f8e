using Gantry.Contracts;

namespace Gantry.Node.Networks;

/// <summary>The networks of a node: bridges, addresses and names, filters. Every call may be repeated.</summary>
public interface INodeNetworks
{
    /// <summary>What was applied and not removed, from the files.</summary>
    IReadOnlyList<NetworkSpec> All();

    /// <summary>
    /// Makes these networks be as they say, devices first, filters of all at once last; other networks stay. What fails leaves the files and
    /// the filters as they were.
    /// </summary>
    /// <exception cref="Refusal"><c>network.*</c></exception>
    Task ApplyAsync(IReadOnlyList<NetworkSpec> networks, CancellationToken ct);

    /// <summary>Removes devices, processes, filters and files of a network; of one that is not there nothing.</summary>
    Task RemoveAsync(Id<Network> network, CancellationToken ct);

    /// <summary>Puts back what is missing or was changed by hand, of all networks.</summary>
    /// <returns>In words, what it put back; empty when all was as it should be.</returns>
    Task<IReadOnlyList<string>> RepairAsync(CancellationToken ct);

    /// <exception cref="Refusal"><c>network.unknown_here</c></exception>
    Task<NetworkStatus> StatusAsync(Id<Network> network, CancellationToken ct);

    /// <summary>Of all networks, looked at together.</summary>
    Task<IReadOnlyDictionary<Id<Network>, NetworkStatus>> StatusesAsync(CancellationToken ct);

    /// <summary>The subnets the node itself has routes to or addresses in, and no network may overlap with: in CIDR form.</summary>
    Task<IReadOnlyList<string>> HostSubnetsAsync(CancellationToken ct);

    /// <summary>How often each rule decided since the network's filters were last changed.</summary>
    Task<IReadOnlyList<PolicyCounter>> CountersAsync(Id<Network> network, CancellationToken ct);
}
