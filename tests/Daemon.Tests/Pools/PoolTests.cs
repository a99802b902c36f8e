using Gantry.Contracts;
using Gantry.Daemon.Pools;
using Gantry.Daemon.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace Gantry.Daemon.Tests.Pools;

/// <summary>Pools over the API, in directories of the test's own.</summary>
public sealed class PoolTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    [Fact]
    public async Task There_is_one_from_the_start_which_says_how_much_room_it_has_and_stays()
    {
        var local = (await daemon.Api.ListPoolsAsync()).Items.Single(p => p.Name == "local");

        (local.Kind, local.Source, local.Status.Healthy).ShouldBe((PoolKind.Dir, null, true));
        local.Status.FreeBytes!.Value.ShouldBeInRange(1, local.Status.TotalBytes!.Value);
        (await daemon.Api.GetPoolAsync(local.Id.ToString())).Name.ShouldBe("local");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.DeletePoolAsync("local", 60))).Code.ShouldBe("pool.always_there");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.CreatePoolAsync(new() { Name = "local", Kind = PoolKind.Dir, Source = Place("second") }, 60))).Code.ShouldBe("pool.name_taken");
    }

    [Fact]
    public async Task A_pool_is_made_holds_volumes_of_instances_and_is_deleted_when_it_holds_none()
    {
        await RunningDaemon.DoneAsync(daemon.Api.CreatePoolAsync(new() { Name = "big", Kind = PoolKind.Dir, Source = Place("big"), Description = "slow" }, 60));
        await daemon.MakeAsync("""{"name": "in-big", "kind": "vm", "boot": {"kernel": "/boot/any"}, "volumes": [{"name": "data", "pool": "big", "sizeBytes": 1048576}]}""");

        var instance = await daemon.Api.GetInstanceAsync("in-big");
        instance.Volumes!.Single().Pool.ShouldBe("big");
        Directory.EnumerateFiles(Place("big"), "*.qcow2", SearchOption.AllDirectories).ShouldHaveSingleItem();
        var refusal = await RunningDaemon.RefusedAsync(() => daemon.Api.DeletePoolAsync("big", 60));
        (refusal.Code, refusal.Message).ShouldBe(("pool.in_use", "The pool 'big' has volumes of in-big."));

        await RunningDaemon.DoneAsync(daemon.Api.RemoveVolumeAsync("in-big", "data", 60));
        await RunningDaemon.DoneAsync(daemon.Api.DeletePoolAsync("big", 60));
        (await RunningDaemon.RefusedAsync(() => daemon.Api.GetPoolAsync("big"))).Code.ShouldBe("pool.unknown");
        await RunningDaemon.DoneAsync(daemon.Api.CreatePoolAsync(new() { Name = "again", Kind = PoolKind.Dir, Source = Place("big") }, 60));
    }

    [Fact]
    public async Task A_place_that_is_a_pool_already_or_holds_other_files_is_refused()
    {
        Directory.CreateDirectory(Place("full"));
        await File.WriteAllTextAsync($"{Place("full")}/letter.txt", "dear");
        await RunningDaemon.DoneAsync(daemon.Api.CreatePoolAsync(new() { Name = "first", Kind = PoolKind.Dir, Source = Place("once") }, 60));

        (await RunningDaemon.RefusedAsync(() => daemon.Api.CreatePoolAsync(new() { Name = "second", Kind = PoolKind.Dir, Source = Place("once") }, 60))).Code.ShouldBe("pool.source_taken");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.CreatePoolAsync(new() { Name = "third", Kind = PoolKind.Dir, Source = Place("full") }, 60))).Code.ShouldBe("pool.not_usable");
        (await daemon.Api.ListPoolsAsync()).Items.Select(p => p.Name).ShouldNotContain("third");
    }

    [Fact]
    public async Task A_pool_that_is_gone_is_told_once_however_often_it_is_looked_at_keeps_its_instances_and_is_told_when_it_is_back()
    {
        await RunningDaemon.DoneAsync(daemon.Api.CreatePoolAsync(new() { Name = "away", Kind = PoolKind.Dir, Source = Place("away") }, 60));
        await daemon.MakeAsync("""{"name": "in-away", "kind": "vm", "boot": {"kernel": "/boot/any"}, "volumes": [{"name": "data", "pool": "away", "sizeBytes": 1048576}]}""");
        var (keeper, subject) = (daemon.Services.GetRequiredService<PoolKeeper>(), $"pools/{(await daemon.Api.GetPoolAsync("away")).Id}");
        var told = daemon.EventsUntilAsync(e => e.Type == EventTypes.PoolRecovered && e.Subject == subject);
        Directory.Move(Place("away"), Place("elsewhere"));

        (await daemon.Api.GetPoolAsync("away")).Status.Healthy.ShouldBeFalse();
        await keeper.LookAsync(default);
        await keeper.LookAsync(default);
        (await RunningDaemon.RefusedAsync(() => daemon.Api.DeleteInstanceAsync("in-away", force: true, 60))).Code.ShouldBe("pool.gone");
        (await daemon.Api.GetInstanceAsync("in-away")).State.ShouldBe(InstanceState.Stopped);

        Directory.Move(Place("elsewhere"), Place("away"));
        await keeper.LookAsync(default);
        (await told).Count(e => e.Type == EventTypes.PoolFailed && e.Subject == subject).ShouldBe(1);
        await RunningDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync("in-away", force: true, 60));
    }

    [Fact]
    public async Task A_volume_is_a_raw_file_where_the_pool_was_told_so()
    {
        await RunningDaemon.DoneAsync(daemon.Api.CreatePoolAsync(new() { Name = "bytes", Kind = PoolKind.Dir, Source = Place("bytes"), Format = VolumeFormat.Raw }, 60));
        await RunningDaemon.DoneAsync(daemon.Api.CreatePoolVolumeAsync("bytes", new("one", 8 * Limits.MiB), 60));

        new FileInfo(Directory.GetFiles(Place("bytes"), "*.raw", SearchOption.AllDirectories).ShouldHaveSingleItem()).Length.ShouldBe(8 * Limits.MiB);
        await RunningDaemon.DoneAsync(daemon.Api.DeletePoolVolumeAsync("bytes", "one", 60));
        await RunningDaemon.DoneAsync(daemon.Api.DeletePoolAsync("bytes", 60));
    }

    [Theory]
    [InlineData("""{"name": "x", "kind": "dir", "source": "relative"}""", "$.source")]
    [InlineData("""{"name": "x", "kind": "dir", "source": "/a/../b"}""", "$.source")]
    [InlineData("""{"name": "X", "kind": "dir", "source": "/a"}""", "$.name")]
    [InlineData("""{"name": "x", "kind": "tape", "source": "/a"}""", "$.kind")]
    [InlineData("""{"name": "x", "kind": "glusterfs", "source": "a:/b", "mount": {"protocol": "4"}}""", "$.mount.protocol")]
    [InlineData("""{"name": "x", "kind": "zfs", "source": "tank/x", "format": "raw"}""", "$.format")]
    [InlineData("""{"name": "x", "kind": "nfs", "source": "a:/b", "mount": {"credentials": "c"}}""", "$.mount.credentials")]
    [InlineData("""{"name": "x", "kind": "ceph", "source": "10.0.0.1/a"}""", "$.mount.credentials")]
    [InlineData("""{"name": "x", "kind": "cifs", "source": "//a/b", "mount": {"credentials": "../c"}}""", "$.mount.credentials")]
    public async Task What_cannot_be_a_pool_is_refused_by_path(string body, string path)
    {
        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/pools", body);

        status.ShouldBe(422);
        problem!.Errors!.Select(e => e.Path).ShouldContain(path);
    }

    [Theory]
    [InlineData(PoolKind.Nfs, "-o:/x", "it is not written as server:/export")]
    [InlineData(PoolKind.Cifs, "//a/b,suid", "it is not written as //server/share")]
    [InlineData(PoolKind.Lvm, "--config/x", "it is no volume group with a thin pool")]
    [InlineData(PoolKind.Ceph, "10.0.0.1/--id", "it is not written as MONITOR")]
    [InlineData(PoolKind.Lvm, "vg", "it is no volume group with a thin pool")]
    public async Task A_source_that_could_be_taken_for_something_else_reaches_no_command(PoolKind kind, string source, string why)
    {
        var refusal = await RunningDaemon.RefusedAsync(() => daemon.Api.CreatePoolAsync(
            new() { Name = "odd", Kind = kind, Source = source, Mount = kind == PoolKind.Ceph ? new(Credentials: "ceph") : null }, 60));

        refusal.Code.ShouldBe("pool.not_usable");
        refusal.Message.ShouldContain(why);
        (await daemon.Api.ListPoolsAsync()).Items.Select(p => p.Name).ShouldNotContain("odd");
    }

    private string Place(string name) => $"{daemon.Node.Context.Root.Path}/places/{name}";
}
