using Gantry.Contracts;
using Gantry.Daemon.Images;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Gantry.Node.Drivers;

namespace Gantry.Daemon.Pools;

/// <summary>The routes of a pool's volumes: all are listed, and those that belong to no instance are made, changed and deleted here.</summary>
internal static class PoolVolumeApi
{
    public static void Map(IEndpointRouteBuilder one)
    {
        one.MapGet("/volumes", List).Produces<Page<PoolVolume>>().Requires(Privilege.VolumeAudit);
        one.MapPost("/volumes", Create).Produces<Operation>(202).Requires(Privilege.VolumeAllocate);
        one.MapGet("/volumes/{volume}", Get).Produces<PoolVolume>().Requires(Privilege.VolumeAudit);
        one.MapPatch("/volumes/{volume}", Patch).Produces<Operation>(202).Requires(Privilege.VolumeAllocate);
        one.MapDelete("/volumes/{volume}", Delete).Produces<Operation>(202).Requires(Privilege.VolumeAllocate);
    }

    private static async Task<IResult> List(string pool, HttpContext http, Paging paging, PoolStore pools, PoolVolumeStore store, CancellationToken ct) =>
        http.Answer(await store.ListAsync(await pools.GetReadyAsync(pool, ct), paging, ct), WireJson.Default.PagePoolVolume);

    private static async Task<PoolVolume> Get(string pool, string volume, HttpContext http, PoolStore pools, PoolVolumeStore store, CancellationToken ct)
    {
        var place = await pools.GetReadyAsync(pool, ct);
        var found = await store.GetAsync(place, volume, ct);
        http.Response.Headers.ETag = found.Etag;
        return found.ToWire(place.Name);
    }

    private static async Task<IResult> Create(
        string pool, HttpContext http, Body<CreatePoolVolume> body, PoolStore pools, ImageStore images, PoolVolumeCreation create, LocalNode node,
        Operations.Operations operations, Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(PoolVolumeRules.Faults);
        return await operations.BeginAsync(http, caller, wanted, async options =>
        {
            var place = await pools.GetReadyAsync(pool, ct);
            var image = wanted.Image is null ? null : await images.GetReadyAsync(wanted.Image, ct);
            var size = VolumeSize.Of(wanted.Name, wanted.SizeBytes, image, node);
            var volume = new NewVolume(Id<PoolVolume>.New(), place.OnNode, place.Name, wanted.Name, size, image?.Id, wanted.Description);
            return await operations.BeginAsync(create, new(volume), $"volumes/{volume.Id}", volume.Name, caller, options, ct);
        });
    }

    private static Task<IResult> Patch(
        string pool, string volume, HttpContext http, MergePatch<ChangePoolVolume> patch, PoolStore pools, PoolVolumeStore store, PoolVolumeChange change,
        Operations.Operations operations, Caller caller, CancellationToken ct) => operations.BeginAsync(http, caller, patch.Patch, async options =>
        {
            var (place, found) = await FindAsync(pool, volume, http, pools, store, ct);
            var before = new ChangePoolVolume(found.Name, found.SizeBytes, found.Description);
            var after = patch.Applied(before, PoolVolumeRules.Faults);
            return after.SizeBytes < found.SizeBytes ? throw DiskErrors.NoShrink(found.Name, found.SizeBytes, after.SizeBytes.Value)
                : await operations.BeginAsync(
                    change, new(found.Id, found.Pool, place.Name, before, after with { SizeBytes = after.SizeBytes ?? found.SizeBytes }),
                    $"volumes/{found.Id}", found.Name, caller, options, ct);
        });

    private static Task<IResult> Delete(
        string pool, string volume, HttpContext http, PoolStore pools, PoolVolumeStore store, PoolVolumeDeletion delete,
        Operations.Operations operations, Caller caller, CancellationToken ct) =>
        operations.BeginAsync(http, caller, null, async options =>
        {
            var (place, found) = await FindAsync(pool, volume, http, pools, store, ct);
            return await operations.BeginAsync(delete, new(found.Id, found.Pool, place.Name), $"volumes/{found.Id}", found.Name, caller, options, ct);
        });

    /// <summary>The volume with its pool, unchanged since the caller read it if they say what they read (<c>If-Match</c>).</summary>
    private static async Task<(StoredPool Pool, StoredVolume Volume)> FindAsync(
        string pool, string volume, HttpContext http, PoolStore pools, PoolVolumeStore store, CancellationToken ct)
    {
        var place = await pools.GetReadyAsync(pool, ct);
        var found = await store.GetAsync(place, volume, ct);
        return IfMatch.Fits(http, found.Etag) ? (place, found) : throw PoolVolumeErrors.Changed(found.Name);
    }
}
