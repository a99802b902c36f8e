using Gantry.Contracts;
using Gantry.Node.Host;

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

    private protected override bool PromotesWithSnapshots => false;

    [Fact]
    public async Task A_disk_whose_data_set_is_not_mounted_is_not_made_anew()
    {
        await Pool.CreateAsync(Root, 16 * TestDisks.BlockBytes, null, default);
        await WriteAsync((Root, 3, 7));
        var snapshot = await SnapshotAsync("root");
        await ZfsAsync("unmount", $"{Source}/{Owner}/root");

        await Pool.CreateAsync(Root, 16 * TestDisks.BlockBytes, null, default);

        (await ReadAsync(Root)).ShouldBe(Blocks((3, 7)));
        (await Pool.SnapshotsAsync(Owner, default)).Keys.ShouldBe([snapshot]);
    }

    [Fact]
    public async Task What_somebody_else_has_put_into_it_stays_and_keeps_it_this_pool()
    {
        await ZfsAsync("create", $"{Source}/letters");

        await Pool.CloseAsync(default);

        (await ZfsAsync("list", "-H", "-o", "name", $"{Source}/letters")).ShouldBe($"{Source}/letters\n");
        (await Pool.LookAsync(default)).Healthy.ShouldBeTrue();
    }

    private async Task<string> ZfsAsync(params string[] arguments) => (await Node.Shell.RunAsync(new("zfs", arguments, TimeSpan.FromMinutes(1)), default)).Output;
}
