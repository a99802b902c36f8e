using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Pools;
using Gantry.Node.Tests.Pools;

namespace Gantry.Node.Tests.InGuest;

/// <summary>A real volume group on a disk of the guest's. Its extents are small, so that sizes of tests are whole ones.</summary>
public sealed class LvmHost : IAsyncLifetime
{
    private const string Script = """
        cat >/etc/lvm/lvmlocal.conf <<'END'
        activation { monitoring = 0 }
        backup { backup = 0 archive = 0 }
        devices { filter = [ "a|^/dev/vdc$|", "r|.*|" ] }
        END
        modprobe dm-thin-pool
        pvcreate --quiet /dev/vdc
        vgcreate --quiet --physicalextentsize 64k tank /dev/vdc
        """;

    public async ValueTask InitializeAsync() => await Guest.PrepareAsync(Script);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

[Trait("Category", "InGuest")]
[Trait("Guest", "lvm")]
public sealed class LvmPoolTests : PoolConformance, IClassFixture<LvmHost>
{
    private const long Size = 16L * TestDisks.BlockBytes;

    private string Thin => $"thin-{PoolId}";

    private protected override PoolKind Kind => PoolKind.Lvm;

    private protected override string Source => $"tank/{Thin}";

    private protected override bool LinksTie => false;

    private protected override int EachPoint => 11;

    private protected override int HistorySteps => 10;

    public override async ValueTask InitializeAsync()
    {
        await LvmAsync("lvcreate", "--type", "thin-pool", "--size", "64m", "--poolmetadatasize", "4m", "--poolmetadataspare", "n", "--name", Thin, "tank");
        await base.InitializeAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        await LvmAsync("lvremove", "--yes", "--force", Source);
        await base.DisposeAsync();
    }

    [Fact]
    public async Task What_is_no_thin_pool_or_hands_out_what_others_have_deleted_is_refused()
    {
        await LvmAsync("lvcreate", "--yes", "--size", "1m", "--name", $"plain-{PoolId}", "tank");
        await LvmAsync("lvcreate", "--type", "thin-pool", "--size", "16m", "--zero", "n", "--poolmetadataspare", "n", "--name", $"open-{PoolId}", "tank");

        (await RefusalAsync($"tank/plain-{PoolId}")).ShouldContain("it is no thin pool");
        (await RefusalAsync($"tank/open-{PoolId}")).ShouldContain("hands out blocks as they were");
        (await RefusalAsync("tank/none")).ShouldContain("there is no such volume");
        (await RefusalAsync("none/thin")).ShouldContain("none");
        (await RefusalAsync("--config/x")).ShouldContain("it is no volume group with a thin pool");
    }

    [Fact]
    public async Task What_somebody_else_has_put_into_it_stays_and_is_no_owners()
    {
        await LvmAsync("lvcreate", "--yes", "--type", "thin", "--virtualsize", "1m", "--thinpool", Source, "--name", $"letters-{PoolId}");
        await Pool.CreateAsync(Root, Size, null, default);
        await Pool.DeleteOwnerAsync(Owner, default);

        (await Pool.OwnersAsync(default)).ShouldBeEmpty();
        (await LvmAsync("lvs", "--noheadings", "--options", "lv_name", $"tank/letters-{PoolId}")).Trim().ShouldBe($"letters-{PoolId}");
    }

    [Fact]
    public async Task A_snapshot_is_a_device_of_nobody_and_tells_what_only_it_has()
    {
        await Pool.CreateAsync(Root, Size, null, default);
        await WriteAsync((Root, 3, 7));
        var snapshot = await SnapshotAsync("root");
        await WriteAsync((Root, 3, 8));

        (await Pool.SnapshotsAsync(Owner, default))[snapshot].ShouldBe(TestDisks.BlockBytes);
        (await LvmAsync("lvs", "--noheadings", "--options", "lv_active", "--select", $"tags=gantry.snapshot={snapshot}")).Trim().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_disk_of_a_snapshot_that_somebody_removed_is_missed_and_nothing_is_restored()
    {
        var data = new DiskName(Owner, "data");
        await Pool.CreateAsync(Root, Size, null, default);
        await Pool.CreateAsync(data, Size, null, default);
        await WriteAsync((Root, 3, 7));
        var snapshot = await SnapshotAsync("root", "data");
        var name = (await LvmAsync("lvs", "--noheadings", "--options", "lv_name", "--select", $"tags=gantry.snapshot={snapshot} && tags=gantry.disk=data")).Trim();
        await LvmAsync("lvremove", "--yes", "--force", $"tank/{name}");

        (await Pool.VerifyAsync(Owner, snapshot, default)).ShouldHaveSingleItem().ShouldContain("1 of 2 volumes are there");
        await ShouldRefuseAsync("volume.damaged", () => Pool.RestoreAsync(Owner, snapshot, default));
        (await ReadAsync(Root)).ShouldBe(Blocks((3, 7)));
    }

    [Fact]
    public async Task A_full_pool_says_so_at_once_and_what_was_written_before_is_there()
    {
        await Pool.CreateAsync(Root, 128L << 20, null, default);
        await WriteAsync((Root, 3, 7));
        var disk = await FindAsync(Root);

        await Should.ThrowAsync<CommandFailed>(() => Guest.Shell.RunAsync(
            new("dd", ["if=/dev/zero", $"of={disk.Top.Path}", "bs=1M", "seek=1", "count=100", "oflag=direct"], TimeSpan.FromMinutes(20)), default));

        (await Pool.LookAsync(default)).FreeBytes!.Value.ShouldBeLessThan(1 << 20);
        (await ReadAsync(Root))[3].ShouldBe(7);
    }

    private async Task<string> RefusalAsync(string source) =>
        (await ShouldRefuseAsync("pool.not_usable", () => new NodePools(Node).Make(new(Id<Pool>.New(), Kind, source)).OpenAsync(default))).Message;

    private static async Task<string> LvmAsync(params string[] arguments) => (await Guest.Shell.RunAsync(new("lvm", arguments, TimeSpan.FromMinutes(20)), default)).Output;
}
