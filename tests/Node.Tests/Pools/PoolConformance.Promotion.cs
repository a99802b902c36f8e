using Gantry.Contracts;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Pools;

public abstract partial class PoolConformance
{
    /// <summary>A disk with snapshots can be made to stand alone.</summary>
    private protected virtual bool PromotesWithSnapshots => true;

    [Fact]
    public async Task A_linked_clone_that_was_made_to_stand_alone_needs_nobody_and_is_as_it_was()
    {
        var clone = new DiskName($"{Id<Instance>.New()}", "root");
        await Pool.CreateAsync(Root, Size, await GivenImageAsync((0, 1)), default);
        await WriteAsync((Root, 1, 2));
        var at = await SnapshotAsync("root");
        await WriteAsync((Root, 1, 3));
        await Pool.CloneAsync(Root, at, clone, default);
        await WriteAsync((clone, 2, 4));
        (Pool is ITiedClones).ShouldBe(LinksTie);
        if (Pool is not ITiedClones pool)
        {
            return;
        }

        var own = Id<Snapshot>.New();
        await Pool.SnapshotAsync(clone.Owner, ["root"], own, default);
        await WriteAsync((clone, 3, 5));
        if (!PromotesWithSnapshots)
        {
            await ShouldRefuseAsync("volume.tied", () => pool.PromoteAsync(clone, Node.Pools.Offline, _ => { }, default));
            await Pool.DeleteSnapshotAsync(clone.Owner, own, Node.Pools.Offline, default);
        }

        await pool.PromoteAsync(clone, Node.Pools.Offline, _ => { }, default);
        await pool.PromoteAsync(clone, Node.Pools.Offline, _ => { }, default);
        await DeleteAsync(at);
        await Pool.DeleteOwnerAsync(Owner, default);
        (await ReadAsync(clone)).ShouldBe(Blocks((0, 1), (1, 2), (2, 4), (3, 5)));
        (await Pool.OwnersAsync(default)).ShouldBe([clone.Owner]);
        if (PromotesWithSnapshots)
        {
            (await Pool.VerifyAsync(clone.Owner, own, default)).ShouldBeEmpty();
            await Pool.RestoreAsync(clone.Owner, own, default);
            (await ReadAsync(clone)).ShouldBe(Blocks((0, 1), (1, 2), (2, 4)));
        }
    }

    [Fact]
    public async Task A_disk_that_clones_stand_on_is_not_made_to_stand_alone_under_them()
    {
        var (clone, second) = (new DiskName($"{Id<Instance>.New()}", "root"), new DiskName($"{Id<Instance>.New()}", "root"));
        await Pool.CreateAsync(Root, Size, null, default);
        await Pool.CloneAsync(Root, await SnapshotAsync("root"), clone, default);
        var own = Id<Snapshot>.New();
        await Pool.SnapshotAsync(clone.Owner, ["root"], own, default);
        await Pool.CloneAsync(clone, own, second, default);
        if (Pool is ITiedClones pool)
        {
            (await Should.ThrowAsync<Refusal>(() => pool.PromoteAsync(clone, Node.Pools.Offline, _ => { }, default))).Code.ShouldBe(PromotesWithSnapshots ? "volume.in_use" : "volume.tied");
        }

        (await ReadAsync(second)).ShouldBe(Blocks());
    }

    [Fact]
    public async Task A_crash_at_any_step_of_a_promotion_loses_nothing()
    {
        var (first, _) = await GivenTwoDisksAsync();
        var clone = new DiskName($"{Id<Instance>.New()}", "root");
        await Pool.CloneAsync(Root, first, clone, default);
        await WriteAsync((clone, 4, 4));
        if (Pool is ITiedClones)
        {
            await AtEachPointAsync(
                () => ((ITiedClones)Pool).PromoteAsync(clone, Node.Pools.Offline, _ => { }, default),
                async () => (await ReadAsync(clone)).ShouldBe(Blocks((0, 1), (4, 4))),
                async () =>
                {
                    (await ReadAsync(clone)).ShouldBe(Blocks((0, 1), (4, 4)));
                    await Pool.DeleteOwnerAsync(clone.Owner, default);
                    await Pool.CloneAsync(Root, first, clone, default);
                    await WriteAsync((clone, 4, 4));
                });
        }

        await ShouldReadAsync(2);
    }
}
