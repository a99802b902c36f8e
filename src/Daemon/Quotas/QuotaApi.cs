using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Npgsql;

namespace Gantry.Daemon.Quotas;

/// <summary>The routes of snapshot quotas. One is called <c>system</c>, <c>pool:NAME</c> or <c>instance:NAME</c>, and always holds something.</summary>
internal static class QuotaApi
{
    private const int Fullest = 100;

    public static void MapQuotas(this IEndpointRouteBuilder api)
    {
        var quotas = api.MapGroup("/quotas").WithTags("Quotas");
        quotas.MapGet("/", List).Produces<Page<Quota>>().Requires(Privilege.QuotaAudit);
        quotas.MapGet("/usage", Usage).Produces<QuotaSummary>().Requires(Privilege.QuotaAudit);
        quotas.MapGet("/{quota}", Get).Produces<Quota>().Requires(Privilege.QuotaAudit);
        quotas.MapPut("/{quota}", Put).Produces<Quota>().Requires(Privilege.QuotaAllocate);
        quotas.MapDelete("/{quota}", Delete).Produces(204).Requires(Privilege.QuotaAllocate);
        quotas.MapPost("/{quota}/enforce", Enforce).Produces<Operation>(202).Produces<QuotaEnforced>().Requires(Privilege.QuotaAllocate);
    }

    private static async Task<IResult> List(HttpContext http, Paging paging, QuotaStore store, CancellationToken ct)
    {
        var page = await store.ListAsync(paging, ct);
        return http.Answer(new Page<Quota>([.. page.Items.Select(q => q.ToWire())], page.NextCursor), WireJson.Default.PageQuota);
    }

    private static async Task<QuotaSummary> Usage(QuotaStore store, CancellationToken ct)
    {
        var all = await store.AllAsync(ct);
        var total = await store.GetAsync(QuotaOwner.System, ct);
        return new(total.Usage, [.. all.OrderByDescending(Fullness).Take(Fullest).Select(q => q.ToWire())], all.Count,
            all.Count(q => q.Usage.Level == QuotaLevel.Warned), all.Count(q => q.Usage.Level == QuotaLevel.Exceeded));
    }

    private static async Task<Quota> Get(string quota, HttpContext http, QuotaStore store, CancellationToken ct) =>
        Shown(http, await store.GetAsync(await store.OwnerAsync(quota, ct), ct));

    private static async Task<Quota> Put(
        string quota, HttpContext http, Body<QuotaSettings> body, QuotaStore store, EventLog events, Db db, Caller caller, CancellationToken ct)
    {
        var owner = await store.OwnerAsync(quota, ct);
        var wanted = body.Checked(b => QuotaRules.Faults(owner.Scope, b));
        while (true)
        {
            var found = await FindAsync(owner, http, store, ct);
            if (await db.InTransactionAsync(async transaction => await store.SetAsync(transaction, found, wanted)
                && await TellAsync(events, transaction, EventTypes.QuotaUpdated, owner, caller, StoredQuota.LimitOf(owner.Scope, wanted)), ct))
            {
                return Shown(http, await store.GetAsync(owner, ct));
            }
        }
    }

    private static async Task<IResult> Delete(string quota, HttpContext http, QuotaStore store, EventLog events, Db db, Caller caller, CancellationToken ct)
    {
        var owner = await store.OwnerAsync(quota, ct);
        while (true)
        {
            var found = await FindAsync(owner, http, store, ct);
            if (found.IsDefault)
            {
                throw QuotaErrors.NotSet(owner.Name);
            }

            if (await db.InTransactionAsync(async transaction => await QuotaStore.RemoveAsync(transaction, found)
                && await TellAsync(events, transaction, EventTypes.QuotaRemoved, owner, caller, null), ct))
            {
                return TypedResults.NoContent();
            }
        }
    }

    private static async Task<IResult> Enforce(
        string quota, bool? dryRun, HttpContext http, QuotaEnforcement enforce, QuotaStore store, Operations.Operations operations, Caller caller, CancellationToken ct)
    {
        var owner = await store.OwnerAsync(quota, ct);
        return dryRun == true ? TypedResults.Ok(await enforce.PlanAsync(owner, ct))
            : await operations.BeginAsync(http, caller, null, options => operations.BeginAsync(
                enforce, QuotaEnforcement.Input.Of(owner), QuotaEnforcement.Target, owner.Name, caller, options, ct));
    }

    /// <summary>Unchanged since the caller read it if they say what they read (<c>If-Match</c>).</summary>
    private static async Task<StoredQuota> FindAsync(QuotaOwner owner, HttpContext http, QuotaStore store, CancellationToken ct)
    {
        var found = await store.GetAsync(owner, ct);
        return IfMatch.Fits(http, found.Etag) ? found : throw QuotaErrors.Changed(owner.Name);
    }

    private static async Task<bool> TellAsync(EventLog events, NpgsqlTransaction transaction, string type, QuotaOwner owner, Caller caller, QuotaSettings? limit)
    {
        await events.AppendAsync(transaction, type, QuotaEnforcement.Target, caller.Name, caller.RequestId, new
        {
            quota = owner.Name,
            maxCount = limit?.MaxCount,
            maxBytes = limit?.MaxBytes,
            maxAge = limit?.MaxAge,
            policy = limit?.Policy?.ToString().ToLowerInvariant(),
        });
        return true;
    }

    /// <summary>How much of it is used, of what is used most of.</summary>
    private static double Fullness(StoredQuota quota) =>
        Math.Max(quota.Limit.MaxCount is { } count ? (double)quota.Usage.Count / count : 0, quota.Limit.MaxBytes is { } bytes ? (double)quota.Usage.Bytes / bytes : 0);

    private static Quota Shown(HttpContext http, StoredQuota quota)
    {
        http.Response.Headers.ETag = quota.Etag;
        return quota.ToWire();
    }
}
