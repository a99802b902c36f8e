using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Npgsql;

namespace Gantry.Daemon.Templates;

/// <summary>
/// A template is a row: it is changed at once, and what was made from it stays as it is. What it says to cloud-init may hold secrets:
/// it is for those who may change the template; the list only says that there is something.
/// </summary>
internal static class TemplateApi
{
    public static void MapTemplates(this IEndpointRouteBuilder api)
    {
        var templates = api.MapGroup("/templates").WithTags("Templates");
        templates.MapGet("/", List).Produces<Page<Template>>().Requires(Privilege.TemplateAudit);
        templates.MapPost("/", Create).Produces<Template>(201).Requires(Privilege.TemplateAllocate);
        templates.MapGet("/{template}", Get).Produces<Template>().Requires(Privilege.TemplateAllocate);
        templates.MapPatch("/{template}", Patch).Produces<Template>().Requires(Privilege.TemplateAllocate);
        templates.MapDelete("/{template}", Delete).Produces(204).Requires(Privilege.TemplateAllocate);
    }

    private static async Task<IResult> List(HttpContext http, Paging paging, TemplateStore store, CancellationToken ct) =>
        http.Answer(await store.ListAsync(paging, ct), WireJson.Default.PageTemplate);

    private static async Task<Template> Get(string template, HttpContext http, TemplateStore store, CancellationToken ct) => Shown(http, await store.GetAsync(template, ct));

    private static async Task<IResult> Create(
        HttpContext http, Body<CreateTemplate> body, TemplateStore store, TemplateSources sources, EventLog events, Db db, Caller caller, CancellationToken ct)
    {
        var options = OperationResults.BeginOptionsOf(http.Request, Said(body.Value, http.Request));
        var made = await store.FindAsync(caller, options.IdempotencyKey, options.RequestHash, ct) ?? await MakeAsync();
        return TypedResults.Created($"{ApiClient.Base}/templates/{made.Id}", Shown(http, made));

        async Task<StoredTemplate> MakeAsync()
        {
            var template = await sources.NewAsync(body, ct);
            var inserted = await db.InTransactionAsync(async transaction =>
            {
                var free = await store.InsertAsync(transaction, template, caller, options.IdempotencyKey, options.RequestHash);
                return free && await TellAsync(events, transaction, EventTypes.TemplateCreated, template.Id, template.Name, caller);
            }, ct);
            return inserted ? await store.GetAsync(template.Id.ToString(), ct)
                : await store.FindAsync(caller, options.IdempotencyKey, options.RequestHash, ct) ?? throw TemplateErrors.NameTaken(template.Name);
        }
    }

    private static async Task<Template> Patch(
        string template, HttpContext http, MergePatch<ChangeTemplate> patch, TemplateStore store, LocalNode node, EventLog events, Db db, Caller caller, CancellationToken ct)
    {
        while (true)
        {
            var found = await FindOwnAsync(template, http, store, ct);
            var wanted = Kept(patch.Applied(
                new() { Name = found.Name, Description = found.Description, Settings = found.Settings }, changed => TemplateRules.Faults(Kept(changed), found, node.Host)));
            if (wanted.Name != found.Name && BuiltInTemplates.All.ContainsKey(wanted.Name))
            {
                throw TemplateErrors.NameReserved(wanted.Name);
            }

            wanted = wanted with { Settings = CloudInitPasswords.Hashed(wanted.Settings ?? new(), "$.settings.cloudInit") };
            if (await db.InTransactionAsync(async transaction =>
                await store.UpdateAsync(transaction, found, wanted) && await TellAsync(events, transaction, EventTypes.TemplateUpdated, found.Id, wanted.Name, caller), ct))
            {
                return Shown(http, await store.GetAsync(found.Id.ToString(), ct));
            }

            ChangeTemplate Kept(ChangeTemplate changed) => changed.Settings?.CloudInit is not { } said ? changed
                : changed with { Settings = changed.Settings with { CloudInit = CloudInitPasswords.Kept(said, found.Settings.CloudInit) } };
        }
    }

    /// <summary>What an idempotency key stands for.</summary>
    private static CreateTemplate Said(CreateTemplate body, HttpRequest request) =>
        body.Settings?.CloudInit is { } cloudInit ? body with { Settings = body.Settings with { CloudInit = CloudInitPasswords.Said(cloudInit, request, "$.settings.cloudInit") } } : body;

    private static async Task<IResult> Delete(string template, HttpContext http, TemplateStore store, EventLog events, Db db, Caller caller, CancellationToken ct)
    {
        while (true)
        {
            var found = await FindOwnAsync(template, http, store, ct);
            if (await db.InTransactionAsync(async transaction =>
                await store.DeleteAsync(transaction, found) && await TellAsync(events, transaction, EventTypes.TemplateDeleted, found.Id, found.Name, caller), ct))
            {
                return TypedResults.NoContent();
            }
        }
    }

    /// <summary>The template, which is not part of Gantry and, if the caller says what they read (<c>If-Match</c>), unchanged since.</summary>
    private static async Task<StoredTemplate> FindOwnAsync(string template, HttpContext http, TemplateStore store, CancellationToken ct)
    {
        var found = await store.GetAsync(template, ct);
        return found.IsBuiltIn ? throw TemplateErrors.BuiltIn(found.Name)
            : IfMatch.Fits(http, found.Etag) ? found : throw TemplateErrors.Changed(found.Name);
    }

    private static async Task<bool> TellAsync(EventLog events, NpgsqlTransaction transaction, string type, Id<Template> id, string name, Caller caller)
    {
        await events.AppendAsync(transaction, type, $"templates/{id}", caller.Name, caller.RequestId, new { name });
        return true;
    }

    private static Template Shown(HttpContext http, StoredTemplate template)
    {
        http.Response.Headers.ETag = template.Etag;
        return template.ToWire();
    }
}
