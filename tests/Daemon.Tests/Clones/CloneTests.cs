using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Clones;

/// <summary>What the routes of clones promise, on the simulator with real disks.</summary>
public sealed class CloneTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    private readonly string _name = $"i{Guid.CreateVersion7():N}";

    private ApiClient Api => daemon.Api;

    private string Copy => $"{_name}-c";

    [Fact]
    public async Task A_copy_has_what_the_running_source_had_and_needs_it_no_more()
    {
        var source = await GivenAsync(written: 7);
        await RunningDaemon.DoneAsync(Api.ActOnInstanceAsync(_name, InstanceAction.Start, 60));
        await CloneAsync(new() { Name = Copy, Labels = new Dictionary<string, string> { ["tier"] = "copy" } });

        var clone = await Api.GetInstanceAsync(Copy);
        (clone.State, clone.Parent, clone.Labels["tier"], clone.Description).ShouldBe((InstanceState.Stopped, null, "copy", "The first"));
        (await Api.ListSnapshotsAsync(_name)).Items.ShouldBeEmpty();
        (await Api.ListSnapshotsAsync(Copy)).Items.ShouldBeEmpty();
        (await daemon.Node.SnapshotSizesAsync(source.Id, default)).ShouldBeEmpty();
        await RunningDaemon.DoneAsync(Api.DeleteInstanceAsync(_name, force: true, 60));
        (await FirstAsync(Copy)).ShouldBe(7);
    }

    [Fact]
    public async Task A_linked_clone_of_a_snapshot_has_what_was_in_it_and_holds_it_until_it_stands_alone()
    {
        var source = await GivenAsync(written: 7);
        await RunningDaemon.DoneAsync(Api.CreateSnapshotAsync(_name, new("one"), 60));
        await DiskContents.WriteAsync(daemon.Node, source.Id, "data", 8);
        await RunningDaemon.DoneAsync(Api.CreateSnapshotAsync(_name, new("two"), 60));
        await CloneAsync(new() { Name = Copy, Linked = true }, "one");

        var clone = await Api.GetInstanceAsync(Copy);
        clone.Parent.ShouldBe(new InstanceParent(source.Id, _name, "one"));
        (await FirstAsync(Copy)).ShouldBe(7);
        foreach (var call in (Func<Task>[])[() => Api.DeleteInstanceAsync(_name, force: true, 60), () => Api.DeleteSnapshotAsync(_name, "one", 60), () => Api.RemoveVolumeAsync(_name, "data", 60)])
        {
            var refusal = await RunningDaemon.RefusedAsync(call);
            refusal.Code.ShouldBe("clone.stands_on_it");
            refusal.Message.ShouldContain(Copy);
            refusal.Hint.ShouldContain($"gantry promote {Copy}");
        }

        // The rest of the tree goes, and the source goes back, without harm to the clone.
        await RunningDaemon.DoneAsync(Api.DeleteSnapshotAsync(_name, "two", 60));
        await RunningDaemon.DoneAsync(Api.RestoreSnapshotAsync(_name, "one", new(), 60));
        (await FirstAsync(Copy)).ShouldBe(7);

        await RunningDaemon.DoneAsync(Api.PromoteInstanceAsync(Copy, 60));
        (await Api.GetInstanceAsync(Copy)).Parent.ShouldBeNull();
        (await RefusedAsync(() => Api.PromoteInstanceAsync(Copy, 60))).ShouldBe("clone.not_linked");
        await RunningDaemon.DoneAsync(Api.DeleteInstanceAsync(_name, force: true, 60));
        (await FirstAsync(Copy)).ShouldBe(7);
    }

    [Fact]
    public async Task The_snapshot_that_was_taken_for_a_linked_clone_is_in_no_list_and_goes_with_it()
    {
        var source = await GivenAsync(written: 7);
        await CloneAsync(new() { Name = Copy, Linked = true, StartNow = true });
        var clone = await Api.GetInstanceAsync(Copy);
        (clone.State, clone.Parent).ShouldBe((InstanceState.Running, new InstanceParent(source.Id, _name)));
        (await Api.ListSnapshotsAsync(_name)).Items.ShouldBeEmpty();
        (await daemon.Node.SnapshotSizesAsync(source.Id, default)).Count.ShouldBe(1);
        (await RefusedAsync(() => Api.DeleteInstanceAsync(_name, force: true, 60))).ShouldBe("clone.stands_on_it");

        await RunningDaemon.DoneAsync(Api.DeleteInstanceAsync(Copy, force: true, 60));
        (await daemon.Node.SnapshotSizesAsync(source.Id, default)).ShouldBeEmpty();
        (await FirstAsync(_name)).ShouldBe(7);
        await RunningDaemon.DoneAsync(Api.DeleteInstanceAsync(_name, force: true, 60));
    }

    [Fact]
    public async Task A_clone_of_a_clone_stands_on_both_and_the_lower_one_is_not_made_to_stand_alone_first()
    {
        var source = await GivenAsync(written: 7);
        await CloneAsync(new() { Name = Copy, Linked = true });
        var second = $"{_name}-d";
        await RunningDaemon.DoneAsync(Api.CloneAsync(Copy, null, new() { Name = second, Linked = true }, 60));
        var refusal = await RunningDaemon.RefusedAsync(() => Api.PromoteInstanceAsync(Copy, 60));
        (refusal.Code, refusal.Message.Contains(second, StringComparison.Ordinal)).ShouldBe(("clone.stands_on_it", true));

        await RunningDaemon.DoneAsync(Api.PromoteInstanceAsync(second, 60));
        await RunningDaemon.DoneAsync(Api.PromoteInstanceAsync(Copy, 60));
        await RunningDaemon.DoneAsync(Api.DeleteInstanceAsync(_name, force: true, 60));
        (await FirstAsync(Copy), await FirstAsync(second)).ShouldBe((7, 7));
        (await daemon.Node.SnapshotSizesAsync((await Api.GetInstanceAsync(Copy)).Id, default)).ShouldBeEmpty();
        source.Parent.ShouldBeNull();
    }

    [Fact]
    public async Task A_copy_may_lie_in_another_pool_and_a_linked_one_may_not()
    {
        var place = Directory.CreateTempSubdirectory("gantry-clone-").FullName;
        File.SetUnixFileMode(place, (UnixFileMode)0b111_001_001);
        await RunningDaemon.DoneAsync(Api.CreatePoolAsync(new() { Name = $"p{_name}"[..20], Kind = PoolKind.Dir, Source = $"{place}/pool" }, 60));
        var pool = (await Api.ListPoolsAsync()).Items.Single(p => p.Name == $"p{_name}"[..20]);
        await GivenAsync(written: 7);
        (await RefusedAsync(() => CloneAsync(new() { Name = Copy, Linked = true, Pool = pool.Name }))).ShouldBe("clone.other_pool");
        (await RefusedAsync(() => CloneAsync(new() { Name = Copy, Pools = new Dictionary<string, string> { ["data"] = "nowhere" } }))).ShouldBe("pool.unknown");
        (await RefusedAsync(() => CloneAsync(new() { Name = Copy, Pools = new Dictionary<string, string> { ["other"] = pool.Name } }))).ShouldBe("request.invalid");

        await CloneAsync(new() { Name = Copy, Pools = new Dictionary<string, string> { ["data"] = pool.Name } });
        var clone = await Api.GetInstanceAsync(Copy);
        clone.Volumes!.Single().Pool.ShouldBe(pool.Name);
        (await DiskContents.ReadAsync(daemon.Node, clone.Id, "data", pool.Id))[0].ShouldBe((byte)7);
        Directory.GetDirectories($"{daemon.Node.Context.Root.Pools}/local").ShouldAllBe(d => !Path.GetFileName(d).StartsWith("read-"));

        // Its folder is gone: what would be copied there is refused, and nothing stays.
        Directory.Move($"{place}/pool", $"{place}/away");
        (await RefusedAsync(() => CloneAsync(new() { Name = $"{_name}-e", Pool = pool.Name }))).ShouldBe("pool.gone");
        (await RefusedAsync(() => Api.GetInstanceAsync($"{_name}-e"))).ShouldBe("instance.unknown");
        Directory.Move($"{place}/away", $"{place}/pool");
        await RunningDaemon.DoneAsync(Api.DeleteInstanceAsync(Copy, force: true, 60));
        Directory.Delete(place, recursive: true);
    }

    [Fact]
    public async Task A_clone_has_MACs_addresses_and_a_seed_of_its_own()
    {
        var network = $"n{Guid.CreateVersion7():N}"[..15];
        await RunningDaemon.DoneAsync(Api.CreateNetworkAsync(new() { Name = network }, 60));
        var source = await daemon.MakeAsync($$"""
            {"name": "{{_name}}", "kind": "microvm", "boot": {"kernel": "/boot/any"}, "nics": [{"name": "eth0", "network": "{{network}}"}, {"name": "eth1", "network": "none"}],
             "cloudInit": {"hostname": "old", "users": [{"name": "ann", "password": "correct-horse-battery"}], "dnsServers": ["10.1.1.1"], "nics": [{"name": "eth1", "addresses": ["10.7.7.7/24"]}]} }
            """);
        await CloneAsync(new() { Name = Copy });
        var clone = await Api.GetInstanceAsync(Copy);
        var (before, after) = (source.Nics![0], clone.Nics![0]);
        (after.Network, after.Mac == before.Mac, after.Address == before.Address, after.Address is null).ShouldBe((network, false, false, false));
        clone.CloudInit!.InstanceId.ShouldBe($"{clone.Id}-1");
        var told = daemon.Node.Context.Folders.Read(clone.Id).CloudInit!.Settings;
        (told.Hostname, told.Nics, told.DnsServers!.Single(), told.Users!.Single().PasswordHash).ShouldBe(
            (null, null, "10.1.1.1", daemon.Node.Context.Folders.Read(source.Id).CloudInit!.Settings.Users!.Single().PasswordHash));
        File.Exists($"{daemon.Node.Context.Folders.Data(clone.Id)}/seed.iso").ShouldBeTrue();

        var second = $"{_name}-d";
        await CloneAsync(new()
        {
            Name = second,
            Nics = [new() { Name = "eth1", Mac = "52:54:00:AA:BB:01" }],
            CloudInit = new() { Hostname = "front", Nics = [new() { Name = "eth1", Addresses = ["10.7.7.8/24"], Gateway = "10.7.7.1" }], DnsServers = ["10.7.7.1"] },
        });
        var given = await Api.GetInstanceAsync(second);
        var says = daemon.Node.Context.Folders.Read(given.Id).CloudInit!.Settings;
        (given.Nics![1].Mac, says.Hostname, says.Nics!.Single().Addresses.Single()).ShouldBe(("52:54:00:aa:bb:01", "front", "10.7.7.8/24"));

        foreach (var (nic, code) in ((CloneNic, string)[])[
            (new() { Name = "eth1", Mac = "52:54:00:aa:bb:01" }, "clone.mac_taken"), (new() { Name = "eth0", Mac = before.Mac }, "network.mac_taken"), (new() { Name = "eth0", Address = before.Address }, "network.address_taken"),
            (new() { Name = "eth0", Mac = "53:54:00:aa:bb:01" }, "request.invalid"), (new() { Name = "eth0", Mac = "no" }, "request.invalid"), (new() { Name = "eth7" }, "request.invalid")])
        {
            (await RefusedAsync(() => CloneAsync(new() { Name = $"{_name}-e", Nics = [nic] }))).ShouldBe(code);
        }

        (await RefusedAsync(() => CloneAsync(new() { Name = $"{_name}-e", CloudInit = new() { Nics = [new() { Name = "eth9", Addresses = ["10.7.7.8/24"] }] } }))).ShouldBe("cloud_init.unknown_nic");
        (await RefusedAsync(() => CloneAsync(new() { Name = $"{_name}-e", CloudInit = new() { Hostname = "no good" } }))).ShouldBe("request.invalid");
        (await RefusedAsync(() => Api.GetInstanceAsync($"{_name}-e"))).ShouldBe("instance.unknown");
    }

    [Fact]
    public async Task One_without_cloud_init_gets_some_only_when_asked()
    {
        await GivenAsync();
        await CloneAsync(new() { Name = Copy });
        (await Api.GetInstanceAsync(Copy)).CloudInit.ShouldBeNull();
        await CloneAsync(new() { Name = $"{_name}-d", CloudInit = new() { Hostname = "front" } });
        daemon.Node.Context.Folders.Read((await Api.GetInstanceAsync($"{_name}-d")).Id).CloudInit!.Settings.Hostname.ShouldBe("front");
    }

    [Fact]
    public async Task What_cannot_be_cloned_is_refused()
    {
        await GivenAsync();
        (await RefusedAsync(() => CloneAsync(new() { Name = _name }))).ShouldBe("instance.name_taken");
        (await RefusedAsync(() => CloneAsync(new() { Name = "No!" }))).ShouldBe("request.invalid");
        (await RefusedAsync(() => CloneAsync(new() { Name = Copy, Description = new('x', 1001) }))).ShouldBe("request.invalid");
        (await RefusedAsync(() => CloneAsync(new() { Name = Copy }, "nothing"))).ShouldBe("snapshot.unknown");
        (await RefusedAsync(() => Api.CloneAsync($"{_name}-none", null, new() { Name = Copy }, 60))).ShouldBe("instance.unknown");
        (await RefusedAsync(() => Api.PromoteInstanceAsync(_name, 60))).ShouldBe("clone.not_linked");
        await daemon.GivenInstanceAsync($"{_name}-s", InstanceState.Starting);
        (await RefusedAsync(() => Api.CloneAsync($"{_name}-s", null, new() { Name = Copy }, 60))).ShouldBe("instance.wrong_state");
        (await daemon.Node.SnapshotSizesAsync((await Api.GetInstanceAsync(_name)).Id, default)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Of_two_clones_of_one_name_at_once_one_is_made()
    {
        var source = await GivenAsync();
        var begun = Enumerable.Range(0, 4).Select(_ => Record.ExceptionAsync(() => CloneAsync(new() { Name = Copy })).AsTask()).ToList();
        var refused = (await Task.WhenAll(begun)).OfType<Refusal>().ToList();
        refused.Select(r => r.Code).ShouldBe(["instance.name_taken", "instance.name_taken", "instance.name_taken"]);
        (await daemon.Node.SnapshotSizesAsync(source.Id, default)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_template_is_not_started_and_is_cloned_linked_when_nobody_says()
    {
        await GivenAsync(written: 7);
        (await daemon.SendAsync(HttpMethod.Patch, $"/instances/{_name}", """{"template": true}""")).Status.ShouldBe(200);
        (await Api.GetInstanceAsync(_name)).Template.ShouldBeTrue();
        (await RefusedAsync(() => Api.ActOnInstanceAsync(_name, InstanceAction.Start, 60))).ShouldBe("instance.is_template");
        (await Api.GetInstanceAsync(_name)).State.ShouldBe(InstanceState.Stopped);

        await CloneAsync(new() { Name = Copy, StartNow = true });
        var clone = await Api.GetInstanceAsync(Copy);
        (clone.Template, clone.State, clone.Parent!.Name).ShouldBe((false, InstanceState.Running, _name));
        (await daemon.SendAsync(HttpMethod.Patch, $"/instances/{Copy}", """{"template": true}""")).Problem!.Code.ShouldBe("instance.wrong_state");

        // However many there are, each lies over the same: the template does not change.
        await CloneAsync(new() { Name = $"{_name}-e" });
        var last = await Api.GetInstanceAsync($"{_name}-e");
        (await daemon.Node.Context.Pools.Of(null).FindAsync(new($"{last.Id}", "data"), default)).Layers.Count.ShouldBe(2);
        (await FirstAsync($"{_name}-e")).ShouldBe(7);

        await CloneAsync(new() { Name = $"{_name}-d", Linked = false });
        (await Api.GetInstanceAsync($"{_name}-d")).Parent.ShouldBeNull();
        (await daemon.SendAsync(HttpMethod.Patch, $"/instances/{_name}", """{"template": false}""")).Status.ShouldBe(200);
        await RunningDaemon.DoneAsync(Api.ActOnInstanceAsync(_name, InstanceAction.Start, 60));
    }

    [Fact]
    public async Task An_image_is_made_of_a_snapshot_while_its_instance_runs()
    {
        var source = await GivenAsync(written: 7);
        await RunningDaemon.DoneAsync(Api.CreateSnapshotAsync(_name, new("one"), 60));
        await DiskContents.WriteAsync(daemon.Node, source.Id, "data", 8);
        await RunningDaemon.DoneAsync(Api.ActOnInstanceAsync(_name, InstanceAction.Start, 60));
        var image = $"m{Guid.CreateVersion7():N}"[..20];
        (await RefusedAsync(() => Api.CreateImageAsync(new(image, _name), 60))).ShouldBe("instance.wrong_state");
        (await RefusedAsync(() => Api.CreateImageAsync(new(image, _name, FromSnapshot: "none"), 60))).ShouldBe("snapshot.unknown");
        await RunningDaemon.DoneAsync(Api.CreateImageAsync(new(image, _name, FromSnapshot: "one"), 60));
        (await Api.GetImageAsync(image)).Source.ShouldBe($"snapshot one of {_name}");

        await daemon.MakeAsync($$"""{"name": "{{Copy}}", "kind": "vm", "image": "{{image}}", "boot": {"kernel": "/boot/any"} }""");
        (await DiskContents.ReadAsync(daemon.Node, (await Api.GetInstanceAsync(Copy)).Id, "root"))[0].ShouldBe((byte)7);
        Directory.GetDirectories($"{daemon.Node.Context.Root.Pools}/local").ShouldAllBe(d => !Path.GetFileName(d).StartsWith("read-"));
    }

    [Fact]
    public async Task What_the_firmware_remembers_goes_along_and_the_TPM_only_when_asked()
    {
        var source = await GivenAsync();
        var folder = daemon.Node.Context.Folders.Data(source.Id);
        await File.WriteAllTextAsync($"{folder}/nvram", "boot entries");
        Directory.CreateDirectory($"{folder}/tpm");
        await File.WriteAllTextAsync($"{folder}/tpm/tpm2-00.permall", "seeds");
        await CloneAsync(new() { Name = Copy });
        await CloneAsync(new() { Name = $"{_name}-d", CopyTpm = true, Linked = true });

        var (without, with) = ((await Api.GetInstanceAsync(Copy)).Id, (await Api.GetInstanceAsync($"{_name}-d")).Id);
        (await File.ReadAllTextAsync($"{daemon.Node.Context.Folders.Data(without)}/nvram")).ShouldBe("boot entries");
        Directory.Exists($"{daemon.Node.Context.Folders.Data(without)}/tpm").ShouldBeFalse();
        (await File.ReadAllTextAsync($"{daemon.Node.Context.Folders.Data(with)}/tpm/tpm2-00.permall")).ShouldBe("seeds");
    }

    private async Task<Instance> GivenAsync(byte written = 0)
    {
        var made = await daemon.MakeAsync($$"""
            {"name": "{{_name}}", "kind": "vm", "boot": {"kernel": "/boot/any"}, "description": "The first", "labels": {"tier": "front"}, "volumes": [{"name": "data", "sizeBytes": 1048576}]}
            """);
        if (written > 0)
        {
            await DiskContents.WriteAsync(daemon.Node, made.Id, "data", written);
        }

        return made;
    }

    private Task<Operation> CloneAsync(CloneInstance wanted, string? snapshot = null) => RunningDaemon.DoneAsync(Api.CloneAsync(_name, snapshot, wanted, 60));

    private async Task<int> FirstAsync(string name) => (await DiskContents.ReadAsync(daemon.Node, (await Api.GetInstanceAsync(name)).Id, "data"))[0];

    private static async Task<string> RefusedAsync(Func<Task> call) => (await RunningDaemon.RefusedAsync(call)).Code;
}
