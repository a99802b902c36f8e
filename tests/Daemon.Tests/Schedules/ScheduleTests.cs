using System.Text.Json;
using Dapper;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Schedules;
using Gantry.Daemon.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace Gantry.Daemon.Tests.Schedules;

/// <summary>Schedules as one keeps, changes and runs them, over HTTP.</summary>
public sealed class ScheduleTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    private static readonly ScheduleWhen Yearly = new(ScheduleKind.Cron, Cron: "0 0 1 1 *");

    [Fact]
    public async Task One_that_is_made_shows_its_defaults_and_when_it_is_next_due()
    {
        var instance = await daemon.GivenInstanceAsync("made-1");
        var told = daemon.NextEventAsync(EventTypes.ScheduleCreated);

        var made = await daemon.Api.CreateScheduleAsync(new() { Name = "made", Instance = instance.Id.ToString(), Action = ScheduledAction.Start, When = new(ScheduleKind.Daily, Time: "03:30"), TimeZone = "Asia/Tokyo" });

        (made.Instance, made.Enabled, made.Missed, made.MissedWithinSeconds, made.LastRun).ShouldBe(("made-1", true, MissedRuns.Once, 3_600, null));
        made.NextRun!.Value.ShouldBeInRange(made.CreatedAt, made.CreatedAt.AddDays(1));
        (made.NextRun.Value.UtcDateTime.TimeOfDay).ShouldBe(new TimeSpan(18, 30, 0));
        (await told).Data!.Value.GetProperty("name").GetString().ShouldBe("made");
        (await daemon.Api.GetScheduleAsync(made.Id.ToString())).Name.ShouldBe("made");
        (await daemon.Api.ListSchedulesAsync("?filter=action eq start and instance eq made-1 and enabled eq true")).Items.ShouldHaveSingleItem().Id.ShouldBe(made.Id);
        (await daemon.Api.ListSchedulesAsync("?filter=instance eq made-1 and enabled eq false")).Items.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_change_moves_the_next_run_and_is_refused_on_what_was_changed_meanwhile()
    {
        await daemon.GivenInstanceAsync("patched-1");
        var made = await daemon.Api.CreateScheduleAsync(For("patched", "patched-1"));

        var (_, _, changed) = await daemon.SendAsync(HttpMethod.Patch, "/schedules/patched", """{"name":"patched-b","when":{"kind":"hourly","minute":7,"cron":null},"instance":null,"filter":"labels.a eq b"}""", ("If-Match", made.Etag));

        (changed.GetProperty("name").GetString(), changed.GetProperty("filter").GetString(), changed.TryGetProperty("instance", out _)).ShouldBe(("patched-b", "labels.a eq b", false));
        changed.GetProperty("nextRun").GetDateTimeOffset().Minute.ShouldBe(7);
        (await daemon.SendAsync(HttpMethod.Patch, "/schedules/patched-b", """{"description":"x"}""", ("If-Match", made.Etag))).Problem!.Code.ShouldBe("schedule.changed");
        (await daemon.SendAsync(HttpMethod.Delete, "/schedules/patched-b", null, ("If-Match", made.Etag))).Problem!.Code.ShouldBe("schedule.changed");

        var (_, _, off) = await daemon.SendAsync(HttpMethod.Post, "/schedules/patched-b/disable");
        (off.GetProperty("enabled").GetBoolean(), off.TryGetProperty("nextRun", out _)).ShouldBe((false, false));
        var (_, _, on) = await daemon.SendAsync(HttpMethod.Post, "/schedules/patched-b/enable");
        on.GetProperty("nextRun").GetDateTimeOffset().Minute.ShouldBe(7);

        var told = daemon.NextEventAsync(EventTypes.ScheduleDeleted, $"schedules/{made.Id}");
        (await daemon.SendAsync(HttpMethod.Delete, "/schedules/patched-b")).Status.ShouldBe(204);
        await told;
        (await daemon.SendAsync(HttpMethod.Get, "/schedules/patched-b")).Problem!.Code.ShouldBe("schedule.unknown");
    }

    [Fact]
    public async Task One_that_was_for_once_may_be_changed_when_its_time_has_passed()
    {
        await daemon.Api.CreateScheduleAsync(For("past", null) with { When = new(ScheduleKind.Once, At: TimeProvider.System.GetUtcNow().AddDays(1)) });
        await SqlAsync("""update schedules set next_run = null, settings = jsonb_set(settings, '{when,at}', '"2020-01-01T00:00:00+00:00"') where name = 'past'""");

        (await daemon.SendAsync(HttpMethod.Patch, "/schedules/past", """{"description":"was"}""")).Status.ShouldBe(200);
        (await daemon.SendAsync(HttpMethod.Patch, "/schedules/past", """{"when":{"at":"2020-01-02T00:00:00Z"}}""")).Problem!.Errors!.ShouldHaveSingleItem().Path.ShouldBe("$.when.at");
    }

    [Theory]
    [InlineData("""{"timeZone":"Europe/Bielefeld"}""", "$.timeZone", "IANA")]
    [InlineData("""{"timeZone":"../../etc/passwd"}""", "$.timeZone", "IANA")]
    [InlineData("""{"timeZone":"posixrules"}""", null, null)]
    [InlineData("""{"when":{"kind":"cron","cron":"0 0 30 2 *"}}""", "$.when.cron", "never comes")]
    [InlineData("""{"when":{"kind":"cron","cron":"61 * * * *"}}""", "$.when.cron", "'61' does not do for the minute")]
    [InlineData("""{"when":{"kind":"cron"}}""", "$.when.cron", "needs it")]
    [InlineData("""{"when":{"kind":"once","at":"2020-01-01T00:00:00Z"}}""", "$.when.at", "passed")]
    [InlineData("""{"when":{"kind":"once","at":"9999-12-31T00:00:00Z"}}""", "$.when.at", "years")]
    [InlineData("""{"when":{"kind":"once"}}""", "$.when.at", "needs it")]
    [InlineData("""{"when":{"kind":"hourly","minute":60}}""", "$.when.minute", "0 to 59")]
    [InlineData("""{"when":{"kind":"daily","time":"24:00"}}""", "$.when.time", "time of day")]
    [InlineData("""{"when":{"kind":"daily","time":"03:00","cron":"* * * * *"}}""", "$.when.cron", "leave it out")]
    [InlineData("""{"when":{"kind":"weekly","time":"03:00","weekdays":[]}}""", "$.when.weekdays", "needs it")]
    [InlineData("""{"when":{"kind":"weekly","time":"03:00","weekdays":["noday"]}}""", "$.when.weekdays[0]", "")]
    [InlineData("""{"when":{"kind":"monthly","time":"03:00","days":[0]}}""", "$.when.days", "1 to 31")]
    [InlineData("""{"when":{"kind":"monthly","time":"03:00"}}""", "$.when.days", "needs it")]
    [InlineData("""{"when":{"kind":"monthly","time":"03:00","lastDay":true}}""", null, null)]
    [InlineData("""{"when":{"kind":"cron","cron":"*/5 * * * *"}}""", null, null)]
    [InlineData("""{"instance":"nobody","filter":null}""", "$.instance", "no instance 'nobody'")]
    [InlineData("""{"instance":"a","filter":"*"}""", "$", "either")]
    [InlineData("""{"filter":"colour eq red"}""", "$.filter", "'colour' is no field")]
    [InlineData("""{"filter":"labels.a ="}""", "$.filter", "")]
    [InlineData("""{"action":"snapshot","snapshot":{"retention":{"daily":100}}}""", "$.snapshot.retention.daily", "1 to 99")]
    [InlineData("""{"timeoutSeconds":5}""", "$.timeoutSeconds", "shutdown and restart")]
    [InlineData("""{"action":"shutdown","timeoutSeconds":0}""", "$.timeoutSeconds", "1 to 3600")]
    [InlineData("""{"force":true}""", "$.force", "restart")]
    [InlineData("""{"missedWithinSeconds":1}""", "$.missedWithinSeconds", "60")]
    [InlineData("""{"name":"Nightly"}""", "$.name", "1 to 63")]
    [InlineData("""{"snapshot":{}}""", "$.snapshot", "action snapshot")]
    public async Task What_is_wrong_is_told_by_its_field_and_changes_nothing(string json, string? path, string? words)
    {
        var name = $"wrong-{Guid.CreateVersion7():N}";
        var body = System.Text.Json.Nodes.JsonNode.Parse($$$"""{"name":"{{{name}}}","action":"start","filter":"labels.none eq x","when":{"kind":"daily","time":"03:00"},"timeZone":"UTC"}""")!.AsObject();
        foreach (var (field, value) in System.Text.Json.Nodes.JsonNode.Parse(json)!.AsObject())
        {
            body[field] = value?.DeepClone();
        }

        if (body["filter"] is null)
        {
            body.Remove("filter");
        }

        var (status, problem, _) = await daemon.SendAsync(HttpMethod.Post, "/schedules", body.ToJsonString());

        if (path is null)
        {
            status.ShouldBeOneOf(201, 422); // the latter where the host's time zones have no such file
            return;
        }

        status.ShouldBe(422, problem?.Detail);
        var fault = problem!.Errors!.ShouldHaveSingleItem();
        fault.Path.ShouldBe(path);
        fault.Message.ShouldContain(words!);
        (await daemon.SendAsync(HttpMethod.Get, $"/schedules/{name}")).Status.ShouldBe(404);
    }

    [Fact]
    public async Task A_name_is_used_once_and_an_idempotency_key_makes_one()
    {
        var body = JsonSerializer.Serialize(For("twice", null), WireJson.Default.ScheduleSettings);
        var all = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => daemon.SendAsync(HttpMethod.Post, "/schedules", body, ("Idempotency-Key", "twice-1"))));

        all.ShouldAllBe(a => a.Status == 201);
        all.Select(a => a.Body.GetProperty("id").GetString()).Distinct().Count().ShouldBe(1);
        (await daemon.SendAsync(HttpMethod.Post, "/schedules", body, ("Idempotency-Key", "twice-2"))).Problem!.Code.ShouldBe("schedule.name_taken");
        (await daemon.SendAsync(HttpMethod.Post, "/schedules", body.Replace("start", "stop"), ("Idempotency-Key", "twice-1"))).Problem!.Code.ShouldBe("schedule.idempotency_key_reused");
        await daemon.Api.CreateScheduleAsync(For("twice-b", null));
        (await daemon.SendAsync(HttpMethod.Patch, "/schedules/twice-b", """{"name":"twice"}""")).Problem!.Code.ShouldBe("schedule.name_taken");
    }

    [Fact]
    public async Task Asked_to_it_runs_at_once_on_all_it_finds_and_tells_what_became_of_each()
    {
        await daemon.MakeAsync("""{"name":"asked-1","kind":"microvm","boot":{"kernel":"/boot/any"},"labels":{"run":"asked"}}""");
        await daemon.MakeAsync("""{"name":"asked-2","kind":"microvm","boot":{"kernel":"/boot/any"},"labels":{"run":"asked"},"startNow":true}""");
        var made = await daemon.Api.CreateScheduleAsync(For("asked", null) with { Filter = "labels.run eq asked", Enabled = false });
        var finished = daemon.NextEventAsync(EventTypes.ScheduleFinished, $"schedules/{made.Id}");

        var run = await daemon.Api.RunScheduleAsync("asked", 60);

        (run.State, run.Trigger, run.Reason).ShouldBe((RunState.Succeeded, RunTrigger.Asked, null));
        run.Results!.Select(r => (r.Instance, r.State, r.Operation is null)).ShouldBe([("asked-1", RunState.Succeeded, false), ("asked-2", RunState.Skipped, true)]);
        var operation = await daemon.Api.GetOperationAsync(run.Results![0].Operation!.Value);
        (operation.Kind, operation.State, operation.CreatedBy, operation.RequestId).ShouldBe(("instance.start", OperationState.Succeeded, "schedule asked", run.Id.ToString()));
        (await daemon.Api.GetInstanceAsync("asked-1")).State.ShouldBe(InstanceState.Running);
        (await finished).Data!.Value.GetProperty("instances").GetInt32().ShouldBe(2);
        (await daemon.Api.GetScheduleAsync("asked")).LastRun!.Id.ShouldBe(run.Id);
        (await daemon.Api.ListScheduleRunsAsync("asked")).Items.ShouldHaveSingleItem().Results!.Count.ShouldBe(2);
        (await daemon.SendAsync(HttpMethod.Get, $"/schedules/asked/runs/{run.Id}")).Body.GetProperty("state").GetString().ShouldBe("succeeded");
        (await daemon.SendAsync(HttpMethod.Get, $"/schedules/asked/runs/{Guid.CreateVersion7()}")).Problem!.Code.ShouldBe("schedule.unknown_run");
    }

    [Fact]
    public async Task A_run_that_is_asked_for_with_the_same_key_is_the_same_and_none_begins_beside_another()
    {
        var made = await daemon.Api.CreateScheduleAsync(For("again", null));
        var first = await daemon.SendAsync(HttpMethod.Post, "/schedules/again/run?wait=60", null, ("Idempotency-Key", "again-1"));
        var second = await daemon.SendAsync(HttpMethod.Post, "/schedules/again/run?wait=60", null, ("Idempotency-Key", "again-1"));
        second.Body.GetProperty("id").GetString().ShouldBe(first.Body.GetProperty("id").GetString());
        first.Body.GetProperty("reason").GetString().ShouldBe("The filter found no instance.");

        await SqlAsync("update schedule_runs set state = 1, lease_until = now() + interval '1 hour' where schedule = @Value", made.Id);
        (await daemon.SendAsync(HttpMethod.Post, "/schedules/again/run")).Problem!.Code.ShouldBe("schedule.running");
    }

    [Theory]
    [InlineData(null, 1)]
    [InlineData("at-once", 8)]
    public async Task Of_many_who_ask_at_once_one_begins_a_run_and_who_has_its_key_gets_the_same(string? key, int answered)
    {
        var made = await daemon.Api.CreateScheduleAsync(For($"crowded-{key}x", null));
        var claims = daemon.Services.GetRequiredService<ScheduleClaims>();
        var found = await daemon.Services.GetRequiredService<ScheduleStore>().GetAsync(made.Id.ToString(), default);

        var asked = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            try
            {
                return (await claims.AskAsync(found, Guid.CreateVersion7(), Caller.System, key, default)).Id.ToString();
            }
            catch (Refusal refusal)
            {
                return refusal.Code;
            }
        })));

        asked.Count(a => a == "schedule.running").ShouldBe(8 - answered);
        asked.Where(a => a != "schedule.running").Distinct().Count().ShouldBe(1);
        (await daemon.Api.ListScheduleRunsAsync(made.Name)).Items.Count.ShouldBe(1);
        await SqlAsync("delete from schedule_runs where schedule = @Value", made.Id);
        await SqlAsync("delete from schedules where id = @Value", made.Id);
        await Should.ThrowAsync<Refusal>(claims.AskAsync(found, Guid.CreateVersion7(), Caller.System, key, default));
    }

    [Fact]
    public async Task The_history_has_pages_with_the_newest_first()
    {
        await daemon.Api.CreateScheduleAsync(For("paged", null));
        foreach (var _ in Enumerable.Range(0, 5))
        {
            await daemon.Api.RunScheduleAsync("paged", 60);
        }

        var first = await daemon.Api.ListScheduleRunsAsync("paged", "?limit=3");
        var second = await daemon.Api.ListScheduleRunsAsync("paged", $"?limit=3&cursor={first.NextCursor}");

        (first.Items.Count, second.Items.Count, second.NextCursor).ShouldBe((3, 2, null));
        DateTimeOffset[] dues = [.. first.Items.Concat(second.Items).Select(r => r.Due)];
        dues.ShouldBe(dues.OrderDescending());
        dues.ShouldBeUnique();
        (await daemon.Api.ListScheduleRunsAsync("paged", "?filter=state eq failed")).Items.ShouldBeEmpty();
        (await daemon.SendAsync(HttpMethod.Get, "/schedules/paged/runs?cursor=abcd")).Problem!.Code.ShouldBe("request.cursor");
    }

    [Fact]
    public async Task The_schedules_of_an_instance_go_with_it_and_those_of_many_stay()
    {
        await daemon.GivenInstanceAsync("going");
        var own = await daemon.Api.CreateScheduleAsync(For("going-own", "going"));
        await daemon.Api.CreateScheduleAsync(For("going-many", null) with { Filter = "name eq going" });
        var told = daemon.NextEventAsync(EventTypes.ScheduleDeleted, $"schedules/{own.Id}");

        await RunningDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync("going", force: false, 60));

        await told;
        (await daemon.SendAsync(HttpMethod.Get, "/schedules/going-own")).Status.ShouldBe(404);
        (await daemon.Api.GetScheduleAsync("going-many")).Enabled.ShouldBeTrue();
    }

    [Fact]
    public async Task A_renamed_instance_keeps_its_schedules()
    {
        await daemon.GivenInstanceAsync("renamed-a");
        await daemon.Api.CreateScheduleAsync(For("renaming", "renamed-a"));

        (await daemon.SendAsync(HttpMethod.Post, "/instances/renamed-a/rename?wait=60", """{"name":"renamed-b"}""")).Status.ShouldBe(200);

        (await daemon.Api.GetScheduleAsync("renaming")).Instance.ShouldBe("renamed-b");
        (await daemon.Api.RunScheduleAsync("renaming", 60)).Results!.ShouldHaveSingleItem().Instance.ShouldBe("renamed-b");
    }

    [Fact]
    public async Task A_preview_shows_due_times_with_their_offset_and_what_retention_would_leave()
    {
        var preview = await daemon.Api.PreviewScheduleAsync(new(
            new(ScheduleKind.Daily, Time: "02:30"), "Europe/Berlin", new(2026, 10, 23, 12, 0, 0, TimeSpan.Zero), Count: 3, new(KeepLast: 1, Weekly: 2), HistoryRuns: 30));

        preview.Runs.Select(r => (r.UtcDateTime.Hour, r.Offset.Hours)).ShouldBe([(0, 2), (0, 2), (1, 1)]);
        (preview.Retention!.Snapshots, preview.Retention.Kept.Count).ShouldBe((30, 2));
        preview.Retention.Kept[0].Reasons.ShouldBe(["one of the last 1", "newest of the week 2026-W47"]);
        (await daemon.SendAsync(HttpMethod.Post, "/schedules:preview", """{"when":{"kind":"cron","cron":"0 0 31 4 *"},"count":0,"historyRuns":10001,"retention":{"daily":0}}""")).Problem!.Errors!.Select(e => e.Path)
            .ShouldBe(["$.when.cron", "$.count", "$.historyRuns", "$.retention.daily"]);
        (await daemon.Api.PreviewScheduleAsync(new(new(ScheduleKind.Cron, Cron: "0 0 29 2 *"), "UTC", Count: 1_000, HistoryRuns: 10_000, Retention: new(Yearly: 3)))).Runs.Count.ShouldBe(1_000);
    }

    private static ScheduleSettings For(string name, string? instance) =>
        new() { Name = name, Instance = instance, Filter = instance is null ? "labels.none eq none" : null, Action = ScheduledAction.Start, When = Yearly };

    private Task SqlAsync(string sql, object? parameters = null) => daemon.Services.GetRequiredService<Db>().WithAsync(c => c.ExecuteAsync(sql, parameters), default);
}
