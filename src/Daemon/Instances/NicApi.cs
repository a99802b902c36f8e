using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Gantry.Node.Networks;

namespace Gantry.Daemon.Instances;

/// <summary>The routes of an instance's NICs.</summary>
internal static class NicApi
{
    public static void Map(IEndpointRouteBuilder one)
    {
        one.MapGet("/nics", List).Produces<Page<NicInfo>>().Requires(Privilege.InstanceAudit);
        one.MapPost("/nics", Add).Produces<Operation>(202).Requires(Privilege.InstanceConfigure);
        one.MapPatch("/nics/{nic}", Limit).Produces<Operation>(202).Requires(Privilege.InstanceConfigure);
        one.MapDelete("/nics/{nic}", Remove).Produces<Operation>(202).Requires(Privilege.InstanceConfigure);
    }

    private static async Task<IResult> List(string instance, HttpContext http, InstanceStore store, LocalNode node, CancellationToken ct)
    {
        var found = await store.GetAsync(instance, ct);
        var counted = found.State is InstanceState.Running or InstanceState.Paused ? (await node.NicStatisticsAsync(found.Id, ct)).ToDictionary(s => s.Nic) : [];
        return http.Answer(new Page<NicInfo>([.. (found.Nics ?? []).Select(n => new NicInfo(n, counted.GetValueOrDefault(n.Name)))]), WireJson.Default.PageNicInfo);
    }

    private static async Task<IResult> Add(
        string instance, HttpContext http, Body<Nic> body, InstanceStore store, NicPlan plan, NicAddition add, Operations.Operations operations, Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(MachineRules.Faults);
        return await operations.BeginAsync(http, caller, wanted, async options =>
        {
            var found = await InstanceApi.FindAsync(instance, http, store, ct);
            var (shown, kept) = await plan.ResolveAsync([wanted], found.Kind, found.Id, ct);
            return await operations.BeginAsync(add, new(found.Id, shown![0], kept![0]), found, caller, options, ct);
        });
    }

    private static Task<IResult> Limit(
        string instance, string nic, HttpContext http, MergePatch<ChangeNic> patch, InstanceStore store, NicLimiting limit, Operations.Operations operations, Caller caller, CancellationToken ct) =>
        operations.BeginAsync(http, caller, patch.Patch, async options =>
        {
            var (found, before) = await FindAsync(instance, nic, http, store, ct);
            var after = patch.Applied(new(before.Limits), MachineRules.Faults);
            return await operations.BeginAsync(limit, new(found.Id, nic, before.Limits, after.Limits), found, caller, options, ct);
        });

    private static Task<IResult> Remove(
        string instance, string nic, HttpContext http, InstanceStore store, NicRemoval remove, Operations.Operations operations, Caller caller, CancellationToken ct) =>
        operations.BeginAsync(http, caller, null, async options =>
        {
            var (found, _) = await FindAsync(instance, nic, http, store, ct);
            return found.State is InstanceState.Stopped or InstanceState.Running or InstanceState.Paused
                ? await operations.BeginAsync(remove, new(found.Id, nic), found, caller, options, ct) : throw InstanceErrors.WrongStateFor("NICs", found.Name, found.State);
        });

    private static async Task<(Instance Instance, Nic Nic)> FindAsync(string instance, string nic, HttpContext http, InstanceStore store, CancellationToken ct)
    {
        var found = await InstanceApi.FindAsync(instance, http, store, ct);
        return (found, (found.Nics ?? []).FirstOrDefault(n => n.Name == nic) ?? throw NicErrors.Unknown(found.Name, nic));
    }
}
