using Gantry.Contracts;
using Gantry.Node.Tests.Pools;

namespace Gantry.Node.Tests.InGuest;

/// <summary>The kernel's own NFS server, version 4.2, with an ext4.</summary>
public sealed class NfsHost : IAsyncLifetime
{
    private const string Script = """
        mkfs.ext4 -q /dev/vdc
        mkdir -p /srv/nfs /var/lib/nfs/v4recovery /run/rpc_pipefs
        mount /dev/vdc /srv/nfs
        modprobe nfsd
        mount -t nfsd nfsd /proc/fs/nfsd || true
        exportfs -o rw,sync,no_root_squash,no_subtree_check,fsid=1 127.0.0.1:/srv/nfs
        rpc.mountd --no-nfs-version 3
        rpc.nfsd --no-nfs-version 3 --grace-time 10 --lease-time 10 4
        """;

    public async ValueTask InitializeAsync() => await Guest.PrepareAsync(Script);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

[Trait("Category", "InGuest")]
[Trait("Guest", "nfs")]
public sealed class NfsPoolTests : MountedPoolConformance, IClassFixture<NfsHost>
{
    private protected override PoolKind Kind => PoolKind.Nfs;

    private protected override string Source => $"127.0.0.1:/srv/nfs/{PoolId}";

    private protected override PoolMount? Mount => new("4.2");

    private protected override int EachPoint => 5;

    private protected override int HistorySteps => 10;

    public override async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory($"/srv/nfs/{PoolId}");
        await base.InitializeAsync();
    }
}
