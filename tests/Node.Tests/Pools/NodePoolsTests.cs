using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Pools;

public sealed class NodePoolsTests : IAsyncDisposable
{
    private readonly TestRoot _root = new();
    private readonly PoolSpec _spec;

    public NodePoolsTests() => _spec = new(Id<Pool>.New(), PoolKind.Dir, $"{_root.Path}/disks");

    private NodePools Pools => _root.Context.Pools;

    [Fact]
    public async Task A_pool_is_there_after_a_restart_until_it_is_closed()
    {
        await Pools.OpenAsync(_spec, default);

        var anew = new NodePools(_root.Context);
        anew.All().ShouldBe([_spec.Id]);
        (await anew.Of(_spec.Id).LookAsync(default)).Healthy.ShouldBeTrue();
        await anew.CloseAsync(_spec.Id, default);
        Should.Throw<Refusal>(() => anew.Of(_spec.Id)).Code.ShouldBe("pool.unknown");
        File.Exists($"{_spec.Source}/gantry-pool").ShouldBeFalse("no disk is in it, so its place can be another pool's");
    }

    [Theory]
    [InlineData(PoolKind.Dir, "disks")]
    [InlineData(PoolKind.Dir, "/")]
    [InlineData(PoolKind.Dir, "/a\nb")]
    [InlineData(PoolKind.Zfs, "-r")]
    [InlineData(PoolKind.Zfs, "tank/../other")]
    [InlineData(PoolKind.Zfs, "tank@snapshot")]
    [InlineData(PoolKind.Btrfs, "/tmp")]
    public async Task A_place_that_cannot_be_a_pool_is_refused(PoolKind kind, string source)
    {
        (await Should.ThrowAsync<Refusal>(() => Pools.OpenAsync(new(Id<Pool>.New(), kind, source), default))).Code.ShouldBe("pool.not_usable");
        Pools.All().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_directory_with_something_in_it_is_left_alone()
    {
        Directory.CreateDirectory(_spec.Source);
        await File.WriteAllTextAsync($"{_spec.Source}/letter", "mine");

        (await Should.ThrowAsync<Refusal>(() => Pools.OpenAsync(_spec, default))).Code.ShouldBe("pool.not_usable");
        Directory.GetFileSystemEntries(_spec.Source).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task A_pool_that_vanished_is_said_to_be_gone_and_nothing_is_made_in_its_place()
    {
        await Pools.OpenAsync(_spec, default);
        var (pool, disk) = (Pools.Of(_spec.Id), new DiskName($"{Id<Instance>.New()}", "root"));
        await pool.CreateAsync(disk, 1 << 20, null, default);
        Directory.Move(_spec.Source, $"{_spec.Source}.away");
        Directory.CreateDirectory(_spec.Source);

        (await pool.LookAsync(default)).ShouldSatisfyAllConditions(s => s.Healthy.ShouldBeFalse(), s => s.Message!.ShouldContain("not mounted"));
        (await Should.ThrowAsync<Refusal>(() => pool.FindAsync(disk, default))).Code.ShouldBe("pool.gone");
        (await Should.ThrowAsync<Refusal>(() => pool.CreateAsync(disk, 1 << 20, null, default))).Code.ShouldBe("pool.gone");
        Directory.GetFileSystemEntries(_spec.Source).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_file_system_that_hangs_holds_up_nothing()
    {
        await Pools.OpenAsync(_spec, default);
        var (pool, mark) = (Pools.Of(_spec.Id), $"{_spec.Source}/gantry-pool");
        File.Delete(mark);
        await new Shell(TimeProvider.System).RunAsync(new("mkfifo", [mark], TimeSpan.FromSeconds(30)), default);

        (await pool.LookAsync(default)).ShouldSatisfyAllConditions(s => s.Healthy.ShouldBeFalse(), s => s.Message!.ShouldContain("does not answer"));

        // Lets the thread go that was left behind.
        await using var end = new FileStream(mark, FileMode.Open, FileAccess.Write);
    }

    public ValueTask DisposeAsync() => _root.DisposeAsync();
}
