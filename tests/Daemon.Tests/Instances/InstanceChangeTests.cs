using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;
using Gantry.Node.Drivers;

namespace Gantry.Daemon.Tests.Instances;

/// <summary>Rename, resize, restart and what is noted about an instance, over HTTP.</summary>
public sealed class InstanceChangeTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    private const long MiB = Limits.MiB;

    [Theory]
    [InlineData(InstanceState.Stopped)]
    [InlineData(InstanceState.Running)]
    public async Task A_renamed_instance_has_its_new_name_in_the_list_and_on_its_node(InstanceState state)
    {
        var name = $"before-{state}".ToLowerInvariant();
        var made = await daemon.GivenInstanceAsync(name, state);
        var told = daemon.NextEventAsync(EventTypes.InstanceRenamed, $"instances/{made.Id}");

        await RunningDaemon.DoneAsync(daemon.Api.RenameInstanceAsync(name, $"{name}-after", 60));

        var found = await daemon.Api.GetInstanceAsync($"{name}-after");
        (found.Id, found.State).ShouldBe((made.Id, state));
        daemon.Node.Context.Folders.Read(made.Id).Name.ShouldBe($"{name}-after");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.GetInstanceAsync(name))).Code.ShouldBe("instance.unknown");
        var data = (await told).Data!.Value;
        (data.GetProperty("from").GetString(), data.GetProperty("name").GetString()).ShouldBe((name, $"{name}-after"));
        await daemon.GivenInstanceAsync(name);
    }

    [Fact]
    public async Task A_name_that_another_has_is_refused_and_nothing_is_renamed()
    {
        var made = await daemon.GivenInstanceAsync("mine");
        await daemon.GivenInstanceAsync("theirs");

        (await RunningDaemon.RefusedAsync(() => daemon.Api.RenameInstanceAsync("mine", "theirs", 60))).Code.ShouldBe("instance.name_taken");
        (await RunningDaemon.RefusedAsync(() => daemon.Api.RenameInstanceAsync("mine", "Not_a_name", 60))).Code.ShouldBe("request.invalid");

        daemon.Node.Context.Folders.Read(made.Id).Name.ShouldBe("mine");
        await RunningDaemon.DoneAsync(daemon.Api.RenameInstanceAsync("mine", "mine", 60));
    }

    [Fact]
    public async Task Of_many_who_want_one_name_one_gets_it()
    {
        var made = new List<Instance>();
        for (var i = 0; i < 8; i++)
        {
            made.Add(await daemon.GivenInstanceAsync($"racer{i}"));
        }

        var ended = await Task.WhenAll(made.Select(async one =>
        {
            try
            {
                return (await daemon.Api.RenameInstanceAsync(one.Name, "winner", 60)).State.ToString();
            }
            catch (Refusal refusal)
            {
                return refusal.Code;
            }
        }));

        ended.Count(e => e == nameof(OperationState.Succeeded)).ShouldBe(1, string.Join(' ', ended));
        ended.Count(e => e == "instance.name_taken").ShouldBe(7);
        foreach (var one in made)
        {
            daemon.Node.Context.Folders.Read(one.Id).Name.ShouldBe((await daemon.Api.GetInstanceAsync(one.Id.ToString())).Name);
        }
    }

    [Fact]
    public async Task What_is_noted_is_patched_and_null_takes_it_away()
    {
        var made = await daemon.GivenInstanceAsync("noted");
        var told = daemon.NextEventAsync(EventTypes.InstanceChanged, $"instances/{made.Id}");

        var first = await daemon.SendAsync(HttpMethod.Patch, "/instances/noted", """{"description":"one","labels":{"a":"1","b":"2"},"autoStart":true}""");
        first.Status.ShouldBe(200, first.Problem?.Detail);
        (await told).Data!.Value.GetProperty("fields").EnumerateArray().Select(f => f.GetString()).ShouldBe(["description", "labels", "autoStart"]);
        await daemon.SendAsync(HttpMethod.Patch, "/instances/noted", """{"description":null,"labels":{"a":null,"c":"3"}}""");

        var found = await daemon.Api.GetInstanceAsync("noted");
        (found.Description, found.AutoStart).ShouldBe((null, true));
        found.Labels.OrderBy(l => l.Key).ShouldBe([KeyValuePair.Create("b", "2"), KeyValuePair.Create("c", "3")]);
        found.Etag.ShouldNotBe(made.Etag);
        (await daemon.SendAsync(HttpMethod.Patch, "/instances/noted", "{}")).Body.GetProperty("etag").GetString().ShouldBe(found.Etag);
    }

    [Fact]
    public async Task A_patch_that_cannot_be_is_refused_whole_with_every_fault()
    {
        var made = await daemon.GivenInstanceAsync("unpatched");

        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Patch, "/instances/unpatched", """{"description":7,"cpus":2,"autoStart":"yes"}""");
        status.ShouldBe(422);
        problem!.Errors!.Select(e => e.Path).ShouldBe(["$.description", "$.cpus", "$.autoStart"], ignoreOrder: true);
        (await daemon.SendAsync(HttpMethod.Patch, "/instances/unpatched", """{"labels":{"no spaces":"x"}}""")).Status.ShouldBe(422);
        (await daemon.SendAsync(HttpMethod.Patch, "/instances/unpatched", "[]")).Status.ShouldBe(400);
        (await daemon.SendAsync(HttpMethod.Patch, "/instances/unpatched", """{"description":"\ud800"}""")).Status.ShouldBeInRange(400, 422);
        (await daemon.SendAsync(HttpMethod.Patch, "/instances/unpatched", """{"description":"x"}""", ("If-Match", "\"0\""))).Status.ShouldBe(412);

        (await daemon.Api.GetInstanceAsync("unpatched")).Etag.ShouldBe(made.Etag);
    }

    [Fact]
    public async Task Patches_at_the_same_time_are_all_kept()
    {
        await daemon.GivenInstanceAsync("busy");

        await Task.WhenAll(Enumerable.Range(0, 10).Select(i => daemon.SendAsync(HttpMethod.Patch, "/instances/busy", $$$"""{"labels":{"l{{{i}}}":"x"}}""")));

        (await daemon.Api.GetInstanceAsync("busy")).Labels.Count.ShouldBe(10);
    }

    [Fact]
    public async Task A_stopped_instance_is_resized_and_starts_with_that()
    {
        var made = await daemon.GivenInstanceAsync("at-rest");

        await RunningDaemon.DoneAsync(daemon.Api.ResizeInstanceAsync("at-rest", new(2, 256 * MiB), 60));

        var found = await daemon.Api.GetInstanceAsync("at-rest");
        (found.Cpus, found.MemoryBytes, found.Pending).ShouldBe((2, 256 * MiB, null));
        var spec = daemon.Node.Context.Folders.Read(made.Id);
        (spec.Cpus, spec.MemoryBytes).ShouldBe((2, 256 * MiB));
    }

    [Fact]
    public async Task What_a_running_one_cannot_be_given_is_stored_said_and_taken_by_its_restart()
    {
        var made = await daemon.GivenInstanceAsync("micro", InstanceState.Running);
        var told = daemon.NextEventAsync(EventTypes.InstanceResized, $"instances/{made.Id}");

        var done = await RunningDaemon.DoneAsync(daemon.Api.ResizeInstanceAsync("micro", new(2, 64 * MiB), 60));

        var pending = done.Result!.Value.GetProperty("pending");
        pending.GetProperty("cpus").GetInt32().ShouldBe(2);
        pending.GetProperty("reason").GetString().ShouldBe(ResizeReasons.NoCpuPlug);
        (await told).Data!.Value.GetProperty("memoryBytes").GetInt64().ShouldBe(64 * MiB);
        var found = await daemon.Api.GetInstanceAsync("micro");
        (found.Cpus, found.MemoryBytes).ShouldBe((1, 64 * MiB));
        found.Pending.ShouldBe(new(2, null, ResizeReasons.NoCpuPlug));
        (found.Observed!.Cpus, found.Observed.MemoryBytes).ShouldBe((1, 64 * MiB));

        await RunningDaemon.DoneAsync(daemon.Api.RestartInstanceAsync("micro", new(), 60));

        found = await daemon.Api.GetInstanceAsync("micro");
        (found.State, found.Cpus, found.Pending).ShouldBe((InstanceState.Running, 2, null));
        found.Observed!.Cpus.ShouldBe(2);
    }

    [Fact]
    public async Task A_vm_is_resized_while_it_runs_within_the_room_it_was_started_with()
    {
        await RunningDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(RunningDaemon.A("roomy") with
        {
            Kind = InstanceKind.Vm,
            MemoryBytes = 256 * MiB,
            MaxCpus = 2,
            MaxMemoryBytes = 512 * MiB,
            StartNow = true,
        }, 60));

        await RunningDaemon.DoneAsync(daemon.Api.ResizeInstanceAsync("roomy", new(2, 384 * MiB), 60));
        var found = await daemon.Api.GetInstanceAsync("roomy");
        (found.Cpus, found.MemoryBytes, found.Pending).ShouldBe((2, 384 * MiB, null));

        await RunningDaemon.DoneAsync(daemon.Api.ResizeInstanceAsync("roomy", new(MemoryBytes: 1024 * MiB), 60));
        found = await daemon.Api.GetInstanceAsync("roomy");
        (found.Cpus, found.MemoryBytes).ShouldBe((2, 384 * MiB));
        found.Pending.ShouldBe(new(null, 1024 * MiB, ResizeReasons.MemoryRoom(512 * MiB)));
        found.MaxMemoryBytes.ShouldBe(1024 * MiB);

        // Asking for what it has takes back what was stored.
        await RunningDaemon.DoneAsync(daemon.Api.ResizeInstanceAsync("roomy", new(MemoryBytes: 384 * MiB), 60));
        (await daemon.Api.GetInstanceAsync("roomy")).Pending.ShouldBeNull();
    }

    [Fact]
    public async Task A_resize_for_the_next_start_leaves_a_running_one_alone()
    {
        await daemon.GivenInstanceAsync("later", InstanceState.Running);
        await RunningDaemon.DoneAsync(daemon.Api.ResizeInstanceAsync("later", new(MemoryBytes: 64 * MiB, NextStart: true), 60));
        var found = await daemon.Api.GetInstanceAsync("later");
        (found.MemoryBytes, found.Observed!.MemoryBytes, found.Pending!.MemoryBytes).ShouldBe((128 * MiB, 128 * MiB, 64 * MiB));

        await RunningDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync("later", InstanceAction.Stop, 60));

        found = await daemon.Api.GetInstanceAsync("later");
        (found.MemoryBytes, found.Pending).ShouldBe((64 * MiB, null));
    }

    [Theory]
    [InlineData("{}", "$")]
    [InlineData("""{"cpus":0}""", "$.cpus")]
    [InlineData("""{"memoryBytes":1}""", "$.memoryBytes")]
    [InlineData("""{"memory":1}""", "$.memory")]
    public async Task A_size_that_cannot_be_is_refused(string body, string path)
    {
        await daemon.GivenInstanceAsync($"unsized{body.Length}");

        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Post, $"/instances/unsized{body.Length}/resize?wait=60", body);

        status.ShouldBe(422);
        problem!.Errors!.ShouldHaveSingleItem().Path.ShouldBe(path);
    }

    [Fact]
    public async Task A_microvm_is_not_made_with_room_that_nothing_can_be_plugged_into() =>
        (await RunningDaemon.RefusedAsync(() => daemon.Api.CreateInstanceAsync(RunningDaemon.A("no-room") with { MaxCpus = 2 }, 60))).Code.ShouldBe("request.invalid");

    [Fact]
    public async Task A_restart_is_told_as_a_stop_and_a_start()
    {
        var made = await daemon.GivenInstanceAsync("again", InstanceState.Running);
        var events = daemon.EventsUntilAsync(e => e.Type == EventTypes.OperationFinished && e.RequestId == "again");

        (await daemon.SendAsync(HttpMethod.Post, "/instances/again/restart?wait=60", """{"timeoutSeconds":30}""", ("X-Request-Id", "again"))).Status.ShouldBe(200);

        (await events).Where(e => e.Subject == $"instances/{made.Id}" && e.RequestId == "again").Select(e => e.Type).ShouldBe([EventTypes.InstanceStopped, EventTypes.InstanceStarted]);
    }

    [Fact]
    public async Task A_guest_that_does_not_shut_down_is_restarted_only_by_force()
    {
        var made = await daemon.GivenInstanceAsync("deaf", InstanceState.Running);
        var ends = 0;
        daemon.Sim.Before = (call, id, _) => call == "stop" && id == made.Id && ends++ % 2 == 0
            ? throw DriverErrors.ShutdownTimeout("deaf", TimeSpan.FromSeconds(1)) : Task.CompletedTask;

        (await RunningDaemon.RefusedAsync(() => daemon.Api.RestartInstanceAsync("deaf", new(1), 60))).Code.ShouldBe("instance.shutdown_timeout");
        (await daemon.Api.GetInstanceAsync("deaf")).State.ShouldBe(InstanceState.Running);
        ends = 0;
        await RunningDaemon.DoneAsync(daemon.Api.RestartInstanceAsync("deaf", new(1, Force: true), 60));

        ends.ShouldBe(2);
        (await daemon.Api.GetInstanceAsync("deaf")).State.ShouldBe(InstanceState.Running);
    }

    [Fact]
    public async Task One_that_cannot_be_started_again_after_its_end_says_that_it_is_stopped()
    {
        var made = await daemon.GivenInstanceAsync("gone", InstanceState.Running);
        daemon.Sim.Before = (call, id, _) => call == "start" && id == made.Id ? throw DriverErrors.StartFailed("gone", "out of luck") : Task.CompletedTask;

        (await RunningDaemon.RefusedAsync(() => daemon.Api.RestartInstanceAsync("gone", new(), 60))).Code.ShouldBe("driver.start_failed");

        var found = await daemon.Api.GetInstanceAsync("gone");
        (found.State, found.StopCause).ShouldBe((InstanceState.Stopped, StopCause.Failed));
    }

    [Fact]
    public async Task Many_are_restarted_and_reset_in_one_batch_and_none_is_renamed()
    {
        await daemon.GivenInstanceAsync("many1", InstanceState.Running);
        await daemon.GivenInstanceAsync("many2");
        foreach (var action in (InstanceAction[])[InstanceAction.Restart, InstanceAction.Reset])
        {
            var results = await daemon.Api.BatchInstancesAsync(new() { Action = action, Names = ["many1", "many2"] });

            (await daemon.Api.GetOperationAsync(results.Items[0].Operation!.Id, 60)).State.ShouldBe(OperationState.Succeeded);
            results.Items[1].Error!.Code.ShouldBe("instance.wrong_state");
        }

        foreach (var action in (InstanceAction[])[InstanceAction.Rename, InstanceAction.Resize])
        {
            (await RunningDaemon.RefusedAsync(() => daemon.Api.BatchInstancesAsync(new() { Action = action, Names = ["many1"] }))).Code.ShouldBe("request.invalid");
        }
    }
}
