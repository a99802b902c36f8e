using Gantry.Contracts;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Pools;

/// <summary>Real Btrfs on a loop device, mounted in a namespace of its own.</summary>
public sealed class BtrfsHost : IAsyncLifetime
{
    private const string Script = "truncate -s 512M btrfs.disk; mkfs.btrfs -q btrfs.disk >&2; mkdir btrfs; mount -o loop btrfs.disk btrfs";

    private StorageHost? _host;

    internal StorageHost Host => _host!;

    public async ValueTask InitializeAsync() => _host = await StorageHost.MakeAsync(Script);

    public ValueTask DisposeAsync() => Host.DisposeAsync();
}

public sealed class BtrfsPoolTests(BtrfsHost host) : PoolConformance(node => node with { Shell = host.Host.Shell }), IClassFixture<BtrfsHost>
{
    private protected override bool LinksTie => false;

    private protected override async Task<IPool> OpenAsync(NodeContext node)
    {
        var id = Id<Pool>.New();
        await node.Pools.OpenAsync(new(id, PoolKind.Btrfs, $"{host.Host.Seen}/btrfs/{id}"), default);
        return node.Pools.Of(id);
    }
}
