using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Pools;
using Gantry.Node;
using Gantry.Node.Drivers;

namespace Gantry.Daemon.Instances;

/// <summary>The routes of an instance's volumes.</summary>
internal static class VolumeApi
{
    public static void Map(IEndpointRouteBuilder one)
    {
        one.MapGet("/volumes", List).Produces<Page<Volume>>().Requires(Privilege.InstanceAudit);
        one.MapPost("/volumes", Add).Produces<Operation>(202).Requires(Privilege.InstanceConfigure);
        one.MapPatch("/volumes/{volume}", Patch).Produces<Operation>(202).Requires(Privilege.InstanceConfigure);
        one.MapPost("/volumes/{volume}/move", Move).Produces<Operation>(202).Requires(Privilege.InstanceConfigure);
        one.MapPost("/volumes/{volume}/detach", Detach).Produces<Operation>(202).Requires(Privilege.InstanceConfigure);
        one.MapDelete("/volumes/{volume}", Remove).Produces<Operation>(202).Requires(Privilege.InstanceConfigure);
    }

    private static async Task<IResult> List(string instance, HttpContext http, InstanceStore store, CancellationToken ct) =>
        http.Answer(new Page<Volume>((await store.GetAsync(instance, ct)).Volumes ?? []), WireJson.Default.PageVolume);

    private static async Task<IResult> Add(
        string instance, HttpContext http, Body<AddVolume> body, InstanceStore store, MachinePlan plan, PoolStore pools, PoolVolumeStore free, VolumeAddition add,
        VolumeAttachment attach, Operations.Operations operations, Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(MachineRules.Faults);
        return await operations.BeginAsync(http, caller, wanted, async options =>
        {
            var found = await InstanceApi.FindAsync(instance, http, store, ct);
            VolumeRows.Demand(found.Name, found.State);
            if (wanted.Volume is { } which)
            {
                var pool = await pools.GetReadyAsync(wanted.Pool, ct);
                var volume = await free.GetAsync(pool, which, ct);
                var spec = MachinePlan.Attached(wanted, volume);
                var shown = MachinePlan.Shown([wanted with { Pool = pool.Name, Image = volume.ImageName }], [spec])[0];
                return await operations.BeginAsync(attach, new(found.Id, shown, spec, volume.Id, volume.Name), found, caller, options, ct);
            }

            var specs = await plan.ResolveAsync([wanted], ct);
            return await operations.BeginAsync(add, new(found.Id, MachinePlan.Shown([wanted], specs)[0], specs[0]), found, caller, options, ct);
        });
    }

    private static async Task<IResult> Detach(
        string instance, string volume, HttpContext http, Body<DetachVolume> body, InstanceStore store, PoolStore pools, LocalNode node, VolumeDetachment detach,
        Operations.Operations operations, Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(PoolVolumeRules.Faults);
        return await operations.BeginAsync(http, caller, wanted, async options =>
        {
            var (found, detached) = await FindAsync(instance, volume, http, store, ct);
            VolumeRows.Demand(found.Name, found.State);
            if (detached.Device == VolumeDevice.Cdrom)
            {
                throw VolumeErrors.NoDetach(volume);
            }

            if (await store.TieAsync(found.Id, ct) is { Linked: true } tie && node.DisksOf(tie.Source, tie.Snapshot).Any(d => d.Volume == volume))
            {
                throw VolumeErrors.Linked(found.Name, volume);
            }

            var (spec, pool) = (node.VolumeOf(found.Id, volume), await pools.GetReadyAsync(detached.Pool, ct));
            var to = new NewVolume(Id<PoolVolume>.New(), spec.Pool, pool.Name, wanted.Name ?? volume, spec.SizeBytes, spec.Image);
            return await operations.BeginAsync(
                detach, new(found.Id, detached, spec, to, MachineRules.IsBootDisk(node.Context.Folders.Read(found.Id), volume)), found, caller, options, ct);
        });
    }

    private static Task<IResult> Patch(
        string instance, string volume, HttpContext http, MergePatch<ChangeVolume> patch, InstanceStore store, VolumeConfiguration configure, Operations.Operations operations, Caller caller,
        CancellationToken ct) => operations.BeginAsync(http, caller, patch.Patch, async options =>
        {
            var (found, before) = await FindAsync(instance, volume, http, store, ct);
            if (before.Device == VolumeDevice.Cdrom)
            {
                throw VolumeErrors.NoSize(volume);
            }

            var after = patch.Applied(new(before.SizeBytes, before.Limits), MachineRules.Faults);
            if (after.SizeBytes < before.SizeBytes)
            {
                throw DiskErrors.NoShrink(volume, before.SizeBytes.Value, after.SizeBytes.Value);
            }

            var input = new VolumeConfiguration.Input(found.Id, volume, before.Limits, after.Limits, after.SizeBytes > before.SizeBytes ? after.SizeBytes : null);
            return await operations.BeginAsync(configure, input, found, caller, options, ct);
        });

    private static async Task<IResult> Move(
        string instance, string volume, HttpContext http, Body<MoveVolume> body, InstanceStore store, PoolStore pools, LocalNode node, VolumeMove move, Operations.Operations operations,
        Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(_ => []);
        return await operations.BeginAsync(http, caller, wanted, async options =>
        {
            var (found, moved) = await FindAsync(instance, volume, http, store, ct);
            VolumeRows.Demand(found.Name, found.State);
            if (moved.Device == VolumeDevice.Cdrom)
            {
                throw VolumeErrors.NoMove(volume);
            }

            var (spec, to) = (node.VolumeOf(found.Id, volume), await pools.GetReadyAsync(wanted.Pool, ct));
            return spec.Pool == to.OnNode ? throw VolumeErrors.IsThere(volume, to.Name)
                : await operations.BeginAsync(move, new(found.Id, moved, spec, to.OnNode, to.Name), found, caller, options, ct);
        });
    }

    private static Task<IResult> Remove(
        string instance, string volume, HttpContext http, InstanceStore store, MachinePlan plan, VolumeRemoval remove, Operations.Operations operations, Caller caller, CancellationToken ct) =>
        operations.BeginAsync(http, caller, null, async options =>
        {
            var (found, removed) = await FindAsync(instance, volume, http, store, ct);
            VolumeRows.Demand(found.Name, found.State);
            return await operations.BeginAsync(remove, new(found.Id, removed, (await plan.ResolveAsync([removed], ct))[0]), found, caller, options, ct);
        });

    private static async Task<(Instance Instance, Volume Volume)> FindAsync(string instance, string volume, HttpContext http, InstanceStore store, CancellationToken ct)
    {
        var found = await InstanceApi.FindAsync(instance, http, store, ct);
        return (found, (found.Volumes ?? []).FirstOrDefault(v => v.Name == volume) ?? throw DiskErrors.Unknown(found.Name, volume));
    }
}
