using Gantry.Contracts;

namespace Gantry.Node.Networks;

/// <summary>Networks for the simulator and for tests of the control plane: kept as the real ones are, and nothing of the host is touched.</summary>
public sealed class SimNetworks(NodeContext node) : INodeNetworks
{
    private readonly NetworkFiles _files = new(node.Root);

    /// <summary>What <see cref="HostSubnetsAsync"/> says.</summary>
    public IReadOnlyList<string> HostSubnets { get; init; } = [];

    public IReadOnlyList<NetworkSpec> All() => _files.All();

    public Task ApplyAsync(IReadOnlyList<NetworkSpec> networks, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        foreach (var network in networks)
        {
            NetworkCheck.Demand(network);
        }

        using var draft = _files.Write(networks);
        draft.Keep();
        return Task.CompletedTask;
    }

    public Task RemoveAsync(Id<Network> network, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        _files.Remove(network);
        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<string>> RepairAsync(CancellationToken ct) => Task.FromResult<IReadOnlyList<string>>([]);

    /// <exception cref="Refusal"><c>network.unknown_here</c></exception>
    public Task<NetworkStatus> StatusAsync(Id<Network> network, CancellationToken ct) => Task.FromResult(new NetworkStatus(_files.Find(network).Id == network));

    public Task<IReadOnlyDictionary<Id<Network>, NetworkStatus>> StatusesAsync(CancellationToken ct) =>
        Task.FromResult<IReadOnlyDictionary<Id<Network>, NetworkStatus>>(_files.All().ToDictionary(n => n.Id, _ => new NetworkStatus(true)));

    public Task<IReadOnlyList<string>> HostSubnetsAsync(CancellationToken ct) => Task.FromResult(HostSubnets);

    /// <exception cref="Refusal"><c>network.unknown_here</c></exception>
    public Task<IReadOnlyList<PolicyCounter>> CountersAsync(Id<Network> network, CancellationToken ct) =>
        Task.FromResult<IReadOnlyList<PolicyCounter>>(
            [.. _files.Find(network).Policies.SelectMany(p => p.Rules.Select((r, i) => new PolicyCounter(p.Name, i, r.Direction, 0, 0)))]);
}
