using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Quotas;
using Gantry.Daemon.Snapshots;
using Gantry.Daemon.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace Gantry.Daemon.Tests.Snapshots;

/// <summary>The snapshots of all instances, and quotas of pools and of the system: what counts everything has a daemon to itself.</summary>
public sealed class SnapshotOverviewTests(TestPostgres postgres)
{
    [Fact]
    public async Task All_are_listed_chosen_summed_up_and_drawn_as_a_tree()
    {
        await using var daemon = await StartAsync();
        await MakeAsync(daemon, "web1", "local", "base", "one", "two");
        await MakeAsync(daemon, "db", "fast", "one");
        await RunningDaemon.DoneAsync(daemon.Api.RestoreSnapshotAsync("web1", "base", new(Stop: true), 60));
        await RunningDaemon.DoneAsync(daemon.Api.CreateSnapshotAsync("web1", new("branch"), 60));
        await daemon.Api.ChangeSnapshotAsync("db", "one", new("one", Protected: true));
        await MeasureAsync(daemon);
        await daemon.Services.GetRequiredService<Db>().WithAsync(c => c.ExecuteAsync(
            "update snapshots set created_at = created_at - interval '40 days', schedule = '0198c0de-0000-7000-8000-0000000000ee' where name = 'base'"), default);

        (await AskAsync(daemon, "")).ShouldBe(["web1/base", "web1/one", "web1/two", "db/one", "web1/branch"]);
        (await AskAsync(daemon, "?instance=web1&limit=2")).ShouldBe(["web1/base", "web1/one"]);
        (await AskAsync(daemon, "?pool=fast")).ShouldBe(["db/one"]);
        (await AskAsync(daemon, "?pool=local&filter=name like 'b*'")).ShouldBe(["web1/base", "web1/branch"]);
        (await AskAsync(daemon, "?schedule=0198c0de-0000-7000-8000-0000000000ee")).ShouldBe(["web1/base"]);
        (await AskAsync(daemon, $"?takenBefore={TimeProvider.System.GetUtcNow().AddDays(-30):yyyy-MM-dd}T00:00:00Z")).ShouldBe(["web1/base"]);
        (await AskAsync(daemon, $"?takenAfter={TimeProvider.System.GetUtcNow().AddDays(-30):yyyy-MM-dd}T00:00:00Z&instance=db")).ShouldBe(["db/one"]);
        (await AskAsync(daemon, "?filter=protected eq true")).ShouldBe(["db/one"]);
        foreach (var (query, code) in (IEnumerable<(string, string)>)[
            ("?pool=no", "pool.unknown"), ("?schedule=no", "schedule.unknown"), ("?instance=no", "instance.unknown"), ("?takenBefore=soon", "request.time"), ("?cursor=YQ", "request.cursor"), ("?filter=x eq 1", "request.filter")])
        {
            (await RunningDaemon.RefusedAsync(() => daemon.Api.ListAllSnapshotsAsync(query))).Code.ShouldBe(code);
        }

        var all = await daemon.Api.GetSnapshotStatisticsAsync();
        (all.Count, all.Unmeasured, all.Protected, all.Levels).ShouldBe((5, 0, 1, new SnapshotLevels(0, 0, 0, 5)));
        (all.Oldest!.Name, all.Newest!.Name, all.Largest!.SizeBytes, all.AverageBytes).ShouldBe(("base", "branch", (await SizesAsync(daemon)).Max(), (long)Math.Round((await SizesAsync(daemon)).Average())));
        all.Bytes.ShouldBe((await SizesAsync(daemon)).Sum());
        all.Instances.Select(i => (i.Name, i.Count)).ShouldBe([("web1", 4), ("db", 1)], ignoreOrder: true);
        all.Pools.Select(p => (p.Name, p.Count)).ShouldBe([("local", 4), ("fast", 1)], ignoreOrder: true);
        all.Schedules.ShouldHaveSingleItem().Count.ShouldBe(1);

        var tree = await daemon.Api.GetSnapshotTreeAsync("web1");
        (tree.Count, tree.Current, Draw(tree.Roots)).ShouldBe((4, "branch", "base(one(two()),branch())"));
        tree.SizeBytes.ShouldBe(tree.Roots[0].Snapshot.SizeBytes + tree.Roots[0].After.Sum(b => b.Snapshot.SizeBytes + b.After.Sum(c => c.Snapshot.SizeBytes)));
        (await RunningDaemon.RefusedAsync(() => daemon.Api.GetSnapshotTreeAsync("no"))).Code.ShouldBe("instance.unknown");
    }

    [Fact]
    public async Task Quotas_of_pools_and_of_the_system_count_what_is_in_them_and_each_must_be_kept()
    {
        await using var daemon = await StartAsync();
        await MakeAsync(daemon, "web1", "local", "one");
        await MakeAsync(daemon, "db", "fast", "one", "two");
        await MeasureAsync(daemon);
        (await daemon.SendAsync(HttpMethod.Put, "/quotas/system", "{}")).Problem!.Errors!.Single().Path.ShouldBe("$");
        await daemon.Api.SetQuotaAsync("pool:fast", new(MaxCount: 2));
        await daemon.Api.SetQuotaAsync("pool:local", new(MaxBytes: 1L << 40));
        await daemon.Api.SetQuotaAsync("system", new(MaxCount: 3, Policy: QuotaPolicy.Oldest));

        (await daemon.Api.GetQuotaAsync("pool:local")).Usage.Bytes.ShouldBeGreaterThan(0);
        var usage = await daemon.Api.GetQuotaUsageAsync();
        (usage.Total.Count, usage.Set, usage.Warned, usage.Exceeded).ShouldBe((3, 3, 2, 0));
        usage.Quotas.Select(q => q.Name).ShouldBe(["pool:fast", "system", "pool:local"], ignoreOrder: true);
        var refusal = await RunningDaemon.RefusedAsync(() => daemon.Api.CreateSnapshotAsync("db", new("three"), 60));
        refusal.Code.ShouldBe("quota.reached");
        refusal.Message.ShouldStartWith("One more snapshot would go over the quota pool:fast: 2 snapshots of 2");
        (await AskAsync(daemon, "")).Count.ShouldBe(3, "what one quota refuses begins nothing for another");

        var taken = await RunningDaemon.DoneAsync(daemon.Api.CreateSnapshotAsync("web1", new("two"), 60));
        taken.Result!.Value.GetProperty("removed").EnumerateArray().Single().GetProperty("instanceName").GetString().ShouldBe("web1");
        (await AskAsync(daemon, "")).ShouldBe(["db/one", "db/two", "web1/two"]);

        await daemon.Api.SetQuotaAsync("pool:fast", new(MaxCount: 2, Policy: QuotaPolicy.Largest));
        taken = await RunningDaemon.DoneAsync(daemon.Api.CreateSnapshotAsync("db", new("three"), 60));
        taken.Result!.Value.GetProperty("removed").GetArrayLength().ShouldBe(1, "one for the pool makes room in the system too");
        (await AskAsync(daemon, "")).Count.ShouldBe(3);

        await RunningDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync("db", force: true, 60));
        await RunningDaemon.DoneAsync(daemon.Api.DeletePoolAsync("fast", 60));
        (await daemon.Api.ListQuotasAsync()).Items.Select(q => q.Name).ShouldBe(["pool:local", "system"]);
    }

    [Fact]
    public async Task A_deletion_that_fails_is_told_and_the_next_is_tried()
    {
        await using var daemon = await StartAsync();
        await MakeAsync(daemon, "web1", "local", "one");
        await MakeAsync(daemon, "db", "fast", "one", "two");
        await daemon.Api.SetQuotaAsync("system", new(MaxCount: 2, Policy: QuotaPolicy.Oldest));
        var mark = $"{daemon.Node.Context.Root.Pools}/local/gantry-pool";
        File.Move(mark, $"{daemon.Node.Context.Root.Path}/mark");

        var ended = await RunningDaemon.DoneAsync(daemon.Api.EnforceQuotaAsync("system", 60));
        var result = System.Text.Json.JsonSerializer.Deserialize(ended.Result!.Value, WireJson.Default.QuotaEnforced)!;

        result.Removed.Select(r => (r.InstanceName, r.Name, r.Error is null)).ShouldBe([("web1", "one", false), ("db", "one", true)]);
        (result.After.Count, result.NotMet).ShouldBe((2, null));
        (await AskAsync(daemon, "")).ShouldBe(["web1/one", "db/two"]);
    }

    [Fact]
    public async Task A_page_of_ten_thousand_is_read_from_an_index()
    {
        await using var daemon = await StartAsync();
        await MakeAsync(daemon, "web1", "local");
        var db = daemon.Services.GetRequiredService<Db>();
        await db.WithAsync(c => c.ExecuteAsync("""
            insert into instances select (jsonb_populate_record(i, jsonb_build_object('id', gen_random_uuid(), 'name', 'vm-' || n))).* from instances i, generate_series(1, 100) n;
            insert into snapshots (id, instance, name, state, is_ready, created_at, size_bytes, schedule)
            select gen_random_uuid(), i.id, 's' || n, 2, true, now() - n * interval '1 hour', n * 1000, case when n <= 10 then i.id end from instances i, generate_series(1, 100) n where i.name like 'vm-%';
            update snapshots s set parent = (select id from snapshots p where p.instance = s.instance and p.name = 's' || (substr(s.name, 2)::int - 1));
            insert into snapshot_pools select s.id, i.node, 1000 from snapshots s join instances i on i.id = s.instance;
            analyze snapshots; analyze instances; analyze snapshot_pools
            """), default);
        var overview = daemon.Services.GetRequiredService<SnapshotOverview>();
        var instance = (await daemon.Api.GetInstanceAsync("vm-7")).Id;
        var local = (await overview.PoolAsync("local", default))!.Value;
        SnapshotChoice[] choices = [new(null, null, null, null, null), new(instance, null, null, null, null), new(null, local, null, null, null), new(null, null, instance.Value, null, null)];
        foreach (var choice in choices)
        {
            var plan = await overview.PlanAsync(choice, new(100, "80000000-0000-0000-0000-000000000000", null), default);
            TestContext.Current.TestOutputHelper?.WriteLine(plan);
            plan.ShouldNotContain("Seq Scan on snapshots", customMessage: plan);
            (await overview.ListAsync(choice, new(100, null, null), default)).Items.Count.ShouldBe(choice.Schedule is null ? 100 : 10);
        }

        (await daemon.Api.GetSnapshotStatisticsAsync()).Count.ShouldBe(10_000);
        var quota = await daemon.Api.SetQuotaAsync("system", new(MaxCount: 9_000, Policy: QuotaPolicy.Oldest));
        quota.Usage.Level.ShouldBe(QuotaLevel.Exceeded);
        (await daemon.Api.PlanQuotaAsync("system")).Removed.Count.ShouldBe(1_000);
    }

    private async Task<RunningDaemon> StartAsync()
    {
        var daemon = new RunningDaemon(postgres);
        await daemon.InitializeAsync();
        await daemon.Services.GetRequiredService<QuotaKeeper>().StopAsync(default); // each test says itself when to measure and to enforce
        await RunningDaemon.DoneAsync(daemon.Api.CreatePoolAsync(new() { Name = "fast", Kind = PoolKind.Dir, Source = $"{daemon.Node.Context.Root.Path}/places/fast" }, 60));
        return daemon;
    }

    private static async Task MakeAsync(RunningDaemon daemon, string name, string pool, params string[] snapshots)
    {
        await daemon.MakeAsync($$"""{"name": "{{name}}", "kind": "vm", "boot": {"kernel": "/boot/any"}, "volumes": [{"name": "data", "pool": "{{pool}}", "sizeBytes": 1048576}]}""");
        foreach (var snapshot in snapshots)
        {
            await RunningDaemon.DoneAsync(daemon.Api.CreateSnapshotAsync(name, new(snapshot), 60));
        }
    }

    private static async Task MeasureAsync(RunningDaemon daemon)
    {
        var sizes = daemon.Services.GetRequiredService<SnapshotSizes>();
        foreach (var instance in await sizes.InstancesAsync(default))
        {
            (await sizes.MeasureAsync(instance, default)).ShouldBeTrue();
        }
    }

    private static async Task<IReadOnlyList<string>> AskAsync(RunningDaemon daemon, string query) => [.. (await daemon.Api.ListAllSnapshotsAsync(query)).Items.Select(s => $"{s.InstanceName}/{s.Name}")];

    private static async Task<IReadOnlyList<long>> SizesAsync(RunningDaemon daemon) => [.. (await daemon.Api.ListAllSnapshotsAsync()).Items.Select(s => s.SizeBytes!.Value)];

    private static string Draw(IEnumerable<SnapshotBranch> branches) => string.Join(',', branches.Select(b => $"{b.Snapshot.Name}({Draw(b.After)})"));
}
