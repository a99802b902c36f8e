using Gantry.Contracts;

namespace Gantry.Node.Tests.Pools;

/// <summary>Real ZFS, by zfs-fuse, on a file. Its daemon runs in a namespace of its own.</summary>
public sealed class ZfsHost : IAsyncLifetime
{
    private const string Script = """
        for place in /etc/zfs /var/lib/zfs; do mount -t tmpfs tmpfs $place; done
        mkdir -p /var/run/zfs && mount -t tmpfs tmpfs /var/run/zfs
        zfs-fuse --no-kstat-mount --no-daemon --pidfile /var/run/zfs/pid >daemon.log 2>&1 &
        tries=0; until zpool list >/dev/null 2>&1; do tries=$((tries + 1)); [ $tries -lt 600 ] || exit 1; sleep 0.05; done
        truncate -s 1G zfs.disk
        zpool create -o ashift=12 -O atime=off -m "$PWD/zfs" tank "$PWD/zfs.disk" >&2
        """;

    private StorageHost? _host;

    internal StorageHost Host => _host!;

    public async ValueTask InitializeAsync() => _host = await StorageHost.MakeAsync(Script);

    public ValueTask DisposeAsync() => Host.DisposeAsync();
}

public sealed class ZfsPoolTests(ZfsHost host) : PoolConformance(node => node with { Shell = host.Host.Shell }), IClassFixture<ZfsHost>
{
    private protected override PoolKind Kind => PoolKind.Zfs;

    private protected override string Source => $"tank/{PoolId}";

    private protected override int EachPoint => 3;

    private protected override int HistorySteps => 20;
}
