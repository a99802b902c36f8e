using System.Text.Json;
using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Quotas;
using Gantry.Daemon.Snapshots;
using Gantry.Daemon.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace Gantry.Daemon.Tests.Quotas;

/// <summary>What quotas of instances promise, on the simulator with real disks. Those of pools and of the system are beside this.</summary>
public sealed class QuotaTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>, IAsyncLifetime
{
    private readonly string _name = $"i{Guid.CreateVersion7():N}";

    private ApiClient Api => daemon.Api;

    private string Quota => $"instance:{_name}";

    /// <summary>It looks where a test has it look, and enforces nothing before somebody else does.</summary>
    public async ValueTask InitializeAsync() => await daemon.Services.GetRequiredService<QuotaKeeper>().StopAsync(default);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Before_anybody_sets_one_an_instance_may_have_a_hundred()
    {
        await GivenAsync("one");
        var quota = await Api.GetQuotaAsync(Quota);

        (quota.IsDefault, quota.Settings).ShouldBe((true, new QuotaSettings(MaxCount: Limits.Snapshots, WarnPercent: 80, Policy: QuotaPolicy.Manual)));
        (quota.Usage.Count, quota.Usage.Level, quota.Etag).ShouldBe((1, QuotaLevel.Ok, "\"0\""));
        (await RefusedAsync(() => Api.RemoveQuotaAsync(Quota))).ShouldBe("quota.not_set");
        (await Api.ListQuotasAsync("?limit=1000")).Items.ShouldNotContain(q => q.Name == Quota);
    }

    [Fact]
    public async Task One_is_set_whole_read_changed_by_who_read_it_last_and_removed()
    {
        await GivenAsync();
        var set = await Api.SetQuotaAsync(Quota, new(MaxCount: 3, MaxBytes: Limits.MiB, MaxAge: 3_600, WarnPercent: 50, Policy: QuotaPolicy.LeastUsed));
        set.Settings.ShouldBe(new(3, Limits.MiB, 3_600, 50, QuotaPolicy.LeastUsed));
        (await Api.SetQuotaAsync(Quota, new(MaxCount: 4))).Settings.ShouldBe(new(4, null, null, 80, QuotaPolicy.Manual));
        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Put, $"/quotas/{Quota}", """{"maxCount":5}""", ("If-Match", set.Etag));
        (status, problem!.Code).ShouldBe((412, "quota.changed"));
        (await daemon.SendAsync(HttpMethod.Delete, $"/quotas/{Quota}", null, ("If-Match", set.Etag))).Status.ShouldBe(412);
        (await Api.ListQuotasAsync("?limit=1000&filter=scope eq instance")).Items.Single(q => q.Name == Quota).Etag.ShouldBe("\"2\"");

        await Api.RemoveQuotaAsync(Quota);
        (await Api.GetQuotaAsync(Quota)).IsDefault.ShouldBeTrue();
        await RunningDaemon.DoneAsync(Api.DeleteInstanceAsync(_name, force: true, 60));
        (await RefusedAsync(() => Api.GetQuotaAsync(Quota))).ShouldBe("instance.unknown");
    }

    [Theory]
    [InlineData("""{"maxCount":0}""", "$.maxCount")]
    [InlineData("""{"maxCount":101}""", "$.maxCount")]
    [InlineData("""{"maxBytes":1}""", "$.maxBytes")]
    [InlineData("""{"maxAge":59}""", "$.maxAge")]
    [InlineData("""{"warnPercent":101}""", "$.warnPercent")]
    [InlineData("""{"policy":"newest"}""", "$.policy")]
    [InlineData("""{"most":1}""", "$.most")]
    public async Task What_cannot_be_a_quota_is_refused_by_path(string body, string path)
    {
        await GivenAsync();
        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Put, $"/quotas/{Quota}", body);
        (status, problem!.Errors!.Single().Path).ShouldBe((422, path));
    }

    [Theory]
    [InlineData("other", "quota.unknown")]
    [InlineData("instance:", "quota.unknown")]
    [InlineData("instance:nobody", "instance.unknown")]
    [InlineData("pool:nowhere", "pool.unknown")]
    public async Task What_there_is_no_quota_of_is_refused(string name, string code)
    {
        (await RefusedAsync(() => Api.GetQuotaAsync(name))).ShouldBe(code);
        (await RefusedAsync(() => Api.SetQuotaAsync(name, new(MaxCount: 1)))).ShouldBe(code);
        (await RefusedAsync(() => Api.EnforceQuotaAsync(name))).ShouldBe(code);
    }

    [Fact]
    public async Task By_hand_one_more_is_refused_with_which_quota_and_how_far()
    {
        await GivenAsync("one", "two");
        await Api.SetQuotaAsync(Quota, new(MaxCount: 2));

        var refusal = await RunningDaemon.RefusedAsync(() => Api.CreateSnapshotAsync(_name, new("three"), 60));
        refusal.Code.ShouldBe("quota.instance_reached");
        refusal.Message.ShouldBe($"One more snapshot would go over the quota {Quota}: 2 snapshots of 2 are there; there would be 3 of 2; its policy is manual, so none is removed.");
        refusal.Hint.ShouldContain("--policy oldest");
        (await NamesAsync()).ShouldBe(["one", "two"]);
    }

    [Fact]
    public async Task By_policy_room_is_made_and_the_creation_tells_what_went_and_why()
    {
        await GivenAsync("one", "two", "three");
        await RunningDaemon.DoneAsync(Api.RestoreSnapshotAsync(_name, "one", new(Stop: true), 60));
        (await Api.GetSnapshotAsync(_name, "one")).LastUsedAt.ShouldNotBeNull();
        await Api.SetQuotaAsync(Quota, new(MaxCount: 3, Policy: QuotaPolicy.LeastUsed));
        var told = daemon.EventsUntilAsync(e => e.Type == EventTypes.SnapshotCreated && e.Data!.Value.GetProperty("name").GetString() == "four");

        var done = await RunningDaemon.DoneAsync(Api.CreateSnapshotAsync(_name, new("four"), 60));

        (await NamesAsync()).ShouldBe(["one", "three", "four"]);
        var removed = done.Result!.Value.GetProperty("removed").EnumerateArray().Single();
        var reason = $"quota {Quota}: the one not used for longest, and there would be 4 of 3";
        (removed.GetProperty("name").GetString(), removed.GetProperty("reason").GetString()).ShouldBe(("two", reason));
        (await Api.GetOperationAsync(Id<Operation>.Parse(removed.GetProperty("operation").GetString()!))).Kind.ShouldBe("snapshot.delete");
        (await told).Single(e => e.Type == EventTypes.SnapshotDeleted && e.Data!.Value.GetProperty("instanceName").GetString() == _name).Data!.Value.GetProperty("reason").GetString().ShouldBe(reason);
    }

    [Fact]
    public async Task What_is_protected_neither_goes_by_hand_nor_by_policy_until_that_is_lifted()
    {
        await GivenAsync("one", "two");
        (await Api.ChangeSnapshotAsync(_name, "one", new("one", Protected: true))).Protected.ShouldBeTrue();
        (await Api.ChangeSnapshotAsync(_name, "two", new("two", KeepUntil: DateTimeOffset.Parse("2999-01-01T00:00:00Z", System.Globalization.CultureInfo.InvariantCulture)))).KeepUntil!.Value.Year.ShouldBe(2999);
        await Api.SetQuotaAsync(Quota, new(MaxCount: 2, Policy: QuotaPolicy.Oldest));

        var refusal = await RunningDaemon.RefusedAsync(() => Api.DeleteSnapshotAsync(_name, "one", 60));
        (refusal.Code, refusal.Message).ShouldBe(("snapshot.protected", "The snapshot 'one' cannot be deleted: it is protected."));
        (await RunningDaemon.RefusedAsync(() => Api.DeleteSnapshotAsync(_name, "two", 60))).Message.ShouldContain("it is kept until 2999-01-01 00:00:00Z");
        refusal = await RunningDaemon.RefusedAsync(() => Api.CreateSnapshotAsync(_name, new("three"), 60));
        refusal.Code.ShouldBe("quota.instance_reached");
        refusal.Message.ShouldContain($"the others stay: {_name}/one (it is protected)");

        (await daemon.SendAsync(HttpMethod.Patch, $"/instances/{_name}/snapshots/two", """{"keepUntil":null}""")).Status.ShouldBe(200);
        await RunningDaemon.DoneAsync(Api.CreateSnapshotAsync(_name, new("three"), 60));
        (await NamesAsync()).ShouldBe(["one", "three"]);
        (await Api.ChangeSnapshotAsync(_name, "one", new("one", Protected: false))).Protected.ShouldBeFalse();
        await RunningDaemon.DoneAsync(Api.DeleteSnapshotAsync(_name, "one", 60));
    }

    [Fact]
    public async Task Protection_that_comes_while_a_deletion_waits_holds_too()
    {
        await GivenAsync("one");
        var found = await Api.GetSnapshotAsync(_name, "one");
        await Api.ChangeSnapshotAsync(_name, "one", new("one", Protected: true));
        var operations = daemon.Services.GetRequiredService<Daemon.Operations.Operations>();
        var begun = await operations.BeginAsync(
            daemon.Services.GetRequiredService<SnapshotDeletion>(), new(found.Id, found.Instance, "one"), $"instances/{found.Instance}", _name, Caller.System, new(), default);
        (await operations.WaitAsync(begun.Id, TimeSpan.FromMinutes(1), default)).Error!.Code.ShouldBe("snapshot.protected");
        (await NamesAsync()).ShouldBe(["one"]);
    }

    [Fact]
    public async Task Asked_for_again_with_the_same_key_it_is_the_same_creation_though_the_quota_is_reached_since()
    {
        await GivenAsync();
        await Api.SetQuotaAsync(Quota, new(MaxCount: 1, Policy: QuotaPolicy.Oldest));
        var (taking, operations) = (daemon.Services.GetRequiredService<SnapshotTaking>(), daemon.Services.GetRequiredService<Daemon.Operations.Operations>());
        var instance = await Api.GetInstanceAsync(_name);
        var first = await taking.BeginAsync(instance, new("one"), null, Caller.System, new(Queue: true, _name, "x"), default);
        (await operations.WaitAsync(first.Id, TimeSpan.FromMinutes(1), default)).State.ShouldBe(OperationState.Succeeded);

        (await taking.BeginAsync(instance, new("one"), null, Caller.System, new(Queue: true, _name, "x"), default)).Id.ShouldBe(first.Id);
        (await NamesAsync()).ShouldBe(["one"]);
    }

    [Fact]
    public async Task A_dry_run_tells_what_an_enforcement_then_does()
    {
        await GivenAsync("one", "two", "three");
        await Api.ChangeSnapshotAsync(_name, "one", new("one", Protected: true));
        await Api.SetQuotaAsync(Quota, new(MaxCount: 1, Policy: QuotaPolicy.Oldest));
        (await Api.GetQuotaAsync(Quota)).Usage.Level.ShouldBe(QuotaLevel.Exceeded);

        var plan = await Api.PlanQuotaAsync(Quota);
        (plan.DryRun, plan.NotMet, plan.Before.Count, plan.After.Count).ShouldBe((true, null, 3, 1));
        plan.Removed.Select(r => $"{r.Name}: {r.Reason}").ShouldBe([
            $"two: quota {Quota}: the oldest, and there are 3 of 1", $"three: quota {Quota}: the oldest, and there are 2 of 1"]);
        (await NamesAsync()).ShouldBe(["one", "two", "three"]);

        var enforced = await EnforcedAsync();
        (await NamesAsync()).ShouldBe(["one"]);
        enforced.Removed.Select(r => r.Reason).ShouldBe(plan.Removed.Select(r => r.Reason));
        enforced.Removed.ShouldAllBe(r => r.Operation != null && r.Error == null);
        (enforced.DryRun, enforced.Before.Count, enforced.After.Count, enforced.NotMet).ShouldBe((false, 3, 1, null));
        (await EnforcedAsync()).Removed.ShouldBeEmpty();
    }

    [Fact]
    public async Task Bytes_are_counted_once_measured_and_enforced_after_a_creation()
    {
        await GivenAsync("one");
        await RunningDaemon.DoneAsync(Api.ActOnInstanceAsync(_name, InstanceAction.Start, 60)); // each snapshot has a layer of its own then
        await daemon.Services.GetRequiredService<SnapshotSizes>().MeasureAsync((await Api.GetInstanceAsync(_name)).Id, default);
        (await Api.GetQuotaAsync(Quota)).Usage.Unmeasured.ShouldBe(0);
        var one = (await Api.GetQuotaAsync(Quota)).Usage.Bytes;
        one.ShouldBe((await Api.GetSnapshotAsync(_name, "one")).SizeBytes!.Value);
        await Api.SetQuotaAsync(Quota, new(MaxBytes: Limits.MiB, Policy: QuotaPolicy.Oldest));
        for (var n = 2; (await NamesAsync())[0] == "one"; n++)
        {
            n.ShouldBeLessThan(30, "an empty layer is as large as the first");
            await RunningDaemon.DoneAsync(Api.CreateSnapshotAsync(_name, new($"s{n}"), 60));
            await daemon.Services.GetRequiredService<SnapshotSizes>().MeasureAsync((await Api.GetInstanceAsync(_name)).Id, default);
            await EnforcedAsync();
            (await Api.GetQuotaAsync(Quota)).Usage.Bytes.ShouldBeLessThanOrEqualTo(Limits.MiB);
        }
    }

    [Fact]
    public async Task The_keeper_begins_an_enforcement_of_what_is_too_old()
    {
        await GivenAsync("one", "two");
        await daemon.Services.GetRequiredService<Db>().WithAsync(c => c.ExecuteAsync("update snapshots set created_at = created_at - interval '3 days' where name = 'one' and instance = @Value", IdOf()), default);
        await Api.SetQuotaAsync(Quota, new(MaxAge: 2 * 86_400));
        var told = daemon.EventsUntilAsync(e => e.Type == EventTypes.QuotaEnforced && e.Data!.Value.GetProperty("quota").GetString() == Quota);

        await daemon.Services.GetRequiredService<QuotaKeeper>().LookAsync(default);

        (await told)[^1].Data!.Value.GetProperty("removed")[0].GetProperty("reason").GetString().ShouldBe($"quota {Quota}: older than 172800 s");
        (await NamesAsync()).ShouldBe(["two"]);
    }

    [Fact]
    public async Task Each_crossing_is_told_once()
    {
        await GivenAsync("one", "two");
        await Api.SetQuotaAsync(Quota, new(MaxCount: 4, WarnPercent: 75));
        var told = daemon.EventsUntilAsync(e => e.Type == EventTypes.QuotaRecovered && LevelOf(e) == "ok");
        var keeper = daemon.Services.GetRequiredService<QuotaKeeper>();
        await LookAsync();
        await RunningDaemon.DoneAsync(Api.CreateSnapshotAsync(_name, new("three"), 60));
        await LookAsync();
        await Api.SetQuotaAsync(Quota, new(MaxCount: 2, WarnPercent: 75));
        await LookAsync();
        await RunningDaemon.DoneAsync(Api.DeleteSnapshotAsync(_name, "one", 60));
        await LookAsync();
        await RunningDaemon.DoneAsync(Api.DeleteSnapshotAsync(_name, "two", 60));
        await LookAsync();

        (await told).Where(e => LevelOf(e) is not null).Select(e => $"{e.Type} {LevelOf(e)}").ShouldBe(["quota.warned warned", "quota.exceeded exceeded", "quota.recovered warned", "quota.recovered ok"]);

        string? LevelOf(Event e) => e.Topic == "quota" && e.Data!.Value.GetProperty("quota").GetString() == Quota && e.Data.Value.TryGetProperty("level", out var level) ? level.GetString() : null;

        async Task LookAsync()
        {
            await keeper.LookAsync(default);
            await keeper.LookAsync(default);
        }
    }

    [Fact]
    public async Task One_whose_turn_it_is_not_is_refused_and_nothing_goes_for_it()
    {
        await GivenAsync("one");
        await Api.SetQuotaAsync(Quota, new(MaxCount: 1, Policy: QuotaPolicy.Oldest));
        await daemon.Services.GetRequiredService<Db>().WithAsync(c => c.ExecuteAsync("""
            insert into operations (id, kind, target, target_name, state, behind, node, owner, incarnation, lease_until, input, created_by)
            values (gen_random_uuid(), 'instance.start', 'instances/' || @Value, 'x', 2, false, 'elsewhere', 'other', gen_random_uuid(), now() + interval '1 hour', '{}', 'x')
            """, IdOf()), default);

        (await RefusedAsync(() => Api.CreateSnapshotAsync(_name, new("two"), 60))).ShouldBe("operation.target_busy");
        (await NamesAsync()).ShouldBe(["one"]);
        (await Api.PlanQuotaAsync(Quota)).Removed.ShouldBeEmpty();
        await Api.SetQuotaAsync(Quota, new(MaxAge: 60, Policy: QuotaPolicy.Oldest));
        await daemon.Services.GetRequiredService<Db>().WithAsync(c => c.ExecuteAsync("update snapshots set created_at = created_at - interval '3 days' where instance = @Value", IdOf()), default);
        (await Api.PlanQuotaAsync(Quota)).NotMet.ShouldBe($"1 are older than 60 s; the others stay: {_name}/one (an operation is at work on its instance)");
    }

    /// <summary>Behind what another test's look began.</summary>
    private async Task<QuotaEnforced> EnforcedAsync()
    {
        var (status, problem, body) = await daemon.SendAsync(HttpMethod.Post, $"/quotas/{Quota}/enforce?wait=60&queue=true");
        status.ShouldBe(200, problem?.Detail);
        return JsonSerializer.Deserialize(body.GetProperty("result"), WireJson.Default.QuotaEnforced)!;
    }

    private async Task GivenAsync(params string[] snapshots)
    {
        await RunningDaemon.DoneAsync(Api.CreateInstanceAsync(RunningDaemon.A(_name) with { Volumes = [new() { Name = "root", SizeBytes = Limits.MiB }] }, 60));
        foreach (var name in snapshots)
        {
            await RunningDaemon.DoneAsync(Api.CreateSnapshotAsync(_name, new(name), 60));
        }
    }

    private Id<Instance> IdOf() => Api.GetInstanceAsync(_name).GetAwaiter().GetResult().Id;

    private async Task<IReadOnlyList<string>> NamesAsync() => [.. (await Api.ListSnapshotsAsync(_name)).Items.Select(s => s.Name)];

    private static async Task<string> RefusedAsync(Func<Task> call) => (await RunningDaemon.RefusedAsync(call)).Code;
}
