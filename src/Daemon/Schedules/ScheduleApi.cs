using System.Globalization;
using System.Text.Json;
using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Schedules;

/// <summary>A schedule is a row: it is changed at once; what it has begun goes on.</summary>
internal static class ScheduleApi
{
    public static void MapSchedules(this IEndpointRouteBuilder api)
    {
        var schedules = api.MapGroup("/schedules").WithTags("Schedules");
        schedules.MapGet("/", List).Produces<Page<Schedule>>().Requires(Privilege.ScheduleAudit);
        schedules.MapPost("/", Create).Produces<Schedule>(201).Requires(Privilege.ScheduleAllocate);
        schedules.MapGet("/{schedule}", Get).Produces<Schedule>().Requires(Privilege.ScheduleAudit);
        schedules.MapPatch("/{schedule}", Patch).Produces<Schedule>().Requires(Privilege.ScheduleAllocate);
        schedules.MapDelete("/{schedule}", Delete).Produces(204).Requires(Privilege.ScheduleAllocate);
        schedules.MapPost("/{schedule}/enable", Enable(true)).Produces<Schedule>().Requires(Privilege.ScheduleAllocate);
        schedules.MapPost("/{schedule}/disable", Enable(false)).Produces<Schedule>().Requires(Privilege.ScheduleAllocate);
        schedules.MapPost("/{schedule}/run", Run).Produces<ScheduleRun>().Produces<ScheduleRun>(202).Requires(Privilege.ScheduleAllocate);
        schedules.MapGet("/{schedule}/runs", Runs).Produces<Page<ScheduleRun>>().Requires(Privilege.ScheduleAudit);
        schedules.MapGet("/{schedule}/runs/{run:guid}", OneRun).Produces<ScheduleRun>().Requires(Privilege.ScheduleAudit);
        api.MapPost("/schedules:preview", SchedulePreviews.Preview).Produces<SchedulePreview>().WithTags("Schedules").Requires(Privilege.ScheduleAudit);
    }

    private static async Task<IResult> List(HttpContext http, Paging paging, ScheduleStore store, CancellationToken ct) =>
        http.Answer(await store.ListAsync(paging, ct), WireJson.Default.PageSchedule);

    private static async Task<Schedule> Get(string schedule, HttpContext http, ScheduleStore store, CancellationToken ct) => Shown(http, await store.GetAsync(schedule, ct));

    private static async Task<IResult> Create(
        HttpContext http, Body<ScheduleSettings> body, ScheduleStore store, ScheduleTargets targets, ScheduleRunner runner, Db db,
        Caller caller, TimeProvider time, CancellationToken ct)
    {
        var options = OperationResults.BeginOptionsOf(http.Request, body.Value);
        var made = await store.FindAsync(caller, options.IdempotencyKey, options.RequestHash, ct) ?? await MakeAsync();
        return TypedResults.Created($"{ApiClient.Base}/schedules/{made.Id}", Shown(http, made));

        async Task<StoredSchedule> MakeAsync()
        {
            var settings = StoredSchedule.Settled(body.Checked(asked => ScheduleRules.Faults(asked, null, runner.Possible, time.GetUtcNow())));
            var instance = await targets.SettleAsync(settings, ct);
            var id = Id<Schedule>.New();
            return await db.InTransactionAsync(transaction => store.InsertAsync(
                    transaction, id, settings, instance, StoredSchedule.NextOf(settings, time.GetUtcNow()), caller, options.IdempotencyKey, options.RequestHash), ct)
                ? await store.GetAsync(id.ToString(), ct)
                : await store.FindAsync(caller, options.IdempotencyKey, options.RequestHash, ct) ?? throw ScheduleErrors.NameTaken(settings.Name);
        }
    }

    private static Task<Schedule> Patch(
        string schedule, HttpContext http, MergePatch<ScheduleSettings> patch, ScheduleStore store, ScheduleTargets targets, ScheduleRunner runner, Db db,
        Caller caller, TimeProvider time, CancellationToken ct) =>
        ChangeAsync(schedule, http, store, targets, db, caller, time, before => StoredSchedule.Settled(
            patch.Applied(before, wanted => ScheduleRules.Faults(wanted, before, runner.Possible, time.GetUtcNow()))), ct);

    private static Func<string, HttpContext, ScheduleStore, ScheduleTargets, Db, Caller, TimeProvider, CancellationToken, Task<Schedule>> Enable(bool enabled) =>
        (schedule, http, store, targets, db, caller, time, ct) => ChangeAsync(schedule, http, store, targets, db, caller, time, before => before with { Enabled = enabled }, ct);

    private static async Task<Schedule> ChangeAsync(
        string schedule, HttpContext http, ScheduleStore store, ScheduleTargets targets, Db db, Caller caller, TimeProvider time,
        Func<ScheduleSettings, ScheduleSettings> change, CancellationToken ct)
    {
        while (true)
        {
            var found = await FindAsync(schedule, http, store, ct);
            var wanted = change(found.Settings);
            var instance = wanted.Instance == found.Settings.Instance && wanted.Filter == found.Settings.Filter ? found.Instance : await targets.SettleAsync(wanted, ct);

            // One that has come but was not dealt with yet is not lost by a change of something else.
            var next = Times(wanted) == Times(found.Settings) ? found.NextRun : StoredSchedule.NextOf(wanted, time.GetUtcNow());
            if (await db.InTransactionAsync(transaction => store.UpdateAsync(transaction, found, wanted, instance, next, caller), ct))
            {
                return Shown(http, await store.GetAsync(found.Id.ToString(), ct));
            }
        }
    }

    private static async Task<IResult> Delete(string schedule, HttpContext http, ScheduleStore store, Db db, Caller caller, CancellationToken ct)
    {
        while (true)
        {
            var found = await FindAsync(schedule, http, store, ct);
            if (await db.InTransactionAsync(transaction => store.DeleteAsync(transaction, found, caller), ct))
            {
                return TypedResults.NoContent();
            }
        }
    }

    /// <summary>At once, whether it is enabled or not; its due times stay as they are.</summary>
    private static async Task<IResult> Run(
        string schedule, HttpContext http, ScheduleStore store, ScheduleRunStore runs, ScheduleClaims claims, ScheduleRunner runner, Caller caller, TimeProvider time,
        CancellationToken ct, int? wait = null)
    {
        var patience = OperationResults.WaitOf(wait);
        var found = await FindAsync(schedule, http, store, ct);
        var key = OperationResults.BeginOptionsOf(http.Request, null).IdempotencyKey;
        var (id, run) = await claims.AskAsync(found, runner.Holder, caller, key, ct);
        if (run is not null)
        {
            runner.Begin(found, run);
        }

        await Task.WhenAny(runner.EndOfAsync(id), Task.Delay(patience, time, ct));
        var now = await runs.FindAsync(found.Id, id.Value, ct) ?? throw ScheduleErrors.UnknownRun(found.Settings.Name);
        http.Response.Headers.Location = $"{ApiClient.Base}/schedules/{found.Id}/runs/{now.Id}";
        return TypedResults.Json(now, WireJson.Default.ScheduleRun, statusCode: now.State == RunState.Running ? 202 : 200);
    }

    private static async Task<IResult> Runs(string schedule, HttpContext http, Paging paging, ScheduleStore store, ScheduleRunStore runs, CancellationToken ct) =>
        http.Answer(await runs.ListAsync((await store.GetAsync(schedule, ct)).Id, paging, ct), WireJson.Default.PageScheduleRun);

    private static async Task<ScheduleRun> OneRun(string schedule, Guid run, ScheduleStore store, ScheduleRunStore runs, CancellationToken ct)
    {
        var found = await store.GetAsync(schedule, ct);
        return await runs.FindAsync(found.Id, run, ct) ?? throw ScheduleErrors.UnknownRun(found.Settings.Name);
    }

    /// <summary>The schedule, unchanged since the caller read it if they say so (<c>If-Match</c>).</summary>
    private static async Task<StoredSchedule> FindAsync(string schedule, HttpContext http, ScheduleStore store, CancellationToken ct)
    {
        var found = await store.GetAsync(schedule, ct);
        return IfMatch.Fits(http, found.Etag) ? found : throw ScheduleErrors.Changed(found.Settings.Name);
    }

    private static Schedule Shown(HttpContext http, StoredSchedule schedule)
    {
        http.Response.Headers.ETag = schedule.Etag;
        return schedule.ToWire();
    }

    /// <summary>What its due times depend on.</summary>
    private static string Times(ScheduleSettings settings) => string.Create(CultureInfo.InvariantCulture,
        $"{settings.Enabled} {settings.TimeZone} {JsonSerializer.Serialize(settings.When, WireJson.Default.ScheduleWhen)}");
}
