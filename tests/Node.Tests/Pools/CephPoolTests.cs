using System.Text.Json;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Pools;

/// <summary>A cluster of one node, whose commands take their time. `./dev soak` runs this.</summary>
[Trait("Category", "Soak")]
public sealed class CephPoolTests(CephHost host) : PoolConformance(node => node with { Shell = host.Host.Shell }), IClassFixture<CephHost>
{
    private protected override PoolKind Kind => PoolKind.Ceph;

    /// <summary>A namespace of the pool for each test.</summary>
    private protected override string Source => $"{CephHost.Monitor}/{CephHost.Pool}/{PoolId}";

    private protected override PoolMount Mount => new(Credentials: "ceph");

    private protected override IShell Tools => host.Host.Shell;

    private protected override int EachPoint => 11;

    private protected override int CopiesFewer => 4;

    private protected override int HistorySteps => 12;

    private string Spec => $"{CephHost.Pool}/{PoolId}";

    public override async ValueTask InitializeAsync()
    {
        var folder = $"{Node.Root.Etc}/credentials";
        Directory.CreateDirectory(folder);
        File.Copy(host.Keyring, $"{folder}/ceph");
        File.SetUnixFileMode($"{folder}/ceph", UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await base.InitializeAsync();
    }

    [Fact]
    public async Task What_was_written_since_a_restore_is_given_up_and_what_others_stand_on_is_not()
    {
        await Pool.CreateAsync(Root, 64 * TestDisks.BlockBytes, null, default);
        await WriteAsync((Root, 0, 1));
        var first = await SnapshotAsync("root");
        await WriteAsync((Root, 1, 2));
        await Pool.RestoreAsync(Owner, first, default);
        (await ImagesAsync()).Length.ShouldBe(2);
        await DeleteAsync(first);

        (await ReadAsync(Root))[..2].ShouldBe([1, 0]);
        var (kept, top) = (await ImagesAsync()) is [var one, var two] && (await FindAsync(Root)).Top.Path.EndsWith(two, StringComparison.Ordinal) ? (one, two) : ((await ImagesAsync())[1], (await ImagesAsync())[0]);
        (await RbdAsync("info", "--format", "json", $"{Spec}/{kept}")).ShouldContain("\"size\":0,");
        (await RbdAsync("info", "--format", "json", $"{Spec}/{top}")).ShouldContain(kept);

        var moved = new DiskName($"{Id<Instance>.New()}", "root");
        await Pool.MoveAsync(Root, moved, default);
        (await Pool.OwnersAsync(default)).ShouldBe([moved.Owner]);
        (await ReadAsync(moved))[..2].ShouldBe([1, 0]);
        await Pool.DeleteOwnerAsync(moved.Owner, default);
        (await ImagesAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task An_image_that_is_gone_is_a_disk_that_is_missing_and_a_snapshot_that_is_not_whole()
    {
        await Pool.CreateAsync(Root, 16 * TestDisks.BlockBytes, null, default);
        var snapshot = await SnapshotAsync("root");
        var image = (await ImagesAsync()).ShouldHaveSingleItem();
        await RbdAsync("snap", "purge", $"{Spec}/{image}");

        (await Pool.VerifyAsync(Owner, snapshot, default)).ShouldHaveSingleItem().ShouldContain("missing");
        await ShouldRefuseAsync("volume.damaged", () => Pool.DemandRestorableAsync(Owner, snapshot, default));

        await RbdAsync("rm", $"{Spec}/{image}");
        await ShouldRefuseAsync("volume.missing", () => Pool.FindAsync(Root, default));
        await Pool.DeleteOwnerAsync(Owner, default);
    }

    /// <summary>Which disk that is stands in an operation meanwhile.</summary>
    [Fact]
    public async Task An_image_is_made_of_a_disk_there()
    {
        await Pool.CreateAsync(Root, 16 * TestDisks.BlockBytes, null, default);
        await WriteAsync((Root, 3, 7));
        var kept = JsonSerializer.Deserialize<List<DiskFile>>(JsonSerializer.Serialize(NodePools.FilesOf(await FindAsync(Root))))!;

        await new QemuImg(host.Host.Shell, Node.ToolUids).FlattenAsync(kept, $"{Node.Root.Path}/flat", _ => { }, default);

        (await TestDisks.ReadAsync(new(16 * TestDisks.BlockBytes, [new("flat", $"{Node.Root.Path}/flat", Gantry.Node.Pools.DiskFormat.Qcow2)]), Node.Root.Path)).ShouldBe(Blocks((3, 7)));
        Directory.EnumerateFiles(Node.Root.Keys).ShouldBeEmpty();
    }

    [Fact]
    public async Task Images_of_somebody_else_are_no_place_for_a_pool()
    {
        var other = $"{Id<Pool>.New()}";
        await RbdAsync("namespace", "create", $"{CephHost.Pool}/{other}");
        await RbdAsync("create", "--size", "1M", $"{CephHost.Pool}/{other}/letters");

        (await ShouldRefuseAsync("pool.not_usable", () => Make($"{CephHost.Monitor}/{CephHost.Pool}/{other}").OpenAsync(default))).Message.ShouldContain("not empty");
    }

    [Theory]
    [InlineData("10.98.0.1/nothing/a")]
    [InlineData("ceph.example/disks")]
    [InlineData("10.98.0.1/disks/a@b")]
    [InlineData("10.98.0.1,10.98.0.2:6789:1/disks")]
    public async Task A_place_that_is_none_is_refused(string source) =>
        await ShouldRefuseAsync("pool.not_usable", async () => await Make(source).OpenAsync(default));

    [Fact]
    public async Task A_keyring_that_others_can_read_is_not_used()
    {
        File.SetUnixFileMode($"{Node.Root.Etc}/credentials/ceph", (UnixFileMode)0b110_100_100);

        (await ShouldRefuseAsync("pool.not_usable", () => Pool.OpenAsync(default))).Message.ShouldContain("others than root can read");
        (await Pool.LookAsync(default)).Healthy.ShouldBeFalse();
    }

    private CephPool Make(string source) => (CephPool)new NodePools(Node).Make(new(Id<Pool>.New(), Kind, source, Mount));

    private async Task<string[]> ImagesAsync() => (await RbdAsync("ls", Spec)).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private async Task<string> RbdAsync(params string[] arguments) => (await host.Host.Shell.RunAsync(new("rbd", arguments, TimeSpan.FromMinutes(1)), default)).Output;
}
