using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Pools;

/// <summary>What is read out of LVM's answers; the pool itself is tested in a guest (<see cref="InGuest.LvmPoolTests"/>).</summary>
public sealed class LvmStateTests
{
    private static readonly Id<Snapshot> First = Id<Snapshot>.New(), Second = Id<Snapshot>.New();

    [Fact]
    public async Task Only_volumes_of_this_pool_in_this_thin_pool_are_its_own()
    {
        var state = await ReadAsync(Row("a", Owned("web", "root")), Row("b", "gantry.pool=other,gantry.owner=web,gantry.disk=data"), Row("c", Owned("web", "data"), pool: "elsewhere"), Row("letters", ""));

        state.Volumes.Select(v => v.Name).ShouldBe(["a"]);
        state.Others.ShouldBe(3);
        state.Pool.ShouldBe(new(true, "p1", 67108864, 65536, true, 12.5, 3.25, "", true));
        state.Pool!.RoundUp(65537).ShouldBe(131072);
    }

    [Fact]
    public async Task A_snapshot_is_one_as_long_as_any_of_its_volumes_says_so_and_what_is_none_is_left_over()
    {
        var state = await ReadAsync(
            Row("a", Owned("web", "root")), Row("b", $"{Owned("web", "root")},gantry.snapshot={First},gantry.of=2,gantry.whole=1"), Row("c", $"{Owned("web", "data")},gantry.snapshot={First},gantry.of=2"),
            Row("d", $"{Owned("web", "root")},gantry.snapshot={Second},gantry.of=2"), Row("e", $"{Owned("web", "copy")},gantry.making=1"), Row("f", $"{Owned("db", "root")},gantry.making=1"));

        state.SnapshotsOf("web").ShouldBe([$"{First}"]);
        state.SnapshotOf("web", $"{First}").Select(v => v.Name).ShouldBe(["b", "c"]);
        state.SnapshotOf("web", $"{Second}").ShouldBeEmpty();
        state.LeftOf("web").Select(v => v.Name).ShouldBe(["d", "e"]);
        state.DiskOf(new("web", "root"))!.Name.ShouldBe("a");
        state.DiskOf(new("web", "copy")).ShouldBeNull();
    }

    [Fact]
    public async Task A_restore_that_was_begun_is_a_tag_of_the_group_and_anothers_is_not()
    {
        var restore = new LvmRestore("web", $"{First}", "abc");
        var state = await ReadAsync(Row("a", Owned("web", "root"), groupTags: $"{restore.TagIn("p1")},{restore.TagIn("p2")},mine,gantry.restoring=p1/web/none/abc"));

        state.Restores.ShouldBe([restore]);
    }

    [Theory]
    [InlineData("vg/thin", true)]
    [InlineData("my-vg/thin_1.x+", true)]
    [InlineData("vg", false)]
    [InlineData("vg/thin/x", false)]
    [InlineData("-v/thin", false)]
    [InlineData("vg/", false)]
    [InlineData("../thin", false)]
    [InlineData("vg/th in", false)]
    public void A_source_is_a_group_and_a_thin_pool(string source, bool isOne) => LvmPool.IsSource(source).ShouldBe(isOne);

    [Fact]
    public void The_kernel_has_each_dash_of_a_name_twice() => new Lvm(new Answers(""), "my-vg", "thin", "p1").DeviceOf("a-b").ShouldBe("my--vg-a--b");

    private static string Owned(string owner, string disk) => $"gantry.pool=p1,gantry.owner={owner},gantry.disk={disk}";

    private static string Row(string name, string tags, string pool = "thin", string groupTags = "") => $$"""
        {"lv_name":"{{name}}", "lv_size":"1048576", "lv_tags":"{{tags}}", "lv_active":"active", "lv_dm_path":"/dev/mapper/vg-{{name}}", "pool_lv":"{{pool}}", "segtype":"thin", "zero":"unknown",
         "data_percent":"6.25", "metadata_percent":"", "lv_health_status":"", "lv_when_full":"", "thin_id":"7", "vg_tags":"{{groupTags}}", "vg_extent_size":"65536"}
        """;

    private static Task<LvmState> ReadAsync(params string[] rows)
    {
        const string thin = """
            {"lv_name":"thin", "lv_size":"67108864", "lv_tags":"gantry.pool=p1", "lv_active":"active", "lv_dm_path":"/dev/mapper/vg-thin", "pool_lv":"", "segtype":"thin-pool", "zero":"zero",
             "data_percent":"12.50", "metadata_percent":"3.25", "lv_health_status":"", "lv_when_full":"error", "thin_id":"", "vg_tags":"", "vg_extent_size":"65536"}
            """;
        return new Lvm(new Answers($$"""{"report": [{"lv": [{{string.Join(',', rows.Append(thin))}}]}]}"""), "vg", "thin", "p1").ReadAsync(default);
    }

    private sealed class Answers(string output) : IShell
    {
        public Task<CommandResult> RunAsync(Command command, CancellationToken ct) => Task.FromResult(new CommandResult(output, ""));
    }
}
