using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Tests.Support;
using Gantry.Node.Host;
using Microsoft.Extensions.DependencyInjection;

namespace Gantry.Daemon.Tests.Snapshots;

/// <summary>What the routes of snapshots promise, on the simulator with real disks.</summary>
public sealed class SnapshotTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    private readonly string _name = $"i{Guid.CreateVersion7():N}";

    private ApiClient Api => daemon.Api;

    [Fact]
    public async Task The_tree_grows_where_the_instance_is_and_a_restore_begins_a_branch()
    {
        await GivenAsync(InstanceState.Running);
        foreach (var name in (string[])["base", "one", "two"])
        {
            await TakeAsync(name);
        }

        await RunningDaemon.DoneAsync(Api.RestoreSnapshotAsync(_name, "base", new(Stop: true), 60));
        (await Api.GetInstanceAsync(_name)).State.ShouldBe(InstanceState.Stopped);
        await TakeAsync("branch");

        (await TreeAsync()).ShouldBe(["base", "one < base", "two < one", "branch < base *"]);
        (await Api.GetSnapshotAsync(_name, "branch")).ShouldSatisfyAllConditions(
            s => s.State.ShouldBe(InstanceState.Stopped), s => s.Level.ShouldBeNull(), s => s.SizeBytes.ShouldNotBeNull().ShouldBeGreaterThan(0));
        (await Api.GetSnapshotAsync(_name, "two")).Level.ShouldBe(SnapshotLevel.Crash);

        await RunningDaemon.DoneAsync(Api.DeleteSnapshotAsync(_name, "base", 60));
        await RunningDaemon.DoneAsync(Api.DeleteSnapshotAsync(_name, "two", 60));
        (await TreeAsync()).ShouldBe(["one", "branch *"]);
        foreach (var name in (string[])["one", "branch"])
        {
            (await FaultsAsync(name)).ShouldBeEmpty();
        }

        await RunningDaemon.DoneAsync(Api.RestoreSnapshotAsync(_name, "one", new(Start: true), 60));
        (await Api.GetInstanceAsync(_name)).State.ShouldBe(InstanceState.Running);
        (await TreeAsync()).ShouldBe(["one *", "branch"]);
    }

    [Fact]
    public async Task From_one_with_memory_the_instance_goes_on_unless_it_is_to_stay_halted_or_to_be_without()
    {
        await GivenAsync();
        (await RefusedAsync(() => Api.CreateSnapshotAsync(_name, new("none", Memory: true), 60))).ShouldBe("snapshot.nothing_in_memory");
        await RunningDaemon.DoneAsync(Api.ActOnInstanceAsync(_name, InstanceAction.Start, 60));
        await RunningDaemon.DoneAsync(Api.CreateSnapshotAsync(_name, new("with", Memory: true), 60));
        await TakeAsync("without");
        (await Api.GetInstanceAsync(_name)).State.ShouldBe(InstanceState.Running);
        (await Api.GetSnapshotAsync(_name, "with")).ShouldSatisfyAllConditions(
            s => s.Level.ShouldBe(SnapshotLevel.Application), s => s.MemoryBytes.ShouldNotBeNull().ShouldBeGreaterThan(100), s => s.SizeBytes!.Value.ShouldBeGreaterThan(s.MemoryBytes!.Value));
        (await Api.GetSnapshotAsync(_name, "without")).MemoryBytes.ShouldBeNull();
        (await FaultsAsync("with")).ShouldBeEmpty();

        foreach (var (body, state) in ((RestoreSnapshot, InstanceState)[])[
            (new(Stop: true, Pause: true), InstanceState.Paused), (new(Stop: true), InstanceState.Running), (new(Stop: true, NoMemory: true), InstanceState.Stopped),
            (new(), InstanceState.Running), (new(Stop: true, Start: true, NoMemory: true), InstanceState.Running)])
        {
            var done = await RunningDaemon.DoneAsync(Api.RestoreSnapshotAsync(_name, "with", body, 60));
            (done.Result!.Value.TryGetProperty("notStarted", out var why) ? why.ToString() : "").ShouldBeEmpty();
            (await Api.GetInstanceAsync(_name)).State.ShouldBe(state, $"{body}");
        }

        (await RefusedAsync(() => Api.RestoreSnapshotAsync(_name, "without", new(Stop: true, Pause: true), 60))).ShouldBe("snapshot.no_memory");
        (await RefusedAsync(() => Api.CreateSnapshotAsync(_name, new("rest", Quiesce: SnapshotQuiesce.Required), 60))).ShouldBe("snapshot.not_quiesced");
        (await TreeAsync()).ShouldBe(["with *", "without < with"]);
    }

    [Fact]
    public async Task Deleting_where_the_instance_is_moves_it_to_the_parent()
    {
        await GivenAsync();
        await TakeAsync("one");
        await TakeAsync("two");
        await RunningDaemon.DoneAsync(Api.DeleteSnapshotAsync(_name, "two", 60));
        (await TreeAsync()).ShouldBe(["one *"]);
        await RunningDaemon.DoneAsync(Api.DeleteSnapshotAsync(_name, "one", 60));
        (await TreeAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task An_instance_without_disks_has_snapshots_too()
    {
        await daemon.GivenInstanceAsync(_name);
        await TakeAsync("one");
        (await FaultsAsync("one")).ShouldBeEmpty();
        await RunningDaemon.DoneAsync(Api.RestoreSnapshotAsync(_name, "one", new(), 60));
        await RunningDaemon.DoneAsync(Api.DeleteSnapshotAsync(_name, "one", 60));
    }

    [Fact]
    public async Task A_name_is_used_once_in_an_instance_and_may_be_changed()
    {
        await GivenAsync();
        await TakeAsync("one");
        await TakeAsync("nightly_20260301_020000");
        (await RefusedAsync(() => Api.CreateSnapshotAsync(_name, new("one"), 60))).ShouldBe("snapshot.name_taken");
        (await RefusedAsync(() => Api.ChangeSnapshotAsync(_name, "one", new("nightly_20260301_020000")))).ShouldBe("snapshot.name_taken");
        (await RefusedAsync(() => Api.ChangeSnapshotAsync(_name, "one", new("No")))).ShouldBe("request.invalid");

        var changed = await Api.ChangeSnapshotAsync(_name, "one", new("first", "before the upgrade"));
        (changed.Name, changed.Description).ShouldBe(("first", "before the upgrade"));
        (await RefusedAsync(() => Api.GetSnapshotAsync(_name, "one"))).ShouldBe("snapshot.unknown");
        (await Api.GetSnapshotAsync(_name, changed.Id.ToString())).Name.ShouldBe("first");
        (await TreeAsync()).ShouldBe(["first", "nightly_20260301_020000 < first *"]);

        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Patch, $"/instances/{_name}/snapshots/first", """{"description":"other"}""", ("If-Match", "\"1\""));
        (status, problem!.Code).ShouldBe((412, "snapshot.changed"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("-a")]
    [InlineData("A")]
    [InlineData("a b")]
    [InlineData("a_")]
    [InlineData("../a")]
    public async Task A_malformed_name_is_refused(string name)
    {
        await GivenAsync();
        (await RefusedAsync(() => Api.CreateSnapshotAsync(_name, new(name), 60))).ShouldBe("request.invalid");
        (await TreeAsync()).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_running_instance_is_restored_only_when_it_may_be_stopped()
    {
        await GivenAsync(InstanceState.Running);
        await TakeAsync("one");
        (await RefusedAsync(() => Api.RestoreSnapshotAsync(_name, "one", new(), 60))).ShouldBe("instance.wrong_state");
        (await Api.GetInstanceAsync(_name)).State.ShouldBe(InstanceState.Running);
    }

    [Theory]
    [InlineData(InstanceState.Starting)]
    [InlineData(InstanceState.Error)]
    public async Task An_instance_that_is_not_at_rest_has_no_snapshots_taken_restored_or_deleted(InstanceState state)
    {
        await GivenAsync();
        await TakeAsync("one");
        await daemon.Services.GetRequiredService<Db>().InTransactionAsync(
            transaction => daemon.Services.GetRequiredService<Daemon.Instances.InstanceStore>().SetStateAsync(transaction, IdOf(), state), default);
        (await RefusedAsync(() => Api.CreateSnapshotAsync(_name, new("two"), 60))).ShouldBe("instance.wrong_state");
        (await RefusedAsync(() => Api.RestoreSnapshotAsync(_name, "one", new(Stop: true), 60))).ShouldBe("instance.wrong_state");
        (await RefusedAsync(() => Api.DeleteSnapshotAsync(_name, "one", 60))).ShouldBe("instance.wrong_state");
        (await TreeAsync()).ShouldBe(["one *"]);
    }

    [Fact]
    public async Task The_limit_is_told_with_how_many_there_are()
    {
        var instance = await GivenAsync();
        await FillAsync(instance.Id, Limits.Snapshots);
        var refusal = await RunningDaemon.RefusedAsync(() => Api.CreateSnapshotAsync(_name, new("one-more"), 60));
        refusal.Code.ShouldBe("quota.instance_reached");
        refusal.Message.ShouldBe($"One more snapshot would go over the quota instance:{_name}: 100 snapshots of 100 are there; there would be 101 of 100; its policy is manual, so none is removed.");
    }

    [Fact]
    public async Task A_list_is_read_page_by_page_and_filtered()
    {
        var instance = await GivenAsync();
        await FillAsync(instance.Id, 25);
        var names = new List<string>();
        for (string? cursor = ""; cursor is not null;)
        {
            var page = await Api.ListSnapshotsAsync(_name, $"?limit=10{(cursor == "" ? "" : $"&cursor={cursor}")}");
            names.AddRange(page.Items.Select(s => s.Name));
            cursor = page.NextCursor;
        }

        names.ShouldBe(Enumerable.Range(0, 25).Select(n => $"s{n}"));
        (await Api.ListSnapshotsAsync(_name, "?filter=name eq s7")).Items.ShouldHaveSingleItem().Name.ShouldBe("s7");
        (await RefusedAsync(() => Api.ListSnapshotsAsync(_name, "?cursor=YQ"))).ShouldBe("request.cursor");
    }

    [Fact]
    public async Task What_was_altered_or_taken_away_is_named_and_not_restored()
    {
        var instance = await GivenAsync();
        await TakeAsync("one");
        var snapshot = await Api.GetSnapshotAsync(_name, "one");
        var folder = $"{daemon.Node.Context.Folders.Data(instance.Id)}/snapshots/{snapshot.Id}";
        await File.AppendAllTextAsync($"{folder}/spec.json", " ");
        (await FaultsAsync("one")).ShouldHaveSingleItem().ShouldContain($"{folder}/spec.json was altered");
        (await RefusedAsync(() => Api.RestoreSnapshotAsync(_name, "one", new(), 60))).ShouldBe("snapshot.damaged");

        File.Delete($"{folder}/spec.json");
        await File.AppendAllTextAsync($"{folder}/snapshot.json", "\n");
        (await FaultsAsync("one")).ShouldSatisfyAllConditions(f => f.ShouldContain($"{folder}/spec.json is missing."), f => f.ShouldContain(t => t.StartsWith($"{folder}/snapshot.json was altered")));

        File.Delete($"{folder}/snapshot.json");
        (await RefusedAsync(() => Api.RestoreSnapshotAsync(_name, "one", new(), 60))).ShouldBe("snapshot.missing");
        (await Api.GetInstanceAsync(_name)).State.ShouldBe(InstanceState.Stopped);
        await RunningDaemon.DoneAsync(Api.DeleteSnapshotAsync(_name, "one", 60));
        Directory.Exists(folder).ShouldBeFalse();
    }

    [Fact]
    public async Task What_firmware_and_TPM_remember_goes_back_with_the_disks()
    {
        var instance = await GivenAsync(InstanceState.Running);
        var folder = daemon.Node.Context.Folders.Data(instance.Id);
        var uid = daemon.Node.Context.Folders.Read(instance.Id).TpmUid!.Value;
        Directory.CreateDirectory($"{folder}/tpm");
        await File.WriteAllTextAsync($"{folder}/nvram", "boots disk");
        await File.WriteAllTextAsync($"{folder}/tpm/tpm2-00.permall", "sealed");
        await TakeAsync("one");
        (await Api.GetInstanceAsync(_name)).State.ShouldBe(InstanceState.Running);
        await File.WriteAllTextAsync($"{folder}/nvram", "boots disc");
        await File.WriteAllTextAsync($"{folder}/tpm/tpm2-00.permall", "broken");
        await File.WriteAllTextAsync($"{folder}/tpm/more", "new");

        await RunningDaemon.DoneAsync(Api.RestoreSnapshotAsync(_name, "one", new(Stop: true), 60));
        (await File.ReadAllTextAsync($"{folder}/nvram")).ShouldBe("boots disk");
        Directory.GetFiles($"{folder}/tpm").ShouldHaveSingleItem();
        (await File.ReadAllTextAsync($"{folder}/tpm/tpm2-00.permall")).ShouldBe("sealed");
        (Posix.TryOwnerOf($"{folder}/tpm"), Posix.TryOwnerOf($"{folder}/tpm/tpm2-00.permall"), Posix.TryOwnerOf($"{folder}/nvram")).ShouldBe((uid, uid, 0));
        File.GetUnixFileMode($"{folder}/snapshots").ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    [Fact]
    public async Task A_guest_that_was_halted_for_a_snapshot_goes_on_when_its_daemon_was_killed_meanwhile()
    {
        var instance = await GivenAsync(InstanceState.Running);
        var mark = $"{daemon.Node.Context.Folders.Run(instance.Id)}/halted";
        await daemon.RestartAsync(() =>
        {
            File.WriteAllBytes(mark, []);
            daemon.Node.PauseAsync(instance.Id, default).GetAwaiter().GetResult();
        });

        (await Api.GetInstanceAsync(_name)).State.ShouldBe(InstanceState.Running);
        (await daemon.Node.InspectAsync(instance.Id, default)).State.ShouldBe(InstanceState.Running);
        File.Exists(mark).ShouldBeFalse();
    }

    [Fact]
    public async Task A_TPM_that_points_at_the_hosts_files_gets_none_of_them()
    {
        var instance = await GivenAsync();
        var folder = daemon.Node.Context.Folders.Data(instance.Id);
        Directory.CreateDirectory($"{folder}/tpm");
        File.CreateSymbolicLink($"{folder}/tpm/tpm2-00.permall", "/etc/hostname");
        (await RefusedAsync(() => Api.CreateSnapshotAsync(_name, new("one"), 60))).ShouldBe("snapshot.not_kept");
        (await TreeAsync()).ShouldBeEmpty();
        Directory.GetDirectories($"{folder}/snapshots").ShouldBeEmpty();
    }

    [Fact]
    public async Task A_layer_that_vanished_is_named()
    {
        var instance = await GivenAsync();
        await TakeAsync("one");
        var top = (await daemon.Node.Context.Pools.Of(null).FindAsync(new(instance.Id.ToString(), "root"), default)).Layers[1];
        File.Move(top.Path, $"{daemon.Node.Context.Root.Path}/away");
        (await FaultsAsync("one")).ShouldHaveSingleItem().ShouldContain(top.Path);
        (await Api.GetSnapshotAsync(_name, "one")).SizeBytes.ShouldNotBeNull();
        File.Move($"{daemon.Node.Context.Root.Path}/away", top.Path);
        (await FaultsAsync("one")).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_pool_that_vanished_refuses_and_changes_nothing()
    {
        var instance = await GivenAsync();
        await TakeAsync("one");
        var mark = $"{daemon.Node.Context.Root.Pools}/local/gantry-pool";
        File.Move(mark, $"{daemon.Node.Context.Root.Path}/mark");
        try
        {
            (await RefusedAsync(() => Api.CreateSnapshotAsync(_name, new("two"), 60))).ShouldBe("pool.gone");
            (await RefusedAsync(() => Api.RestoreSnapshotAsync(_name, "one", new(), 60))).ShouldBe("pool.gone");
            (await RefusedAsync(() => Api.DeleteSnapshotAsync(_name, "one", 60))).ShouldBe("pool.gone");
            (await Api.ListSnapshotsAsync(_name)).Items.ShouldHaveSingleItem().SizeBytes.ShouldBeNull();
        }
        finally
        {
            File.Move($"{daemon.Node.Context.Root.Path}/mark", mark);
        }

        (await TreeAsync()).ShouldBe(["one *"]);
        await TakeAsync("two");
    }

    [Fact]
    public async Task Each_change_is_told()
    {
        await GivenAsync();
        var told = daemon.EventsUntilAsync(e => e.Type == EventTypes.SnapshotDeleted);
        await TakeAsync("one");
        await Api.ChangeSnapshotAsync(_name, "one", new(Description: "x"));
        await RunningDaemon.DoneAsync(Api.RestoreSnapshotAsync(_name, "one", new(), 60));
        await RunningDaemon.DoneAsync(Api.DeleteSnapshotAsync(_name, "one", 60));
        (await told).Where(e => e.Topic == "snapshot" && e.Data!.Value.GetProperty("instanceName").GetString() == _name).Select(e => e.Type)
            .ShouldBe([EventTypes.SnapshotCreated, EventTypes.SnapshotUpdated, EventTypes.SnapshotRestored, EventTypes.SnapshotDeleted]);
    }

    [Fact]
    public async Task An_instance_takes_its_snapshots_along()
    {
        var instance = await GivenAsync(InstanceState.Running);
        await TakeAsync("one");
        await TakeAsync("two");
        await RunningDaemon.DoneAsync(Api.DeleteInstanceAsync(_name, force: true, 60));
        Directory.Exists($"{daemon.Node.Context.Root.Pools}/local/{instance.Id}").ShouldBeFalse();
        Directory.Exists(daemon.Node.Context.Folders.Data(instance.Id)).ShouldBeFalse();
        (await daemon.Services.GetRequiredService<Db>().WithAsync(c => c.QuerySingleAsync<long>("select count(*) from snapshots where instance = @Value", instance.Id), default)).ShouldBe(0);
    }

    private async Task<Instance> GivenAsync(InstanceState state = InstanceState.Stopped)
    {
        await RunningDaemon.DoneAsync(Api.CreateInstanceAsync(
            RunningDaemon.A(_name) with { Volumes = [new() { Name = "root", SizeBytes = Limits.MiB }], StartNow = state == InstanceState.Running }, 60));
        return await Api.GetInstanceAsync(_name);
    }

    private Id<Instance> IdOf() => Api.GetInstanceAsync(_name).GetAwaiter().GetResult().Id;

    private Task TakeAsync(string name) => RunningDaemon.DoneAsync(Api.CreateSnapshotAsync(_name, new(name), 60));

    private async Task<IReadOnlyList<string>> FaultsAsync(string name) =>
        System.Text.Json.JsonSerializer.Deserialize((await RunningDaemon.DoneAsync(Api.VerifySnapshotAsync(_name, name, 60))).Result!.Value, WireJson.Default.SnapshotVerdict)!.Faults;

    private static async Task<string> RefusedAsync(Func<Task> call) => (await RunningDaemon.RefusedAsync(call)).Code;

    /// <summary>Each with its parent; where the instance is has a star.</summary>
    private async Task<IEnumerable<string>> TreeAsync() =>
        (await Api.ListSnapshotsAsync(_name)).Items.Select(s => $"{s.Name}{(s.Parent is null ? "" : $" < {s.Parent}")}{(s.Current ? " *" : "")}");

    /// <summary>Rows alone: the node knows nothing of them.</summary>
    private Task FillAsync(Id<Instance> instance, int count) => daemon.Services.GetRequiredService<Db>().WithAsync(connection => connection.ExecuteAsync(
        "insert into snapshots (id, instance, name, state, is_ready, created_at) values (@Id, @Instance, @Name, 4, true, now())",
        Enumerable.Range(0, count).Select(n => new { Id = Guid.CreateVersion7(TimeProvider.System.GetUtcNow().AddMinutes(n)), Instance = instance.Value, Name = $"s{n}" })), default);
}
