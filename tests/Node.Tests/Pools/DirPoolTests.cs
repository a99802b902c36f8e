using Gantry.Contracts;
using Gantry.Node.Images;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Pools;

public sealed class DirPoolTests : PoolConformance
{
    private protected override PoolKind Kind => PoolKind.Dir;

    private protected override string Source => $"{Node.Root.Path}/disks";

    private protected override IPool Reopen() => new DirPool(Source, $"{PoolId}", new QemuImg(Node.Shell, Node.ToolUids), Node.Time) { Written = Faults.Pass };

    [Fact]
    public async Task Where_the_record_is_lost_nothing_is_made_in_its_disks_places_and_nothing_removed()
    {
        await Pool.CreateAsync(Root, 16 * TestDisks.BlockBytes, null, default);
        File.Delete($"{Source}/{Owner}/disks.json");

        (await Should.ThrowAsync<Refusal>(() => Pool.CreateAsync(new(Owner, "data"), 16 * TestDisks.BlockBytes, null, default))).Code.ShouldBe("pool.damaged");

        Directory.GetFiles($"{Source}/{Owner}/root", "*.qcow2").ShouldHaveSingleItem();
    }

    [Fact]
    public async Task What_was_not_written_to_since_a_snapshot_is_kept_again_without_another_layer()
    {
        await Pool.CreateAsync(Root, 16 * TestDisks.BlockBytes, null, default);
        await WriteAsync((Root, 0, 1));
        var (pool, again, later) = ((ITiedClones)Pool, Id<Snapshot>.New(), Id<Snapshot>.New());
        (await pool.TrySnapshotAgainAsync(Owner, ["root"], again, default)).ShouldBeFalse();
        var first = await SnapshotAsync("root");
        (await pool.TrySnapshotAgainAsync(Owner, ["root"], again, default)).ShouldBeTrue();
        (await pool.TrySnapshotAgainAsync(Owner, ["root"], again, default)).ShouldBeTrue();
        (await FindAsync(Root)).Layers.Count.ShouldBe(2);
        var clone = new DiskName($"{Id<Instance>.New()}", "root");
        await Pool.CloneAsync(Root, again, clone, default);
        await WriteAsync((Root, 1, 2));
        (await pool.TrySnapshotAgainAsync(Owner, ["root"], later, default)).ShouldBeFalse();

        (await Pool.SnapshotsAsync(Owner, default)).ShouldBe(new Dictionary<Id<Snapshot>, long> { [first] = 0, [again] = 0 }, ignoreOrder: true);
        await DeleteAsync(first);
        await ShouldRefuseAsync("snapshot.in_use", () => DeleteAsync(again));
        (await ReadAsync(clone)).ShouldBe(Blocks((0, 1)));
        (await Pool.VerifyAsync(Owner, again, default)).ShouldBeEmpty();
        await Pool.RestoreAsync(Owner, again, default);
        (await ReadAsync(Root)).ShouldBe(Blocks((0, 1)));
    }

    [Fact]
    public async Task A_guest_may_read_beside_what_it_wrote_while_the_layer_under_it_is_merged_in()
    {
        await Pool.CreateAsync(Root, 16 * TestDisks.BlockBytes, null, default);
        await WriteAsync((Root, 0, 1));
        await SnapshotAsync("root");
        var top = (await FindAsync(Root)).Top.Path;
        await Node.Shell.RunAsync(new("qemu-io", ["-f", "qcow2", "-c", "write -P 2 0 4k", top], TimeSpan.FromMinutes(1)), default);
        (await Node.Shell.RunAsync(new("qemu-io", ["-C", "-f", "qcow2", "-c", "read -P 1 8k 4k", top], TimeSpan.FromMinutes(1)), default)).Output.ShouldNotContain("failed");
        (await Pool.SnapshotsAsync(Owner, default)).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task What_somebody_else_has_put_into_it_stays_and_keeps_it_this_pool()
    {
        Directory.CreateDirectory($"{Source}/letters");
        await File.WriteAllTextAsync($"{Source}/letters/one", "dear");

        await Pool.CloseAsync(default);

        File.Exists($"{Source}/letters/one").ShouldBeTrue();
        (await Pool.LookAsync(default)).Healthy.ShouldBeTrue();
    }
}
