using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Tests.Clones;
using Gantry.Daemon.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace Gantry.Daemon.Tests.Pools;

/// <summary>Volumes that belong to no instance over the API: real disks in real pools, under a driver that only pretends to use them.</summary>
public sealed class PoolVolumeTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    private readonly string _name = $"v{Guid.CreateVersion7():N}";

    private ApiClient Api => daemon.Api;

    private string Instance => $"{_name}-i";

    [Fact]
    public async Task A_volume_is_made_named_otherwise_described_enlarged_and_deleted_by_who_has_seen_it_last()
    {
        var made = await RunningDaemon.DoneAsync(Api.CreatePoolVolumeAsync("local", new(_name, 8 * Limits.MiB, null, "For later"), 60));
        var volume = await Api.GetPoolVolumeAsync("local", _name);
        made.Result!.Value.GetProperty("id").GetString().ShouldBe($"{volume.Id}");
        (volume.Pool, volume.SizeBytes, volume.Description, volume.State, volume.Instance).ShouldBe(("local", 8 * Limits.MiB, "For later", PoolVolumeState.Available, null));
        var events = daemon.EventsUntilAsync(e => e.Type == EventTypes.VolumeDeleted && e.Subject == $"volumes/{volume.Id}");

        await RunningDaemon.DoneAsync(Api.ChangePoolVolumeAsync("local", _name, $$"""{"name": "{{_name}}-b", "description": null, "sizeBytes": 16777216}""", 60));
        var changed = await Api.GetPoolVolumeAsync("local", $"{volume.Id}");
        (changed.Name, changed.Description, changed.SizeBytes, changed.State).ShouldBe(($"{_name}-b", null, 16 * Limits.MiB, PoolVolumeState.Available));
        (await daemon.Node.VolumeBytesAsync(volume.Id!.Value, null, default)).ShouldBe(16 * Limits.MiB);
        (await RunningDaemon.RefusedAsync(() => Api.GetPoolVolumeAsync("local", _name))).Code.ShouldBe("volume.unknown");

        var path = $"/pools/local/volumes/{_name}-b?wait=60";
        (await daemon.SendAsync(HttpMethod.Delete, path, null, ("If-Match", volume.Etag!))).Problem!.Code.ShouldBe("volume.changed");
        (await daemon.SendAsync(HttpMethod.Delete, path, null, ("If-Match", changed.Etag!))).Status.ShouldBe(200);
        (await RunningDaemon.RefusedAsync(() => daemon.Node.VolumeBytesAsync(volume.Id.Value, null, default))).Code.ShouldBe("volume.missing");
        (await events).Where(e => e.Subject == $"volumes/{volume.Id}" && e.Type != EventTypes.VolumeCreated).Select(e => e.Type)
            .ShouldBe([EventTypes.VolumeUpdated, EventTypes.VolumeDeleted]);
    }

    [Fact]
    public async Task A_pool_shows_all_disks_in_it_page_by_page_and_is_not_deleted_while_it_has_any()
    {
        var pool = await PoolAsync();
        foreach (var name in (string[])["b", "a", "data"])
        {
            await RunningDaemon.DoneAsync(Api.CreatePoolVolumeAsync(pool, new(name, Limits.MiB), 60));
        }

        await GivenAsync($$"""{"name": "data", "pool": "{{pool}}", "sizeBytes": 2097152}, {"name": "elsewhere", "sizeBytes": 1048576}, {"name": "drive", "device": "cdrom"}""");
        var first = await Api.ListPoolVolumesAsync(pool, "?limit=3");
        var second = await Api.ListPoolVolumesAsync(pool, $"?limit=3&cursor={first.NextCursor}");
        first.Items.Select(v => (v.Name, v.Instance, v.State)).ShouldBe(
            [("a", null, PoolVolumeState.Available), ("b", null, PoolVolumeState.Available), ("data", null, PoolVolumeState.Available)]);
        second.Items.Select(v => (v.Name, v.Instance, v.State, v.SizeBytes, v.Id)).ShouldBe([("data", Instance, PoolVolumeState.Attached, 2 * Limits.MiB, null)]);
        second.NextCursor.ShouldBeNull();
        (await Api.ListPoolVolumesAsync(pool, $"?filter={Uri.EscapeDataString("state eq available and not name eq a")}")).Items.Select(v => v.Name).ShouldBe(["b", "data"]);
        (await Api.GetPoolAsync(pool)).Volumes.ShouldBe(4);
        (await Api.ListPoolVolumesAsync("local", $"?filter={Uri.EscapeDataString($"instance eq {Instance}")}")).Items.Select(v => v.Name).ShouldBe(["elsewhere"]);

        (await RunningDaemon.RefusedAsync(() => Api.DeletePoolAsync(pool, 60))).Message
            .ShouldBe($"The pool '{pool}' has volumes of {Instance} and volumes that belong to none (a, b, data).");
        await RunningDaemon.DoneAsync(Api.DeleteInstanceAsync(Instance, force: true, 60));
        await RunningDaemon.DoneAsync(Api.DeletePoolVolumeAsync(pool, "a", 60));
        await RunningDaemon.DoneAsync(Api.DeletePoolVolumeAsync(pool, "b", 60));
        (await RunningDaemon.RefusedAsync(() => Api.DeletePoolAsync(pool, 60))).Message.ShouldBe($"The pool '{pool}' has a volume that belongs to none (data).");
        await RunningDaemon.DoneAsync(Api.DeletePoolVolumeAsync(pool, "data", 60));
        await RunningDaemon.DoneAsync(Api.DeletePoolAsync(pool, 60));
    }

    [Fact]
    public async Task A_volume_goes_from_one_running_instance_to_another_with_what_is_in_it_and_outlives_both()
    {
        var pool = await PoolAsync();
        await RunningDaemon.DoneAsync(Api.CreatePoolVolumeAsync(pool, new("shared", Limits.MiB), 60));
        var first = await GivenAsync("", start: true);
        var attached = await RunningDaemon.DoneAsync(Api.AddVolumeAsync(
            Instance, new() { Name = "data", Volume = "shared", Pool = pool, Bus = VolumeBus.Nvme, Limits = new() { WriteBytesPerSecond = 5000 } }, 60));
        attached.Result!.Value.TryGetProperty("pending", out var pending).ShouldBe(pending.ValueKind == System.Text.Json.JsonValueKind.Null);
        var volume = (await Api.GetInstanceAsync(Instance)).Volumes!.Single();
        (volume.Name, volume.Pool, volume.SizeBytes, volume.Bus, volume.Limits!.WriteBytesPerSecond).ShouldBe(("data", pool, Limits.MiB, VolumeBus.Nvme, 5000L));
        (await Api.ListPoolVolumesAsync(pool)).Items.ShouldHaveSingleItem().Instance.ShouldBe(Instance);
        await DiskContents.WriteAsync(daemon.Node, first.Id, "data", 7, (await Api.GetPoolAsync(pool)).Id);

        // What is attached is a volume like others.
        await RunningDaemon.DoneAsync(Api.ChangeVolumeAsync(Instance, "data", """{"sizeBytes": 2097152}""", 60));
        var detached = await RunningDaemon.DoneAsync(Api.DetachVolumeAsync(Instance, "data", "kept", 60));
        var kept = (await Api.ListPoolVolumesAsync(pool)).Items.ShouldHaveSingleItem();
        (kept.Name, kept.SizeBytes, kept.State, kept.Instance).ShouldBe(("kept", 2 * Limits.MiB, PoolVolumeState.Available, null));
        detached.Result!.Value.GetProperty("id").GetString().ShouldBe($"{kept.Id}");
        (await Api.GetInstanceAsync(Instance)).Volumes.ShouldBeEmpty();
        await RunningDaemon.DoneAsync(Api.DeleteInstanceAsync(Instance, force: true, 60));

        var second = await GivenAsync("", start: true);
        await RunningDaemon.DoneAsync(Api.AddVolumeAsync(Instance, new() { Name = "data", Volume = $"{kept.Id}", Pool = pool }, 60));
        (await DiskContents.ReadAsync(daemon.Node, second.Id, "data", (await Api.GetPoolAsync(pool)).Id))[0].ShouldBe((byte)7);
        await RunningDaemon.DoneAsync(Api.DetachVolumeAsync(Instance, "data", null, 60));
        await RunningDaemon.DoneAsync(Api.DeleteInstanceAsync(Instance, force: true, 60));
        (await Api.GetPoolVolumeAsync(pool, "data")).State.ShouldBe(PoolVolumeState.Available);
    }

    [Fact]
    public async Task What_cannot_be_attached_is_refused_and_stays_where_it_is()
    {
        var pool = await PoolAsync();
        await RunningDaemon.DoneAsync(Api.CreatePoolVolumeAsync(pool, new("far", Limits.MiB), 60));
        await GivenAsync("""{"name": "data", "sizeBytes": 1048576}""");

        var elsewhere = await RunningDaemon.RefusedAsync(() => Api.AddVolumeAsync(Instance, new() { Name = "more", Volume = "far" }, 60));
        (elsewhere.Code, elsewhere.Hint.Contains($"'{pool}'", StringComparison.Ordinal)).ShouldBe(("volume.unknown", true));
        (await RefusedAsync(new() { Name = "more", Volume = "none", Pool = pool })).ShouldBe("volume.unknown");
        (await RefusedAsync(new() { Name = "data", Volume = "far", Pool = pool })).ShouldBe("volume.taken");
        (await RefusedAsync(new() { Name = "more", Volume = "far", Pool = pool, SizeBytes = Limits.MiB })).ShouldBe("request.invalid");
        (await RefusedAsync(new() { Name = "more", Volume = "far", Pool = pool, Device = VolumeDevice.Cdrom })).ShouldBe("request.invalid");
        (await RunningDaemon.RefusedAsync(() => Api.ChangePoolVolumeAsync(pool, "far", """{"sizeBytes": 524288}""", 60))).Code.ShouldBe("request.invalid");
        await RunningDaemon.DoneAsync(Api.ChangePoolVolumeAsync(pool, "far", """{"sizeBytes": 2097152}""", 60));
        (await RunningDaemon.RefusedAsync(() => Api.ChangePoolVolumeAsync(pool, "far", """{"sizeBytes": 1048576}""", 60))).Code.ShouldBe("volume.no_shrink");
        await RunningDaemon.DoneAsync(Api.CreatePoolVolumeAsync(pool, new("other", Limits.MiB), 60));
        (await RunningDaemon.RefusedAsync(() => Api.ChangePoolVolumeAsync(pool, "other", """{"name": "far"}""", 60))).Code.ShouldBe("volume.name_taken");
        (await RunningDaemon.RefusedAsync(() => Api.CreatePoolVolumeAsync(pool, new("far", Limits.MiB), 60))).Code.ShouldBe("volume.name_taken");
        (await Api.GetPoolVolumeAsync(pool, "far")).State.ShouldBe(PoolVolumeState.Available);
        (await Api.GetInstanceAsync(Instance)).Volumes!.Select(v => v.Name).ShouldBe(["data"]);

        async Task<string> RefusedAsync(AddVolume wanted) => (await RunningDaemon.RefusedAsync(() => Api.AddVolumeAsync(Instance, wanted, 60))).Code;
    }

    [Fact]
    public async Task Of_those_who_want_a_volume_at_once_one_gets_it()
    {
        await RunningDaemon.DoneAsync(Api.CreatePoolVolumeAsync("local", new(_name, Limits.MiB), 60));
        var (attaching, deleting) = (new Gate(), new Gate());
        await GivenAsync("", start: true);
        var id = (await Api.GetInstanceAsync(Instance)).Id;
        await daemon.MakeAsync($$$"""{"name": "{{{_name}}}-j", "kind": "vm", "boot": {"kernel": "/boot/any"}}""");
        daemon.Sim.Before = (call, of, ct) => call == "plugDisk" && of == id ? attaching.PassAsync(ct) : Task.CompletedTask;
        var first = Api.AddVolumeAsync(Instance, new() { Name = "data", Volume = _name }, 60);
        await attaching.Entered;

        // Its row says whose it is to be, and nobody else has it until then.
        (await Api.GetPoolVolumeAsync("local", _name)).State.ShouldBe(PoolVolumeState.Attaching);
        foreach (var call in (Func<Task>[])
        [
            () => Api.AddVolumeAsync($"{_name}-j", new() { Name = "data", Volume = _name }, 60), () => Api.DeletePoolVolumeAsync("local", _name, 60),
            () => Api.ChangePoolVolumeAsync("local", _name, """{"sizeBytes": 2097152}""", 60),
        ])
        {
            var refusal = await RunningDaemon.RefusedAsync(call);
            (refusal.Code, refusal.Message).ShouldBe(("volume.busy", $"The volume '{_name}' is being attached to '{Instance}'."));
        }

        attaching.Open();
        await RunningDaemon.DoneAsync(first);
        daemon.Sim.Before = (_, _, _) => Task.CompletedTask;
        await RunningDaemon.DoneAsync(Api.DetachVolumeAsync(Instance, "data", _name, 60));

        var failpoints = daemon.Services.GetRequiredService<Failpoints>();
        failpoints.Hook = (kind, step, moment) => (kind, step, moment) == ("volume.delete", 2, Moment.Before) ? deleting.PassAsync(default) : Task.CompletedTask;
        var deletion = Api.DeletePoolVolumeAsync("local", _name, 60);
        await deleting.Entered;
        (await RunningDaemon.RefusedAsync(() => Api.AddVolumeAsync(Instance, new() { Name = "data", Volume = _name }, 60))).Message
            .ShouldBe($"The volume '{_name}' is being deleted.");
        deleting.Open();
        await RunningDaemon.DoneAsync(deletion);
        failpoints.Hook = null;
        (await Api.GetInstanceAsync(Instance)).Volumes.ShouldBeEmpty();
    }

    [Fact]
    public async Task What_an_instance_or_another_needs_is_not_detached()
    {
        await GivenAsync("""{"name": "root", "sizeBytes": 1048576}, {"name": "data", "sizeBytes": 1048576}, {"name": "drive", "device": "cdrom"}""", start: true);
        await RunningDaemon.DoneAsync(Api.CreatePoolVolumeAsync("local", new(_name, Limits.MiB), 60));
        (await RefusedAsync("root")).ShouldBe("volume.boots");
        (await RefusedAsync("drive")).ShouldBe("volume.no_detach");
        (await RefusedAsync("none")).ShouldBe("volume.unknown");
        (await RefusedAsync("data", _name)).ShouldBe("volume.name_taken");
        (await RefusedAsync("data", "Data")).ShouldBe("request.invalid");

        // Its guest, halted, cannot let go of it; nothing is otherwise then.
        await RunningDaemon.DoneAsync(Api.ActOnInstanceAsync(Instance, InstanceAction.Pause, 60));
        (await RefusedAsync("data")).ShouldBe("volume.held");
        await RunningDaemon.DoneAsync(Api.ActOnInstanceAsync(Instance, InstanceAction.Resume, 60));

        await RunningDaemon.DoneAsync(Api.CreateSnapshotAsync(Instance, new("before"), 60));
        (await RefusedAsync("data")).ShouldBe("volume.in_snapshot");
        // What came after the snapshot is in none.
        await RunningDaemon.DoneAsync(Api.AddVolumeAsync(Instance, new() { Name = "later", Volume = _name }, 60));
        await RunningDaemon.DoneAsync(Api.DetachVolumeAsync(Instance, "later", _name, 60));
        await RunningDaemon.DoneAsync(Api.CloneAsync(Instance, "before", new() { Name = $"{_name}-c", Linked = true }, 60));
        (await RefusedAsync("data")).ShouldBe("clone.stands_on_it");
        (await RunningDaemon.RefusedAsync(() => Api.DetachVolumeAsync($"{_name}-c", "data", null, 60))).Code.ShouldBe("volume.linked");
        await RunningDaemon.DoneAsync(Api.PromoteInstanceAsync($"{_name}-c", 60));
        await RunningDaemon.DoneAsync(Api.DetachVolumeAsync($"{_name}-c", "data", $"{_name}-c", 60));
        await RunningDaemon.DoneAsync(Api.DeleteSnapshotAsync(Instance, "before", 60));

        var moving = new Gate();
        var id = (await Api.GetInstanceAsync(Instance)).Id;
        var pool = await PoolAsync();
        daemon.Sim.Before = (call, of, ct) => call == "mirrorDisk" && of == id ? moving.PassAsync(ct) : Task.CompletedTask;
        var move = Api.MoveVolumeAsync(Instance, "data", new(pool), 60);
        await moving.Entered;
        (await RefusedAsync("data")).ShouldBe("operation.target_busy");
        moving.Open();
        await RunningDaemon.DoneAsync(move);
        daemon.Sim.Before = (_, _, _) => Task.CompletedTask;

        await RunningDaemon.DoneAsync(Api.DetachVolumeAsync(Instance, "data", null, 60));
        (await Api.GetPoolVolumeAsync(pool, "data")).State.ShouldBe(PoolVolumeState.Available);
        await RunningDaemon.DoneAsync(Api.ActOnInstanceAsync(Instance, InstanceAction.Stop, 60));
        await RunningDaemon.DoneAsync(Api.DetachVolumeAsync(Instance, "root", $"{_name}-root", 60));
        (await Api.GetInstanceAsync(Instance)).Volumes!.Select(v => v.Name).ShouldBe(["drive"]);

        async Task<string> RefusedAsync(string volume, string? name = null)
        {
            var code = (await RunningDaemon.RefusedAsync(() => Api.DetachVolumeAsync(Instance, volume, name, 60))).Code;
            (await Api.GetInstanceAsync(Instance)).Volumes!.Select(v => v.Name).ShouldBe(["root", "data", "drive"]);
            (daemon.Node.Context.Folders.Read((await Api.GetInstanceAsync(Instance)).Id).Volumes ?? []).Select(v => v.Name).Order().ShouldBe(["data", "drive", "root"]);
            return code;
        }
    }

    [Theory]
    [InlineData("""{"name": "Data"}""", "request.invalid")]
    [InlineData("""{"name": "data", "sizeBytes": 5}""", "request.invalid")]
    [InlineData("""{"name": "data", "size": 5}""", "request.invalid")]
    [InlineData("""{"name": "data", "image": "nothing"}""", "image.unknown")]
    public async Task What_cannot_be_a_volume_is_refused(string body, string code) =>
        (await daemon.SendAsync(HttpMethod.Post, "/pools/local/volumes?wait=60", body)).Problem!.Code.ShouldBe(code);

    private async Task<string> PoolAsync()
    {
        var name = $"{_name}-p";
        await RunningDaemon.DoneAsync(Api.CreatePoolAsync(new() { Name = name, Kind = PoolKind.Dir, Source = $"{daemon.Node.Context.Root.Path}/places/{name}" }, 60));
        return name;
    }

    private async Task<Instance> GivenAsync(string volumes, bool start = false)
    {
        await daemon.MakeAsync($$$"""{"name": "{{{Instance}}}", "kind": "vm", "boot": {"kernel": "/boot/any"}{{{(volumes.Length > 0 ? $", \"volumes\": [{volumes}]" : "")}}} }""");
        if (start)
        {
            await RunningDaemon.DoneAsync(Api.ActOnInstanceAsync(Instance, InstanceAction.Start, 60));
        }

        return await Api.GetInstanceAsync(Instance);
    }
}
