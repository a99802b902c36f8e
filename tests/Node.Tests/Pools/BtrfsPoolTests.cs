using Gantry.Contracts;

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

    private protected override PoolKind Kind => PoolKind.Btrfs;

    private protected override string Source => $"{host.Host.Seen}/btrfs/{PoolId}";

    private protected override int HistorySteps => 20;
}
