using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Gantry.Node.Images;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Metadata;

namespace Gantry.Daemon.Images;

internal static class ImageApi
{
    public static void MapImages(this IEndpointRouteBuilder api)
    {
        var images = api.MapGroup("/images").WithTags("Images");
        images.MapGet("/", List).Produces<Page<Image>>().Requires(Privilege.ImageAudit);
        images.MapGet("/{image}", Get).Produces<Image>().Requires(Privilege.ImageAudit);
        images.MapPatch("/{image}", Patch).Produces<Image>().Requires(Privilege.ImageAllocate);
        images.MapDelete("/{image}", Delete).Produces<Operation>(202).Requires(Privilege.ImageAllocate);
        images.MapPost("/{image}/rename", Rename).Produces<Image>().Requires(Privilege.ImageAllocate);
        api.MapPost("/images:build", Build).Produces<Operation>(202).WithTags("Images").Requires(Privilege.ImageAllocate);
        api.MapPost("/images:import", Import).Produces<Operation>(202).WithTags("Images").Requires(Privilege.ImageAllocate);
        api.MapPost("/images:upload", Upload).Produces<Operation>(202).WithTags("Images").Requires(Privilege.ImageAllocate)
            .WithMetadata(new AcceptsMetadata(["application/octet-stream"], typeof(Stream)));
    }

    private static async Task<IResult> List(HttpContext http, Paging paging, ImageStore store, CancellationToken ct) =>
        http.Answer(await store.ListAsync(paging, ct), WireJson.Default.PageImage);

    private static async Task<Image> Get(string image, HttpContext http, ImageStore store, CancellationToken ct)
    {
        var found = await store.GetAsync(image, ct);
        http.Response.Headers.ETag = found.Etag;
        return found with { UsedBy = await store.UsersAsync(found.Id, ct) };
    }

    private static async Task<IResult> Build(
        HttpContext http, Body<BuildImage> body, ImageBuild build, LocalNode node, Operations.Operations operations, Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(ImageRules.Faults);
        node.DemandRecipe(wanted.Recipe);
        var input = new ImageBuild.Input(Id<Image>.New(), wanted.Name ?? wanted.Recipe, wanted.Recipe);
        return await operations.BeginAsync(http, caller, wanted, options =>
            operations.BeginAsync(build, input, $"images/{input.Id}", input.Name, caller, options, ct));
    }

    private static async Task<IResult> Import(
        HttpContext http, Body<ImportImage> body, ImageImport import, ImageStore store, LocalNode node, Operations.Operations operations, Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(value => ImageRules.Faults(value, sent: false));
        if ((wanted.Path ?? wanted.Kernel ?? wanted.Initrd) is not null && LocalPeers.NameOf(http) is null)
        {
            throw ImageErrors.PathNotLocal;
        }

        return await operations.BeginAsync(http, caller, wanted, async options =>
        {
            await store.DemandFreeAsync(wanted.Name, ct);
            var id = Id<Image>.New();
            return await OrNothingAsync(id, node, () =>
            {
                var source = wanted.Url is { } url ? node.KeepImageAddress(id, url) : Path.GetFileName(wanted.Path ?? wanted.Kernel)!;
                var plan = ImageImport.PlanOf(wanted, source, (wanted.Url ?? wanted.Path) is not null);
                return operations.BeginAsync(import, new(id, wanted.Name, plan), $"images/{id}", wanted.Name, caller, options, ct);
            });
        });
    }

    private static async Task<IResult> Upload(
        HttpContext http, ImageImport import, ImageStore store, LocalNode node, ImageSettings settings, Operations.Operations operations, Caller caller, CancellationToken ct)
    {
        var (asked, source, faults) = ImageRules.FromQuery(http.Request.Query);
        var wanted = new Body<ImportImage>(asked).Checked(value => [.. faults, .. ImageRules.Faults(value, sent: true)]);
        return await operations.BeginAsync(http, caller, wanted, async options =>
        {
            await store.DemandFreeAsync(wanted.Name, ct);
            http.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = settings.MaxBytes;
            var id = Id<Image>.New();
            return await OrNothingAsync(id, node, async () =>
            {
                await node.KeepImageUploadAsync(id, http.Request.Body, ct);
                return await operations.BeginAsync(import, new(id, wanted.Name, ImageImport.PlanOf(wanted, source, hasDisk: true)), $"images/{id}", wanted.Name, caller, options, ct);
            });
        });
    }

    private static async Task<Image> Rename(
        string image, Body<RenameImage> body, HttpContext http, ImageStore store, Db db, EventLog events, Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(ImageRules.Faults);
        var found = await FindAsync(image, http, store, ct);
        return await ChangeAsync(found, wanted.Name, found.Description, store, db, events, caller, http, ct);
    }

    private static async Task<Image> Patch(
        string image, MergePatch<ChangeImage> patch, HttpContext http, ImageStore store, Db db, EventLog events, Caller caller, CancellationToken ct)
    {
        var found = await FindAsync(image, http, store, ct);
        var wanted = patch.Applied(new(found.Description), ImageRules.Faults);
        return await ChangeAsync(found, found.Name, wanted.Description is { Length: > 0 } text ? text : null, store, db, events, caller, http, ct);
    }

    private static Task<IResult> Delete(
        string image, HttpContext http, ImageStore store, ImageDeletion delete, Operations.Operations operations, Caller caller, CancellationToken ct) =>
        operations.BeginAsync(http, caller, null, async options =>
        {
            var found = await FindAsync(image, http, store, ct);
            return await operations.BeginAsync(delete, new(found.Id), $"images/{found.Id}", found.Name, caller, options, ct);
        });

    private static async Task<Image> ChangeAsync(
        Image read, string name, string? description, ImageStore store, Db db, EventLog events, Caller caller, HttpContext http, CancellationToken ct)
    {
        await db.InTransactionAsync(async transaction =>
        {
            await store.UpdateAsync(transaction, read, name, description);
            await events.AppendAsync(transaction, EventTypes.ImageUpdated, $"images/{read.Id}", caller.Name, caller.RequestId, new { name });
        }, ct);
        return await Get(read.Id.ToString(), http, store, ct);
    }

    /// <summary>The image, which is whole and, if the caller says what they read (<c>If-Match</c>), unchanged since.</summary>
    private static async Task<Image> FindAsync(string image, HttpContext http, ImageStore store, CancellationToken ct)
    {
        var found = await store.GetReadyAsync(image, ct);
        return IfMatch.Fits(http, found.Etag) ? found : throw ImageErrors.Changed(found.Name);
    }

    /// <summary>What was brought for an operation that is not begun in the end goes away again.</summary>
    private static async Task<Operation> OrNothingAsync(Id<Image> id, LocalNode node, Func<Task<Operation>> begin)
    {
        try
        {
            return await begin();
        }
        catch
        {
            await node.RemoveImageAsync(id, CancellationToken.None);
            throw;
        }
    }
}
