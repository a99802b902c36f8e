using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Networks;

internal static class NetworkApi
{
    public static void MapNetworks(this IEndpointRouteBuilder api)
    {
        var networks = api.MapGroup("/networks").WithTags("Networks");
        networks.MapGet("/", List).Produces<Page<Network>>().Requires(Privilege.NetworkAudit);
        networks.MapPost("/", Create).Produces<Operation>(202).Requires(Privilege.NetworkAllocate);
        networks.MapGet("/{network}", Get).Produces<Network>().Requires(Privilege.NetworkAudit);
        networks.MapPatch("/{network}", Patch).Produces<Operation>(202).Requires(Privilege.NetworkAllocate);
        networks.MapDelete("/{network}", Delete).Produces<Operation>(202).Requires(Privilege.NetworkAllocate);
        networks.MapGet("/{network}/addresses", Addresses).Produces<Page<NicAddress>>().Requires(Privilege.NetworkAudit);
        api.MapPost("/networks:repair", Repair).Produces<NetworkRepair>().WithTags("Networks").Requires(Privilege.NetworkAllocate);
        networks.MapForwards();
        networks.MapPolicies();
    }

    private static async Task<IResult> List(HttpContext http, Paging paging, NetworkStore store, NetworkSync sync, CancellationToken ct)
    {
        var page = await store.ListAsync(paging, ct);
        return http.Answer(new Page<Network>([.. page.Items.Select(n => n.ToWire(sync.StatusOf(n.Id)))], page.NextCursor), WireJson.Default.PageNetwork);
    }

    private static async Task<Network> Get(string network, HttpContext http, NetworkStore store, NetworkSync sync, CancellationToken ct)
    {
        var found = await store.GetReadyAsync(network, ct);
        http.Response.Headers.ETag = found.Etag;
        return found.ToWire(sync.StatusOf(found.Id));
    }

    private static async Task<IResult> Create(
        HttpContext http, Body<NetworkSettings> body, NetworkCreation create, NetworkStore store, NetworkPlan plan, Operations.Operations operations, Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(NetworkRules.Faults);
        return await operations.BeginAsync(http, caller, wanted, async options =>
        {
            if (await store.TryGetAsync(wanted.Name, ct) is not null)
            {
                throw NetworkErrors.NameTaken(wanted.Name);
            }

            var input = new NetworkCreation.Input(Id<Network>.New(), await plan.ResolveAsync(wanted, ct));
            return await operations.BeginAsync(create, input, $"networks/{input.Id}", wanted.Name, caller, options, ct);
        });
    }

    private static Task<IResult> Patch(
        string network, HttpContext http, MergePatch<NetworkSettings> patch, NetworkConfiguration configure, NetworkStore store, Operations.Operations operations, Caller caller, CancellationToken ct) =>
        operations.BeginAsync(http, caller, patch.Patch, async options =>
        {
            var found = await FindAsync(network, http, store, ct);
            var wanted = patch.Applied(found.Settings, NetworkRules.Faults);
            if (wanted with { Description = null, Labels = null, HostAccess = null, Defaults = null, Mtu = null, Domain = null, Vxlan = null }
                != found.Settings with { Description = null, Labels = null, HostAccess = null, Defaults = null, Mtu = null, Domain = null, Vxlan = null })
            {
                throw NetworkErrors.Fixed(found.Name);
            }

            var settled = wanted with { Domain = wanted.Domain ?? $"{found.Name}.gantry", HostAccess = wanted.HostAccess ?? false, Defaults = wanted.Defaults ?? new() };
            return await configure.BeginAsync(operations, found, new(Settings: settled), caller, options, ct);
        });

    private static Task<IResult> Delete(
        string network, HttpContext http, NetworkDeletion delete, NetworkStore store, Operations.Operations operations, Caller caller, CancellationToken ct) =>
        operations.BeginAsync(http, caller, null, async options =>
        {
            var found = await FindAsync(network, http, store, ct);
            return await operations.BeginAsync(delete, new(found.Id), $"networks/{found.Id}", found.Name, caller, options, ct);
        });

    private static async Task<IResult> Addresses(string network, HttpContext http, NetworkStore store, AddressStore addresses, CancellationToken ct) =>
        http.Answer(new Page<NicAddress>(await addresses.OfAsync((await store.GetReadyAsync(network, ct)).Id, ct)), WireJson.Default.PageNicAddress);

    /// <summary>At once what the daemon does by itself every now and then.</summary>
    private static async Task<NetworkRepair> Repair(NetworkSync sync, CancellationToken ct)
    {
        var repaired = await sync.RepairAsync(ct);
        var refusals = await sync.ApplyNewAsync(ct);
        return new(repaired, [.. refusals.Select(r => r.Message)]);
    }

    /// <summary>The network, unchanged since the caller read it if they say so.</summary>
    public static async Task<StoredNetwork> FindAsync(string network, HttpContext http, NetworkStore store, CancellationToken ct)
    {
        var found = await store.GetReadyAsync(network, ct);
        return IfMatch.Fits(http, found.Etag) ? found : throw NetworkErrors.Changed(found.Name);
    }
}
