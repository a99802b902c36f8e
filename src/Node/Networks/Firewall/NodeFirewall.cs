using Gantry.Contracts;

namespace Gantry.Node.Networks.Firewall;

/// <summary>The filters of a node's networks. This one has none: that of the branch `firewall` takes its place.</summary>
internal sealed class NodeFirewall(NodeContext node)
{
    private readonly GantryRoot _root = node.Root;

    /// <summary>Makes the filters be those of these networks and no others, all at once or not at all.</summary>
    public Task ApplyAsync(IReadOnlyList<NetworkSpec> all, CancellationToken ct) => Task.CompletedTask;

    /// <summary>Whether they are as they were applied.</summary>
    public Task<bool> IsWholeAsync(IReadOnlyList<NetworkSpec> all, CancellationToken ct) => Task.FromResult(true);

    public Task<IReadOnlyList<PolicyCounter>> CountersAsync(NetworkSpec network, CancellationToken ct) => Task.FromResult<IReadOnlyList<PolicyCounter>>([]);

    public Task RemoveAsync(CancellationToken ct) => Task.CompletedTask;
}
