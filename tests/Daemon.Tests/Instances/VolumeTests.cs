using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Instances;

/// <summary>Volumes of an instance over the API: real disks in real pools, under a driver that only pretends to use them.</summary>
public sealed class VolumeTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    [Fact]
    public async Task A_volume_is_added_enlarged_limited_listed_and_removed_while_its_instance_runs()
    {
        await daemon.MakeAsync("""{"name": "live", "kind": "vm", "boot": {"kernel": "/boot/any"}}""");
        await RunningDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync("live", InstanceAction.Start, 60));

        await RunningDaemon.DoneAsync(daemon.Api.AddVolumeAsync("live", new() { Name = "data", SizeBytes = 64 * Limits.MiB }, 60));
        await RunningDaemon.DoneAsync(daemon.Api.ChangeVolumeAsync("live", "data", """{"sizeBytes": 134217728, "limits": {"writeBytesPerSecond": 5000}}""", 60));

        var volume = (await daemon.Api.GetInstanceAsync("live")).Volumes!.Single();
        (volume.Name, volume.Pool, volume.SizeBytes, volume.Bus, volume.Limits!.WriteBytesPerSecond).ShouldBe(("data", "local", 128 * Limits.MiB, VolumeBus.Virtio, 5000L));
        (await DiskAsync("live", "data")).SizeBytes.ShouldBe(128 * Limits.MiB);
        (await daemon.SendAsync(HttpMethod.Get, "/instances/live/volumes")).Body.GetProperty("items").GetArrayLength().ShouldBe(1);

        await RunningDaemon.DoneAsync(daemon.Api.RemoveVolumeAsync("live", "data", 60));
        (await daemon.Api.GetInstanceAsync("live")).Volumes.ShouldBeEmpty();
        (await RunningDaemon.RefusedAsync(() => DiskAsync("live", "data"))).Code.ShouldBe("volume.missing");
    }

    [Fact]
    public async Task A_running_microVM_has_a_new_volume_from_its_next_start_on_and_keeps_one_that_is_to_go()
    {
        await daemon.MakeAsync("""{"name": "micro", "kind": "microvm", "boot": {"kernel": "/boot/any"}, "volumes": [{"name": "old", "sizeBytes": 1048576}]}""");
        await RunningDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync("micro", InstanceAction.Start, 60));

        var added = await RunningDaemon.DoneAsync(daemon.Api.AddVolumeAsync("micro", new() { Name = "new", SizeBytes = Limits.MiB }, 60));
        added.Result!.Value.GetProperty("pending").GetString()!.ShouldContain("microVM");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.RemoveVolumeAsync("micro", "old", 60))).Code.ShouldBe("volume.held");
        (await daemon.Api.GetInstanceAsync("micro")).Volumes!.Select(v => v.Name).ShouldBe(["old", "new"]);
    }

    [Fact]
    public async Task A_volume_that_a_snapshot_has_stays_until_that_is_deleted()
    {
        await daemon.MakeAsync("""{"name": "kept", "kind": "vm", "boot": {"kernel": "/boot/any"}, "volumes": [{"name": "data", "sizeBytes": 1048576}]}""");
        await RunningDaemon.DoneAsync(daemon.Api.CreateSnapshotAsync("kept", new("before"), 60));

        (await RunningDaemon.RefusedAsync(() => daemon.Api.RemoveVolumeAsync("kept", "data", 60))).Code.ShouldBe("volume.in_snapshot");
        (await DiskAsync("kept", "data")).SizeBytes.ShouldBe(Limits.MiB);

        await RunningDaemon.DoneAsync(daemon.Api.DeleteSnapshotAsync("kept", "before", 60));
        await RunningDaemon.DoneAsync(daemon.Api.RemoveVolumeAsync("kept", "data", 60));
    }

    [Fact]
    public async Task A_disk_moves_to_another_pool_and_back_and_nothing_of_it_stays_behind()
    {
        var source = Directory.CreateTempSubdirectory("gantry-test-moves-").FullName;
        await RunningDaemon.DoneAsync(daemon.Api.CreatePoolAsync(new() { Name = "moves", Kind = PoolKind.Dir, Source = source }, 60));
        await daemon.MakeAsync("""{"name": "moved", "kind": "vm", "boot": {"kernel": "/boot/any"}, "volumes": [{"name": "data", "sizeBytes": 1048576}, {"name": "drive", "device": "cdrom"}]}""");
        var id = (await daemon.Api.GetInstanceAsync("moved")).Id;
        await RunningDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync("moved", InstanceAction.Start, 60));

        await RunningDaemon.DoneAsync(daemon.Api.MoveVolumeAsync("moved", "data", new("moves"), 60));
        (await daemon.Api.GetInstanceAsync("moved")).Volumes![0].Pool.ShouldBe("moves");
        Directory.Exists($"{source}/{id}/data").ShouldBeTrue();
        (await RunningDaemon.RefusedAsync(() => daemon.Api.DeletePoolAsync("moves", 60))).Code.ShouldBe("pool.in_use");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.MoveVolumeAsync("moved", "data", new("moves"), 60))).Code.ShouldBe("volume.is_there");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.MoveVolumeAsync("moved", "data", new("nowhere"), 60))).Code.ShouldBe("pool.unknown");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.MoveVolumeAsync("moved", "drive", new("local"), 60))).Code.ShouldBe("volume.no_move");

        await RunningDaemon.DoneAsync(daemon.Api.CreateSnapshotAsync("moved", new("before"), 60));
        (await RunningDaemon.RefusedAsync(() => daemon.Api.MoveVolumeAsync("moved", "data", new("local"), 60))).Code.ShouldBe("volume.in_snapshot");
        await RunningDaemon.DoneAsync(daemon.Api.DeleteSnapshotAsync("moved", "before", 60));
        await RunningDaemon.DoneAsync(daemon.Api.MoveVolumeAsync("moved", "data", new("local"), 60));
        Directory.Exists($"{source}/{id}/data").ShouldBeFalse();
        await RunningDaemon.DoneAsync(daemon.Api.DeletePoolAsync("moves", 60));
        Directory.Delete(source, recursive: true);
    }

    [Theory]
    [InlineData("""{"name": "data", "sizeBytes": 5}""", "request.invalid")]
    [InlineData("""{"name": "data", "device": "cdrom", "pool": "local"}""", "request.invalid")]
    [InlineData("""{"name": "Data"}""", "request.invalid")]
    [InlineData("""{"name": "data", "pool": "nowhere"}""", "pool.unknown")]
    [InlineData("""{"name": "data", "image": "nothing"}""", "image.unknown")]
    [InlineData("""{"name": "root"}""", "volume.taken")]
    public async Task What_cannot_be_a_volume_is_refused(string body, string code)
    {
        if ((await daemon.Api.ListInstancesAsync()).Items.All(i => i.Name != "strict"))
        {
            await daemon.MakeAsync("""{"name": "strict", "kind": "vm", "boot": {"kernel": "/boot/any"}, "volumes": [{"name": "root", "sizeBytes": 2097152}]}""");
        }

        var (_, problem, answer) = await daemon.SendAsync(HttpMethod.Post, "/instances/strict/volumes?wait=60", body);

        (problem?.Code ?? answer.GetProperty("error").GetProperty("code").GetString()).ShouldBe(code);
        (await daemon.Api.GetInstanceAsync("strict")).Volumes!.Select(v => v.Name).ShouldBe(["root"]);
    }

    [Fact]
    public async Task A_volume_more_than_there_may_be_or_than_sata_has_ports_is_refused()
    {
        var discs = string.Join(", ", Enumerable.Range(0, 6).Select(i => $$"""{"name": "disc{{i}}", "device": "cdrom"}"""));
        var disks = string.Join(", ", Enumerable.Range(6, Limits.Volumes - 7).Select(i => $$"""{"name": "disk{{i}}", "sizeBytes": 1048576}"""));
        await daemon.MakeAsync($$"""{"name": "full", "kind": "vm", "boot": {"kernel": "/boot/any"}, "volumes": [{{discs}}, {{disks}}]}""");

        (await RunningDaemon.RefusedAsync(() => daemon.Api.AddVolumeAsync("full", new() { Name = "another", Device = VolumeDevice.Cdrom }, 60))).Code.ShouldBe("volume.no_sata");
        await RunningDaemon.DoneAsync(daemon.Api.AddVolumeAsync("full", new() { Name = "last", SizeBytes = Limits.MiB }, 60));
        (await RunningDaemon.RefusedAsync(() => daemon.Api.AddVolumeAsync("full", new() { Name = "more", SizeBytes = Limits.MiB }, 60))).Code.ShouldBe("volume.too_many");
    }

    [Theory]
    [InlineData("root", """{"sizeBytes": 1048576}""", "volume.no_shrink")]
    [InlineData("root", """{"limits": {"readBytesPerSecond": 0}}""", "request.invalid")]
    [InlineData("drive", """{"sizeBytes": 1048576}""", "volume.no_size")]
    [InlineData("other", """{"sizeBytes": 1048576}""", "volume.unknown")]
    public async Task What_a_volume_cannot_become_is_refused(string volume, string patch, string code)
    {
        if ((await daemon.Api.ListInstancesAsync()).Items.All(i => i.Name != "fixed"))
        {
            await daemon.MakeAsync("""{"name": "fixed", "kind": "vm", "boot": {"kernel": "/boot/any"}, "volumes": [{"name": "root", "sizeBytes": 2097152}, {"name": "drive", "device": "cdrom"}]}""");
        }

        (await RunningDaemon.RefusedAsync(() => daemon.Api.ChangeVolumeAsync("fixed", volume, patch, 60))).Code.ShouldBe(code);
    }

    private async Task<Gantry.Node.Pools.Disk> DiskAsync(string instance, string volume) =>
        await daemon.Node.Context.Pools.Of(null).FindAsync(new($"{(await daemon.Api.GetInstanceAsync(instance)).Id}", volume), default);
}
