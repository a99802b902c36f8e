using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node.Networks;

namespace Gantry.Daemon.Networks;

internal static class ForwardApi
{
    public static void MapForwards(this IEndpointRouteBuilder networks)
    {
        networks.MapGet("/{network}/forwards", List).Produces<Page<Forward>>().Requires(Privilege.NetworkAudit);
        networks.MapPost("/{network}/forwards", Create).Produces<Operation>(202).Requires(Privilege.NetworkConfigure);
        networks.MapDelete("/{network}/forwards/{forward}", Delete).Produces<Operation>(202).Requires(Privilege.NetworkConfigure);
    }

    private static async Task<IResult> List(string network, HttpContext http, NetworkStore store, CancellationToken ct) =>
        http.Answer(new Page<Forward>((await store.GetReadyAsync(network, ct)).Forwards), WireJson.Default.PageForward);

    private static async Task<IResult> Create(
        string network, HttpContext http, Body<CreateForward> body, NetworkConfiguration configure, NetworkStore store, AddressStore addresses, Operations.Operations operations,
        Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(ForwardRules.Faults);
        return await operations.BeginAsync(http, caller, wanted, async options =>
        {
            var found = await NetworkApi.FindAsync(network, http, store, ct);
            var forward = wanted.ToForward(Id<Forward>.New());
            if (found.Forwards.Count >= Limits.Forwards)
            {
                throw ForwardErrors.TooMany(found.Name);
            }

            await DemandTargetAsync(found, forward, addresses, ct);
            ForwardConflicts.DemandFree(forward, HostListeners.Read());
            return await configure.BeginAsync(operations, found, new(Forwards: [.. found.Forwards, forward]), caller, options, ct);
        });
    }

    private static Task<IResult> Delete(
        string network, string forward, HttpContext http, NetworkConfiguration configure, NetworkStore store, Operations.Operations operations, Caller caller, CancellationToken ct) =>
        operations.BeginAsync(http, caller, null, async options =>
        {
            var found = await NetworkApi.FindAsync(network, http, store, ct);
            var rest = found.Forwards.Where(f => f.Id.ToString() != forward).ToList();
            return rest.Count < found.Forwards.Count
                ? await configure.BeginAsync(operations, found, new(Forwards: rest), caller, options, ct)
                : throw ForwardErrors.Unknown(found.Name, forward);
        });

    /// <exception cref="Refusal"><c>forward.not_possible</c>, <c>forward.no_target</c></exception>
    private static async Task DemandTargetAsync(StoredNetwork network, Forward forward, AddressStore addresses, CancellationToken ct)
    {
        if (network.Kind != NetworkKind.Nat)
        {
            throw ForwardErrors.NotOnKind(network.Name);
        }

        if (!(await addresses.OfAsync(network.Id, ct)).Any(a => a.Instance == forward.Instance && (forward.Nic ?? a.Nic) == a.Nic))
        {
            throw ForwardErrors.NoTarget(network.Name, forward.Instance, forward.Nic);
        }
    }
}
