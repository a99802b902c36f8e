using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Pools;

internal static class PoolApi
{
    public static void MapPools(this IEndpointRouteBuilder api)
    {
        var pools = api.MapGroup("/pools").WithTags("Pools");
        pools.MapGet("/", List).Produces<Page<Pool>>().Requires(Privilege.PoolAudit);
        pools.MapPost("/", Create).Produces<Operation>(202).Requires(Privilege.PoolAllocate);
        pools.MapGet("/{pool}", Get).Produces<Pool>().Requires(Privilege.PoolAudit);
        pools.MapDelete("/{pool}", Delete).Produces<Operation>(202).Requires(Privilege.PoolAllocate);
        PoolVolumeApi.Map(pools.MapGroup("/{pool}"));
    }

    private static async Task<IResult> List(HttpContext http, Paging paging, PoolStore store, PoolKeeper keeper, CancellationToken ct)
    {
        var page = await store.ListAsync(paging, ct);
        var statuses = await Task.WhenAll(page.Items.Select(p => keeper.StatusAsync(p, ct)));
        return http.Answer(new Page<Pool>([.. page.Items.Zip(statuses, (pool, status) => pool.ToWire(status))], page.NextCursor), WireJson.Default.PagePool);
    }

    private static async Task<Pool> Get(string pool, HttpContext http, PoolStore store, PoolVolumeStore volumes, PoolKeeper keeper, CancellationToken ct)
    {
        var found = await store.GetReadyAsync(pool, ct);
        var shown = found.ToWire(await keeper.LookAsync(found, ct)) with { Volumes = await volumes.CountAsync(found, ct) };
        http.Response.Headers.ETag = shown.Etag;
        return shown;
    }

    private static async Task<IResult> Create(
        HttpContext http, Body<CreatePool> body, PoolCreation create, PoolStore store, Operations.Operations operations, Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(PoolRules.Faults);
        return await operations.BeginAsync(http, caller, wanted, async options =>
        {
            if (await store.TryGetAsync(wanted.Name, ct) is not null)
            {
                throw PoolErrors.NameTaken(wanted.Name);
            }

            var input = new PoolCreation.Input(Id<Pool>.New(), wanted);
            return await operations.BeginAsync(create, input, $"pools/{input.Id}", wanted.Name, caller, options, ct);
        });
    }

    private static Task<IResult> Delete(string pool, HttpContext http, PoolDeletion delete, PoolStore store, Operations.Operations operations, Caller caller, CancellationToken ct) =>
        operations.BeginAsync(http, caller, null, async options =>
        {
            var found = await store.GetReadyAsync(pool, ct);
            return found.IsLocal ? throw PoolErrors.AlwaysThere(found.Name)
                : await operations.BeginAsync(delete, new(found.Id), $"pools/{found.Id}", found.Name, caller, options, ct);
        });
}
