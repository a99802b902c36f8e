using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Pools;

/// <summary>What every pool keeps, whatever it is made of.</summary>
public abstract partial class PoolConformance : IAsyncLifetime
{
    private const long Size = 16L * TestDisks.BlockBytes;

    private readonly Faults _faults = new();
    private readonly TestRoot _root;
    private IPool? _pool;

    private protected PoolConformance(Func<NodeContext, NodeContext>? change = null) =>
        _root = new(node => (change?.Invoke(node) ?? node) is var changed ? changed with { Shell = _faults.Around(changed.Shell) } : node);

    /// <summary>A linked clone holds back the snapshot it was made of.</summary>
    private protected virtual bool LinksTie => true;

    private protected IPool Pool => _pool!;

    private protected NodeContext Node => _root.Context;

    private protected string Owner { get; } = $"{Id<Instance>.New()}";

    private protected DiskName Root => new(Owner, "root");

    private protected abstract PoolKind Kind { get; }

    /// <summary>A place for a pool of this test.</summary>
    private protected abstract string Source { get; }

    public virtual async ValueTask InitializeAsync()
    {
        _pool = Reopen();
        await Pool.OpenAsync(default);
        await Pool.OpenAsync(default);
    }

    /// <summary>The same pool, by a daemon that has just come up.</summary>
    private protected virtual IPool Reopen() => Make(PoolId);

    private protected Task CloneAsync(DiskName from, Id<Snapshot> at, DiskName to, bool linked, Action<DiskProgress> report) =>
        linked ? Pool.CloneAsync(from, at, to, default) : Node.Pools.Copies.MakeAsync(Pool, from, at, Pool, to, report, default);

    private protected IPool Make(Id<Pool> id) => new NodePools(Node).Make(new(id, Kind, Source, Mount));

    /// <summary>How it is mounted, where there is something to say of that.</summary>
    private protected virtual PoolMount? Mount => null;

    private protected Id<Pool> PoolId { get; } = Id<Pool>.New();

    /// <summary>Runs what reads and writes disks as a guest would.</summary>
    private protected virtual IShell Tools { get; } = new Shell(TimeProvider.System);

    private protected Faults Faults => _faults;

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await _root.DisposeAsync();
    }

    [Fact]
    public async Task A_new_disk_is_empty_and_is_made_once()
    {
        await Pool.CreateAsync(Root, Size, null, default);
        await WriteAsync((Root, 3, 7));
        await Pool.CreateAsync(Root, 2 * Size, null, default);

        (await FindAsync(Root)).SizeBytes.ShouldBe(Size);
        (await ReadAsync(Root)).ShouldBe(Blocks((3, 7)));
        (await Pool.OwnersAsync(default)).ShouldContain(Owner);
    }

    [Fact]
    public async Task Its_place_can_be_another_pools_once_it_is_closed_without_disks()
    {
        await Pool.CreateAsync(Root, Size, await GivenImageAsync((0, 1)), default);
        await Pool.CloseAsync(default);
        (await ShouldRefuseAsync("pool.not_usable", () => Make(Id<Pool>.New()).OpenAsync(default))).ShouldNotBeNull();
        (await FindAsync(Root)).SizeBytes.ShouldBe(Size);

        await Pool.DeleteOwnerAsync(Owner, default);
        await Pool.CloseAsync(default);
        var next = Make(Id<Pool>.New());
        await next.OpenAsync(default);
        (await next.OwnersAsync(default)).ShouldBeEmpty();
        await next.CloseAsync(default);
    }

    [Fact]
    public async Task A_disk_begins_as_its_image_and_is_larger()
    {
        var image = await GivenImageAsync((0, 1), (5, 2));
        await Pool.CreateAsync(Root, Size + TestDisks.BlockBytes, image, default);
        await WriteAsync((Root, 5, 9), (Root, 16, 4));

        (await ReadAsync(Root)).ShouldBe([.. Blocks((0, 1), (5, 9)), 4]);
    }

    [Fact]
    public async Task A_disk_grows_and_does_not_shrink()
    {
        await Pool.CreateAsync(Root, Size, null, default);
        await WriteAsync((Root, 1, 1));
        await Pool.GrowAsync(Root, 2 * Size, default);
        await Pool.GrowAsync(Root, Size, default);

        (await FindAsync(Root)).SizeBytes.ShouldBe(2 * Size);
        (await ReadAsync(Root)).ShouldBe([.. Blocks((1, 1)), .. Blocks()]);
    }

    [Fact]
    public async Task A_disk_goes_to_another_owner()
    {
        var other = new DiskName($"{Id<Instance>.New()}", "data");
        await Pool.CreateAsync(Root, Size, null, default);
        await WriteAsync((Root, 1, 1));
        await Pool.MoveAsync(Root, other, default);
        await Pool.MoveAsync(Root, other, default);

        (await ReadAsync(other)).ShouldBe(Blocks((1, 1)));
        await ShouldRefuseAsync("volume.missing", () => Pool.FindAsync(Root, default));

        // Who has it no more can go, and be given it back.
        await Pool.DeleteOwnerAsync(Owner, default);
        (await ReadAsync(other)).ShouldBe(Blocks((1, 1)));
        await Pool.MoveAsync(other, Root, default);
        (await ReadAsync(Root)).ShouldBe(Blocks((1, 1)));
        await Pool.CreateAsync(other, Size, null, default);
        await ShouldRefuseAsync("volume.exists", () => Pool.MoveAsync(Root, other, default));
        await ShouldRefuseAsync("volume.exists", () => Pool.MoveAsync(other, Root, default));
        (await ReadAsync(Root)).ShouldBe(Blocks((1, 1)));
    }

    [Fact]
    public async Task All_disks_of_an_owner_go_back_together_and_newer_snapshots_stay()
    {
        var data = new DiskName(Owner, "data");
        await Pool.CreateAsync(Root, Size, null, default);
        await Pool.CreateAsync(data, Size, null, default);
        await WriteAsync((Root, 0, 1), (data, 0, 2));
        var first = await SnapshotAsync("root", "data");
        await WriteAsync((Root, 0, 3), (data, 1, 4));
        var second = await SnapshotAsync("root", "data");
        await WriteAsync((Root, 1, 5));

        await Pool.RestoreAsync(Owner, first, default);
        (await ReadAsync(Root)).ShouldBe(Blocks((0, 1)));
        (await ReadAsync(data)).ShouldBe(Blocks((0, 2)));

        await Pool.RestoreAsync(Owner, second, default);
        (await ReadAsync(Root)).ShouldBe(Blocks((0, 3)));
        (await ReadAsync(data)).ShouldBe(Blocks((0, 2), (1, 4)));
        (await Pool.SnapshotsAsync(Owner, default)).Keys.ShouldBe([first, second], ignoreOrder: true);
    }

    [Fact]
    public async Task A_snapshot_of_a_branch_is_deleted_without_harm_to_the_others()
    {
        await Pool.CreateAsync(Root, Size, null, default);
        var snapshots = new List<Id<Snapshot>>();
        for (var i = 0; i < 4; i++)
        {
            await WriteAsync((Root, i, (byte)(i + 1)), (Root, 15, (byte)(i + 1)));
            snapshots.Add(await SnapshotAsync("root"));
        }

        await Pool.RestoreAsync(Owner, snapshots[1], default);
        await WriteAsync((Root, 8, 8));
        var branch = await SnapshotAsync("root");
        await WriteAsync((Root, 9, 9));

        await DeleteAsync(snapshots[1]);
        await DeleteAsync(snapshots[2]);
        await DeleteAsync(snapshots[0]);
        await DeleteAsync(snapshots[0]);

        (await ReadAsync(Root)).ShouldBe(Blocks((0, 1), (1, 2), (8, 8), (9, 9), (15, 2)));
        await Pool.RestoreAsync(Owner, snapshots[3], default);
        (await ReadAsync(Root)).ShouldBe(Blocks((0, 1), (1, 2), (2, 3), (3, 4), (15, 4)));
        await Pool.RestoreAsync(Owner, branch, default);
        (await ReadAsync(Root)).ShouldBe(Blocks((0, 1), (1, 2), (8, 8), (15, 2)));
        (await Pool.VerifyAsync(Owner, branch, default)).ShouldBeEmpty();
        await DeleteAsync(branch);
        await DeleteAsync(snapshots[3]);
        (await ReadAsync(Root)).ShouldBe(Blocks((0, 1), (1, 2), (8, 8), (15, 2)));
        (await Pool.SnapshotsAsync(Owner, default)).ShouldBeEmpty();
        await Pool.DeleteAsync(Root, default);
        await ShouldRefuseAsync("volume.missing", () => Pool.FindAsync(Root, default));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_clone_begins_as_the_snapshot_and_goes_its_own_way(bool linked)
    {
        var clone = new DiskName($"{Id<Instance>.New()}", "root");
        await Pool.CreateAsync(Root, Size, await GivenImageAsync((0, 1)), default);
        await WriteAsync((Root, 1, 2));
        var at = await SnapshotAsync("root");
        await WriteAsync((Root, 1, 3));
        var reported = new List<DiskProgress>();
        await CloneAsync(Root, at, clone, linked, reported.Add);
        await CloneAsync(Root, at, clone, linked, reported.Add);
        await WriteAsync((clone, 2, 4));

        (await ReadAsync(clone)).ShouldBe(Blocks((0, 1), (1, 2), (2, 4)));
        (await ReadAsync(Root)).ShouldBe(Blocks((0, 1), (1, 3)));
        reported.LastOrDefault(new DiskProgress(Size, Size)).ShouldBe(new(Size, Size));
        if (linked && LinksTie)
        {
            (await ShouldRefuseAsync("snapshot.in_use", () => DeleteAsync(at))).Message.ShouldContain($"{clone}");
            (await ShouldRefuseAsync("volume.in_use", () => Pool.DeleteOwnerAsync(Owner, default))).Message.ShouldContain($"{clone}");
            (await ReadAsync(clone)).ShouldBe(Blocks((0, 1), (1, 2), (2, 4)));
            await Pool.DeleteOwnerAsync(clone.Owner, default);
        }

        await DeleteAsync(at);
        (await ReadAsync(Root)).ShouldBe(Blocks((0, 1), (1, 3)));
        await Pool.DeleteOwnerAsync(Owner, default);
        await Pool.DeleteOwnerAsync(Owner, default);
        (await Pool.OwnersAsync(default)).ShouldNotContain(Owner);
        if (!linked || !LinksTie)
        {
            (await ReadAsync(clone)).ShouldBe(Blocks((0, 1), (1, 2), (2, 4)));
        }
    }

    [Fact]
    public async Task What_is_not_there_is_refused_and_nothing_changes()
    {
        await Pool.CreateAsync(Root, Size, null, default);
        await WriteAsync((Root, 0, 1));
        var none = Id<Snapshot>.New();

        await ShouldRefuseAsync("snapshot.missing", () => Pool.RestoreAsync(Owner, none, default));
        await ShouldRefuseAsync("snapshot.missing", () => Pool.VerifyAsync(Owner, none, default));
        await ShouldRefuseAsync("snapshot.missing", () => Pool.CloneAsync(Root, none, new(Owner, "copy"), default));
        await ShouldRefuseAsync("volume.missing", () => Pool.SnapshotAsync(Owner, ["root", "none"], none, default));
        await ShouldRefuseAsync("pool.bad_name", () => Pool.CreateAsync(new(Owner, "../up"), Size, null, default));
        (await Pool.SnapshotsAsync(Owner, default)).ShouldBeEmpty();
        (await ReadAsync(Root)).ShouldBe(Blocks((0, 1)));
    }

    [Fact]
    public async Task A_linked_clone_that_went_to_another_owner_is_still_stood_by()
    {
        var (clone, moved) = (new DiskName($"{Id<Instance>.New()}", "root"), new DiskName($"{Id<Instance>.New()}", "data"));
        await Pool.CreateAsync(Root, Size, null, default);
        await WriteAsync((Root, 1, 2));
        var at = await SnapshotAsync("root");
        await Pool.CloneAsync(Root, at, clone, default);
        await Pool.MoveAsync(clone, moved, default);
        if (LinksTie)
        {
            (await ShouldRefuseAsync("snapshot.in_use", () => DeleteAsync(at))).Message.ShouldContain($"{moved}");
        }

        (await ReadAsync(moved)).ShouldBe(Blocks((1, 2)));
    }

    [Fact]
    public async Task A_place_that_is_another_pool_already_is_refused()
    {
        var other = Make(Id<Pool>.New());
        await ShouldRefuseAsync("pool.not_usable", () => other.OpenAsync(default));
        (await other.LookAsync(default)).Healthy.ShouldBeFalse();
    }

    [Fact]
    public async Task A_pool_says_how_it_is()
    {
        var status = await Pool.LookAsync(default);

        (status.Healthy, status.Message).ShouldBe((true, null));
        status.FreeBytes!.Value.ShouldBeInRange(1, status.TotalBytes!.Value);
    }

    private protected Task<Disk> FindAsync(DiskName disk) => Pool.FindAsync(disk, default);

    private protected async Task<int[]> ReadAsync(DiskName disk) => await TestDisks.ReadAsync(Tools, await FindAsync(disk), _root.Path);

    private protected async Task WriteAsync(params (DiskName Disk, int Block, byte Value)[] writes)
    {
        foreach (var disk in writes.GroupBy(w => w.Disk))
        {
            await TestDisks.WriteAsync(Tools, await FindAsync(disk.Key), disk.Select(w => (w.Block, w.Value)));
        }
    }

    private protected async Task<Id<Snapshot>> SnapshotAsync(params string[] disks)
    {
        var id = Id<Snapshot>.New();
        await Pool.SnapshotAsync(Owner, disks, id, default);
        await Pool.SnapshotAsync(Owner, disks, id, default);
        return id;
    }

    private protected Task DeleteAsync(Id<Snapshot> snapshot) => Pool.DeleteSnapshotAsync(Owner, snapshot, Node.Pools.Offline, default);

    private protected static async Task<Refusal> ShouldRefuseAsync(string code, Func<Task> work)
    {
        var refusal = await Should.ThrowAsync<Refusal>(work);
        refusal.Code.ShouldBe(code);
        return refusal;
    }

    private protected static int[] Blocks(params (int Block, int Value)[] written)
    {
        var blocks = new int[16];
        foreach (var (block, value) in written)
        {
            blocks[block] = value;
        }

        return blocks;
    }

    private protected async Task<string> GivenImageAsync(params (int Block, byte Value)[] blocks)
    {
        var path = $"{_root.Path}/image-{Id<Image>.New()}";
        await new QemuImg(Node.Shell, Node.ToolUids).CreateAsync(path, Size, null, default);
        await TestDisks.WriteAsync(new(Size, [new("image", path, Gantry.Node.Pools.DiskFormat.Qcow2)]), blocks);
        File.SetUnixFileMode(path, (UnixFileMode)0b110_100_100);
        return path;
    }
}
