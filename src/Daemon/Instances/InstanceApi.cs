using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Instances;

internal static class InstanceApi
{
    private const int DefaultTail = 256 << 10;

    public static void MapInstances(this IEndpointRouteBuilder api)
    {
        var instances = api.MapGroup("/instances").WithTags("Instances");
        instances.MapGet("/", List).Produces<Page<Instance>>().Requires(Privilege.InstanceAudit);
        instances.MapPost("/", Create).Produces<InstancePreview>().Produces<Operation>(202).Requires(Privilege.InstanceAllocate);

        // It may delete, so it asks for what deleting asks for.
        api.MapPost("/instances:batch", InstanceBatch.RunAsync).Produces<BatchResults>().WithTags("Instances").Requires(Privilege.InstanceAllocate);

        var one = instances.MapGroup("/{instance}");
        one.MapGet("/", Get).Produces<Instance>().Requires(Privilege.InstanceAudit);
        one.MapDelete("/", Delete).Produces<Operation>(202).Requires(Privilege.InstanceAllocate);
        one.MapGet("/state", State).Produces<InstanceStateAnswer>().Requires(Privilege.InstanceAudit);
        one.MapGet("/logs", Logs).Produces<SerialOutput>().Requires(Privilege.InstanceConsole);
        one.MapGet("/command-line", CommandLine).Produces<DriverCommandLine>().Requires(Privilege.InstanceAudit);
        one.MapPost("/shutdown", Shutdown).Produces<Operation>(202).Requires(Privilege.InstancePower);
        foreach (var action in (InstanceAction[])[InstanceAction.Start, InstanceAction.Stop, InstanceAction.Pause, InstanceAction.Resume, InstanceAction.Reset])
        {
            one.MapPost($"/{action.ToString().ToLowerInvariant()}", Act(action)).Produces<Operation>(202).Requires(Privilege.InstancePower);
        }

        InstanceChanges.Map(one);
        NicApi.Map(one);
        VolumeApi.Map(one);
        CloudInitApi.Map(one);
    }

    private static async Task List(HttpContext http, Paging paging, InstanceStore store, InstancePages pages)
    {
        var json = await pages.GetAsync(http.Request.QueryString.Value ?? "", async () =>
            Fields.Write(await store.ListAsync(paging, http.RequestAborted), http.Request.Query["fields"].ToString(), WireJson.Default.PageInstance));
        http.Response.ContentType = "application/json; charset=utf-8";
        http.Response.ContentLength = json.Length;
        await http.Response.Body.WriteAsync(json, http.RequestAborted);
    }

    private static async Task<IResult> Create(
        HttpContext http, Body<CreateInstance> body, InstancePlan plan, InstanceCreation creation, Operations.Operations operations, Caller caller, CancellationToken ct,
        bool dryRun = false)
    {
        var said = body.Value with { CloudInit = CloudInitPasswords.Said(body.Value.CloudInit, http.Request) };
        var wanted = body.Value with { CloudInit = CloudInitPasswords.Hashed(body.Value.CloudInit) };
        return dryRun ? TypedResults.Ok(await plan.PreviewAsync(wanted, ct)) : await operations.BeginAsync(http, caller, said, async options =>
        {
            var input = await plan.ResolveAsync(wanted, ct);
            return await operations.BeginAsync(creation, input, $"instances/{input.Spec.Id}", wanted.Name, caller, options, ct);
        });
    }

    private static async Task<Instance> Get(string instance, HttpContext http, InstanceStore store, LocalNode node, CancellationToken ct)
    {
        var found = await store.GetAsync(instance, ct);
        http.Response.Headers.ETag = found.Etag;
        return found.State is InstanceState.Running or InstanceState.Paused
            ? found with { Observed = (await node.InspectAsync(found.Id, ct)).Observed }
            : found;
    }

    private static async Task<InstanceStateAnswer> State(string instance, InstanceStore store, CancellationToken ct) =>
        await store.GetAsync(instance, ct) is var found ? new(found.State, found.StateSince, found.StateReason, found.StopCause, found.PauseCause) : throw new InvalidOperationException();

    private static Func<string, HttpContext, InstanceStore, InstanceActor, Operations.Operations, Caller, CancellationToken, Task<IResult>> Act(InstanceAction action) =>
        (instance, http, store, actor, operations, caller, ct) => operations.BeginAsync(http, caller, null, async options =>
            await actor.BeginAsync(await FindAsync(instance, http, store, ct), action, caller, options, ct));

    private static async Task<IResult> Shutdown(
        string instance, HttpContext http, Body<ShutdownInstance> body, InstanceStore store, InstanceActor actor, Operations.Operations operations,
        Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(InstanceBatch.TimeoutFaults);
        return await operations.BeginAsync(http, caller, wanted, async options => await actor.BeginAsync(
            await FindAsync(instance, http, store, ct), InstanceAction.Shutdown, caller, options, ct, timeoutSeconds: wanted.TimeoutSeconds));
    }

    private static Task<IResult> Delete(
        string instance, HttpContext http, InstanceStore store, InstanceActor actor, Operations.Operations operations, Caller caller, CancellationToken ct,
        bool force = false) =>
        operations.BeginAsync(http, caller, force, async options =>
            await actor.BeginAsync(await FindAsync(instance, http, store, ct), InstanceAction.Delete, caller, options, ct, force));

    private static async Task<SerialOutput> Logs(
        string instance, InstanceStore store, LocalNode node, CancellationToken ct, int tail = DefaultTail, long? since = null, bool timestamps = false) =>
        tail is < 1 or > Limits.LogBytes ? throw Refusal.Invalid("request.tail", $"tail is {tail}.", $"Give a number of bytes from 1 to {Limits.LogBytes}.")
        : since < 0 ? throw Refusal.Invalid("request.since", $"since is {since}.", "Give the `end` of an answer before, or 0 for all that is kept.")
        : await node.ReadSerialAsync((await store.GetAsync(instance, ct)).Id, tail, ct, since, timestamps);

    private static async Task<DriverCommandLine> CommandLine(string instance, InstanceStore store, LocalNode node, CancellationToken ct) =>
        await node.CommandLineAsync((await store.GetAsync(instance, ct)).Id, ct);

    /// <summary>The instance, unchanged since the caller read it if they say what they read (<c>If-Match</c>).</summary>
    internal static async Task<Instance> FindAsync(string instance, HttpContext http, InstanceStore store, CancellationToken ct)
    {
        var found = await store.GetAsync(instance, ct);
        return IfMatch.Fits(http, found.Etag) ? found : throw InstanceErrors.Changed(found.Name);
    }
}
