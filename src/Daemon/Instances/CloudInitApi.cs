using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Instances;

/// <summary>The routes of an instance's cloud-init. User-data may hold secrets: they are for those who may configure the instance.</summary>
internal static class CloudInitApi
{
    public static void Map(IEndpointRouteBuilder one)
    {
        one.MapGet("/cloud-init", Get).Produces<CloudInit>().Requires(Privilege.InstanceConfigure);
        one.MapPut("/cloud-init", Put).Produces<Operation>(202).Requires(Privilege.InstanceConfigure);
        one.MapDelete("/cloud-init", Delete).Produces<Operation>(202).Requires(Privilege.InstanceConfigure);
    }

    private static async Task<CloudInit> Get(string instance, HttpContext http, InstanceStore store, CancellationToken ct)
    {
        var found = await store.GetAsync(instance, ct);
        http.Response.Headers.ETag = found.Etag;
        return CloudInitPasswords.Shown((await store.CloudInitAsync(found.Id, ct) ?? throw CloudInitErrors.None(found.Name)).Settings)!;
    }

    private static Task<IResult> Put(
        string instance, HttpContext http, Body<CloudInit> body, InstanceStore store, CloudInitChange change, Operations.Operations operations, Caller caller, CancellationToken ct) =>
        operations.BeginAsync(http, caller, CloudInitPasswords.Said(body.Value, http.Request, "$"), async options =>
        {
            var found = await InstanceApi.FindAsync(instance, http, store, ct);
            var before = (await store.CloudInitAsync(found.Id, ct))?.Settings;
            var hashed = CloudInitPasswords.Kept(CloudInitPasswords.Hashed(body.Value, "$")!, before);
            var wanted = new Body<CloudInit>(hashed).Checked(settings => CloudInitRules.Faults(settings, found.Kind, "$"));
            DemandNics(wanted, found.Name, found.Nics);
            return await BeginAsync(operations, change, found, wanted, caller, options, ct);
        });

    private static Task<IResult> Delete(
        string instance, HttpContext http, InstanceStore store, CloudInitChange change, Operations.Operations operations, Caller caller, CancellationToken ct) =>
        operations.BeginAsync(http, caller, null, async options =>
        {
            var found = await InstanceApi.FindAsync(instance, http, store, ct);
            return found.CloudInit is null && !options.Queue ? throw CloudInitErrors.None(found.Name) : await BeginAsync(operations, change, found, null, caller, options, ct);
        });

    /// <exception cref="Refusal"><c>cloud_init.unknown_nic</c></exception>
    public static void DemandNics(CloudInit? settings, string instance, IReadOnlyList<Nic>? nics)
    {
        if ((settings?.Nics ?? []).FirstOrDefault(wanted => nics?.Any(n => n.Name == wanted.Name) != true) is { } unknown)
        {
            throw CloudInitErrors.UnknownNic(instance, unknown.Name);
        }
    }

    private static Task<Operation> BeginAsync(
        Operations.Operations operations, CloudInitChange change, Instance instance, CloudInit? settings, Caller caller, BeginOptions options, CancellationToken ct)
    {
        if (!options.Queue && instance.State is not (InstanceState.Stopped or InstanceState.Running or InstanceState.Paused))
        {
            throw InstanceErrors.WrongStateFor("cloud-init", instance.Name, instance.State);
        }

        return operations.BeginAsync(change, new(instance.Id, settings), $"instances/{instance.Id}", instance.Name, caller, options, ct);
    }
}
