using Gantry.Contracts;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Snapshots;

namespace Gantry.Daemon.Clones;

/// <summary>The routes that make clones, and that make a linked one stand alone.</summary>
internal static class CloneApi
{
    public static void MapClones(this IEndpointRouteBuilder api)
    {
        var one = api.MapGroup("/instances/{instance}").WithTags("Clones");
        one.MapPost("/clone", Clone).Produces<Operation>(202).Requires(Privilege.InstanceAllocate);
        one.MapPost("/snapshots/{snapshot}/clone", CloneSnapshot).Produces<Operation>(202).Requires(Privilege.InstanceAllocate);
        one.MapPost("/promote", Promote).Produces<Operation>(202).Requires(Privilege.InstanceConfigure);
    }

    private static Task<IResult> Clone(
        string instance, HttpContext http, Body<CloneInstance> body, ClonePlan plan, InstanceCloning cloning, InstanceStore instances, SnapshotStore snapshots,
        Operations.Operations operations, Caller caller, CancellationToken ct) =>
        CloneAsync(instance, null, http, body, plan, cloning, instances, snapshots, operations, caller, ct);

    private static Task<IResult> CloneSnapshot(
        string instance, string snapshot, HttpContext http, Body<CloneInstance> body, ClonePlan plan, InstanceCloning cloning, InstanceStore instances, SnapshotStore snapshots,
        Operations.Operations operations, Caller caller, CancellationToken ct) =>
        CloneAsync(instance, snapshot, http, body, plan, cloning, instances, snapshots, operations, caller, ct);

    private static async Task<IResult> CloneAsync(
        string instance, string? snapshot, HttpContext http, Body<CloneInstance> body, ClonePlan plan, InstanceCloning cloning, InstanceStore instances, SnapshotStore snapshots,
        Operations.Operations operations, Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(CloneRules.Faults);
        return await operations.BeginAsync(http, caller, wanted, async options =>
        {
            var source = await InstanceApi.FindAsync(instance, http, instances, ct);
            var found = snapshot is null ? null : await snapshots.GetAsync(source, snapshot, ct);
            if (found is null)
            {
                SnapshotRules.DemandAtRest(source.Name, source.State, "cloning it");
            }

            if (await instances.IsTakenAsync(wanted.Name, ct))
            {
                throw InstanceErrors.NameTaken(wanted.Name);
            }

            var input = await plan.ResolveAsync(source, found, wanted, ct);
            return await operations.BeginAsync(cloning, input, $"instances/{input.Spec.Id}", wanted.Name, caller, options, ct);
        });
    }

    private static Task<IResult> Promote(
        string instance, HttpContext http, InstancePromotion promotion, InstanceStore instances, Operations.Operations operations, Caller caller, CancellationToken ct) =>
        operations.BeginAsync(http, caller, null, async options =>
        {
            var found = await InstanceApi.FindAsync(instance, http, instances, ct);
            var tie = await instances.TieAsync(found.Id, ct) is { Linked: true } linked ? linked : throw CloneErrors.NotLinked(found.Name);
            return await operations.BeginAsync(promotion, new(found.Id, tie), found, caller, options, ct);
        });
}
