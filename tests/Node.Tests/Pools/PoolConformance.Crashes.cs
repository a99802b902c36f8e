using Gantry.Contracts;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Pools;

public abstract partial class PoolConformance
{
    [Fact]
    public async Task A_crash_at_any_step_of_a_snapshot_leaves_it_or_none()
    {
        await GivenTwoDisksAsync();
        await SnapshotAsync("root", "data");
        var id = Id<Snapshot>.New();
        await AtEachPointAsync(
            () => Pool.SnapshotAsync(Owner, ["root", "data"], id, default),
            async () =>
            {
                await ShouldReadAsync(2);
                if ((await Pool.SnapshotsAsync(Owner, default)).ContainsKey(id))
                {
                    (await Pool.VerifyAsync(Owner, id, default)).ShouldBeEmpty();
                }
            },
            async () =>
            {
                (await Pool.VerifyAsync(Owner, id, default)).ShouldBeEmpty();
                await DeleteAsync(id);
                id = Id<Snapshot>.New();
            });
    }

    [Fact]
    public async Task A_crash_at_any_step_of_a_restore_leaves_all_disks_as_before_or_all_restored()
    {
        var (first, second) = await GivenTwoDisksAsync();
        await AtEachPointAsync(
            () => Pool.RestoreAsync(Owner, first, default),
            async () =>
            {
                var root = (await ReadAsync(Root))[0];
                root.ShouldBeInRange(1, 2);
                await ShouldReadAsync(root);
            },
            async () =>
            {
                await ShouldReadAsync(1);
                await Pool.RestoreAsync(Owner, second, default);
                await ShouldReadAsync(2);
            });
    }

    [Fact]
    public async Task A_crash_at_any_step_of_a_deletion_harms_nothing_else()
    {
        var (first, second) = await GivenTwoDisksAsync();
        await Pool.RestoreAsync(Owner, first, default);
        await WriteAsync((Root, 5, 5));
        var gone = await SnapshotAsync("root", "data");
        await WriteAsync((Root, 6, 6));
        await AtEachPointAsync(
            () => DeleteAsync(gone),
            async () => (await ReadAsync(Root)).ShouldBe(Blocks((0, 1), (5, 5), (6, 6))),
            async () =>
            {
                (await Pool.SnapshotsAsync(Owner, default)).Keys.ShouldBe([first, second], ignoreOrder: true);
                (await Pool.VerifyAsync(Owner, first, default)).ShouldBeEmpty();
                (await ReadAsync(Root)).ShouldBe(Blocks((0, 1), (5, 5), (6, 6)));
                gone = await SnapshotAsync("root", "data");
            });
        await Pool.RestoreAsync(Owner, second, default);
        await ShouldReadAsync(2);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_crash_at_any_step_of_a_clone_leaves_it_or_none(bool linked)
    {
        var (first, _) = await GivenTwoDisksAsync();
        var clone = new DiskName($"{Id<Instance>.New()}", "root");
        await AtEachPointAsync(
            () => CloneAsync(Root, first, clone, linked, _ => { }),
            async () =>
            {
                await ShouldReadAsync(2);
                try
                {
                    (await ReadAsync(clone)).ShouldBe(Blocks((0, 1)));
                }
                catch (Refusal refusal)
                {
                    refusal.Code.ShouldBe("volume.missing");
                }
            },
            async () =>
            {
                (await ReadAsync(clone)).ShouldBe(Blocks((0, 1)));
                await Pool.DeleteOwnerAsync(clone.Owner, default);
            },
            linked ? 1 : CopiesFewer);
        await DeleteAsync(first);
        await ShouldReadAsync(2);
    }

    [Fact]
    public async Task A_crash_at_any_step_of_a_move_loses_nothing()
    {
        await Pool.CreateAsync(Root, Size, null, default);
        await WriteAsync((Root, 0, 1));
        var (from, to) = (Root, new DiskName($"{Id<Instance>.New()}", "data"));
        await AtEachPointAsync(
            () => Pool.MoveAsync(from, to, default),
            () => Task.CompletedTask,
            async () =>
            {
                (await ReadAsync(to)).ShouldBe(Blocks((0, 1)));
                await ShouldRefuseAsync("volume.missing", () => Pool.FindAsync(from, default));
                (from, to) = (to, from);
            });
    }

    [Fact]
    public async Task A_move_that_broke_off_at_any_step_is_taken_back_by_one_the_other_way()
    {
        await Pool.CreateAsync(Root, Size, null, default);
        await WriteAsync((Root, 0, 1));
        var (from, to) = (Root, new DiskName($"{Id<Instance>.New()}", "data"));
        await AtEachPointAsync(
            () => Pool.MoveAsync(from, to, default),
            async () =>
            {
                await Pool.MoveAsync(to, from, default);
                (await ReadAsync(from)).ShouldBe(Blocks((0, 1)));
                await ShouldRefuseAsync("volume.missing", () => Pool.FindAsync(to, default));
            },
            async () =>
            {
                (await ReadAsync(to)).ShouldBe(Blocks((0, 1)));
                await ShouldRefuseAsync("volume.missing", () => Pool.FindAsync(from, default));
                (from, to) = (to, from);
            });
    }

    [Fact]
    public async Task Whatever_happens_each_snapshot_branch_and_clone_keeps_what_it_had()
    {
        await Pool.CreateAsync(Root, Size, null, default);
        var (top, kept, clones) = (new int[16], new Dictionary<Id<Snapshot>, int[]>(), new Dictionary<DiskName, int[]>());
        foreach (var step in HistoryStep.Sample(HistorySeed, HistorySteps))
        {
            var snapshot = kept.Count == 0 ? default : kept.Keys.ElementAt(step.Which % kept.Count);
            switch (step.What)
            {
                case Happening.Write:
                    await WriteAsync((Root, step.Which % 16, step.Value));
                    top = [.. top.Select((v, i) => i == step.Which % 16 ? step.Value : v)];
                    break;
                case Happening.Snapshot:
                    kept[await SnapshotAsync("root")] = top;
                    break;
                case Happening.Restore when kept.Count > 0:
                    await Pool.RestoreAsync(Owner, snapshot, default);
                    top = kept[snapshot];
                    break;
                case Happening.Delete when kept.Count > 0:
                    try
                    {
                        await DeleteAsync(snapshot);
                        kept.Remove(snapshot);
                    }
                    catch (Refusal refusal) when (refusal.Code == "snapshot.in_use")
                    {
                        clones.ShouldNotBeEmpty();
                    }

                    break;
                case Happening.Clone when kept.Count > 0:
                    var clone = new DiskName($"{Id<Instance>.New()}", "root");
                    await Pool.CloneAsync(Root, snapshot, clone, default);
                    clones[clone] = kept[snapshot];
                    break;
                default:
                    break;
            }
        }

        (await ReadAsync(Root)).ShouldBe(top);
        (await Pool.SnapshotsAsync(Owner, default)).Keys.ShouldBe(kept.Keys, ignoreOrder: true);
        foreach (var (snapshot, content) in kept)
        {
            await Pool.RestoreAsync(Owner, snapshot, default);
            (await ReadAsync(Root)).ShouldBe(content);
        }

        foreach (var (clone, content) in clones)
        {
            (await ReadAsync(clone)).ShouldBe(content);
        }
    }

    /// <summary>More than 1 where the real thing is too slow for all of them.</summary>
    private protected virtual int EachPoint => 1;

    /// <summary>How many times fewer of them where a whole copy is made, whose steps are the same in every pool.</summary>
    private protected virtual int CopiesFewer => 1;

    private protected virtual int HistorySteps => 40;

    private protected virtual int HistorySeed => 5;

    /// <summary>Two disks with a snapshot when block 0 of both was 1, and another when it was 2, which they are still.</summary>
    private async Task<(Id<Snapshot> First, Id<Snapshot> Second)> GivenTwoDisksAsync()
    {
        var data = new DiskName(Owner, "data");
        await Pool.CreateAsync(Root, Size, null, default);
        await Pool.CreateAsync(data, Size, null, default);
        await WriteAsync((Root, 0, 1), (data, 0, 1));
        var first = await SnapshotAsync("root", "data");
        await WriteAsync((Root, 0, 2), (data, 0, 2));
        return (first, await SnapshotAsync("root", "data"));
    }

    private async Task ShouldReadAsync(int value)
    {
        (await ReadAsync(Root))[0].ShouldBe(value);
        (await ReadAsync(new(Owner, "data")))[0].ShouldBe(value);
    }

    /// <summary>Ends the work at each point it passes, and looks, does it again and looks, with a pool that knows nothing of it.</summary>
    private async Task AtEachPointAsync(Func<Task> work, Func<Task> afterCrash, Func<Task> afterAll, int fewer = 1)
    {
        for (var point = 0; ; point += EachPoint * fewer)
        {
            point.ShouldBeLessThan(200);
            _faults.Arm(point);
            try
            {
                await work();
            }
            catch (Faults.CrashException)
            {
            }

            _faults.Disarm();
            _pool = Reopen();
            await afterCrash();
            await work();
            await afterAll();
            if (!_faults.Happened)
            {
                point.ShouldBeGreaterThan(1);
                return;
            }
        }
    }
}
