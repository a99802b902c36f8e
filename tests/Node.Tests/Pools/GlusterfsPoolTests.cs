using Gantry.Contracts;

namespace Gantry.Node.Tests.Pools;

/// <summary>A real server of GlusterFS with one volume, in a namespace of its own; its address is on that one's loopback.</summary>
public sealed class GlusterfsHost : IAsyncLifetime
{
    private const string Script = """
        for place in /var/lib/glusterd /var/log/glusterfs /run/gluster; do mkdir -p $place; mount -t tmpfs tmpfs $place; done
        ip link set lo up
        ip address add 10.99.0.1/32 dev lo
        glusterd --no-daemon >daemon.log 2>&1 &
        tries=0; until gluster --mode=script volume list >/dev/null 2>&1; do tries=$((tries + 1)); [ $tries -lt 600 ] || exit 1; sleep 0.05; done
        mkdir brick
        gluster --mode=script volume create disks "10.99.0.1:$PWD/brick" force >&2
        gluster --mode=script volume start disks >&2
        """;

    private StorageHost? _host;

    internal StorageHost Host => _host!;

    public async ValueTask InitializeAsync() => _host = await StorageHost.MakeAsync(Script);

    public ValueTask DisposeAsync() => Host.DisposeAsync();
}

public sealed class GlusterfsPoolTests(GlusterfsHost host) : MountedPoolConformance(
    node => node with { Shell = host.Host.Shell, Root = GantryRoot.At($"{host.Host.Seen}/r") }), IClassFixture<GlusterfsHost>
{
    private protected override PoolKind Kind => PoolKind.Glusterfs;

    /// <summary>A folder of the volume for each test.</summary>
    private protected override string Source => $"10.99.0.1:/disks/{PoolId}";

    private protected override int EachPoint => 5;

    private protected override int HistorySteps => 10;

    public override async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory($"{host.Host.Folder}/brick/{PoolId}");
        Directory.CreateDirectory(Node.Root.Pools);
        await base.InitializeAsync();
    }
}
