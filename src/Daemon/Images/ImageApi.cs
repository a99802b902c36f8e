using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Images;

internal static class ImageApi
{
    public static void MapImages(this IEndpointRouteBuilder api)
    {
        var images = api.MapGroup("/images").WithTags("Images");
        images.MapGet("/", List).Produces<Page<Image>>().Requires(Privilege.ImageAudit);
        images.MapGet("/{image}", Get).Produces<Image>().Requires(Privilege.ImageAudit);
        images.MapDelete("/{image}", Delete).Produces<Operation>(202).Requires(Privilege.ImageAllocate);
        api.MapPost("/images:build", Build).Produces<Operation>(202).WithTags("Images").Requires(Privilege.ImageAllocate);
    }

    private static async Task<IResult> List(HttpContext http, Paging paging, ImageStore store, CancellationToken ct) =>
        http.Answer(await store.ListAsync(paging, ct), WireJson.Default.PageImage);

    private static Task<Image> Get(string image, ImageStore store, CancellationToken ct) => store.GetAsync(image, ct);

    private static async Task<IResult> Build(
        HttpContext http, Body<BuildImage> body, ImageBuild build, LocalNode node, Operations.Operations operations, Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(Faults);
        node.DemandRecipe(wanted.Recipe);
        var input = new ImageBuild.Input(Id<Image>.New(), wanted.Name ?? wanted.Recipe, wanted.Recipe);
        return await operations.BeginAsync(http, caller, wanted, options =>
            operations.BeginAsync(build, input, $"images/{input.Id}", input.Name, caller, options, ct));
    }

    private static Task<IResult> Delete(
        string image, HttpContext http, ImageStore store, ImageDeletion delete, Operations.Operations operations, Caller caller, CancellationToken ct) =>
        operations.BeginAsync(http, caller, null, async options =>
        {
            var found = await store.GetReadyAsync(image, ct);
            return await operations.BeginAsync(delete, new(found.Id), $"images/{found.Id}", found.Name, caller, options, ct);
        });

    private static IEnumerable<Fault> Faults(BuildImage body)
    {
        if (body.Name is not null && !Limits.IsName(body.Name))
        {
            yield return new("$.name", $"a name has 1 to {Limits.NameLength} of a-z, 0-9 and '-', and neither begins nor ends with '-'");
        }
    }
}
