using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Networks;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Instances;

/// <summary>The routes that change an instance: what people note about it, its name, its size; and its restart.</summary>
internal static class InstanceChanges
{
    public static void Map(IEndpointRouteBuilder one)
    {
        one.MapPatch("/", Patch).Produces<Instance>().Requires(Privilege.InstanceConfigure);
        one.MapPost("/restart", Restart).Produces<Operation>(202).Requires(Privilege.InstancePower);
        one.MapPost("/rename", Rename).Produces<Operation>(202).Requires(Privilege.InstanceConfigure);
        one.MapPost("/resize", Resize).Produces<Operation>(202).Requires(Privilege.InstanceConfigure);
    }

    private static async Task<Instance> Patch(
        string instance, HttpContext http, MergePatch<ChangeInstance> patch, InstanceStore store, NetworkStore networks, EventLog events, Db db, Caller caller, CancellationToken ct)
    {
        while (true)
        {
            var found = await InstanceApi.FindAsync(instance, http, store, ct);
            var before = new ChangeInstance(found.Description, found.Labels, found.AutoStart, found.Template);
            var after = patch.Applied(before, InstanceRules.Faults);
            var changed = Changed(before, after).ToList();
            if (after.Template == true && !found.Template && found.State != InstanceState.Stopped)
            {
                throw InstanceErrors.NoTemplate(found.Name, found.State);
            }

            if (changed.Count == 0 || await db.InTransactionAsync(async tx => await store.SetAsync(tx, found, after) && await TellAsync(tx), ct))
            {
                var now = changed.Count == 0 ? found : await store.GetAsync(found.Id.ToString(), ct);
                http.Response.Headers.ETag = now.Etag;
                return now;
            }

            async Task<bool> TellAsync(Npgsql.NpgsqlTransaction tx)
            {
                await networks.TouchOfAsync(tx, found.Id); // policies choose by labels
                await events.AppendAsync(tx, EventTypes.InstanceChanged, $"instances/{found.Id}", caller.Name, caller.RequestId, new { fields = changed });
                return true;
            }
        }
    }

    private static IEnumerable<string> Changed(ChangeInstance before, ChangeInstance after)
    {
        if (before.Description != after.Description)
        {
            yield return "description";
        }

        var labels = after.Labels ?? new Dictionary<string, string>();
        if (before.Labels!.Count != labels.Count || before.Labels.Except(labels).Any())
        {
            yield return "labels";
        }

        if (before.AutoStart != (after.AutoStart ?? false))
        {
            yield return "autoStart";
        }

        if (before.Template != (after.Template ?? false))
        {
            yield return "template";
        }
    }

    private static async Task<IResult> Restart(
        string instance, HttpContext http, Body<RestartInstance> body, InstanceStore store, InstanceActor actor, Operations.Operations operations,
        Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(value => InstanceBatch.TimeoutFaults(new(value.TimeoutSeconds)));
        return await operations.BeginAsync(http, caller, wanted, async options => await actor.BeginAsync(
            await InstanceApi.FindAsync(instance, http, store, ct), InstanceAction.Restart, caller, options, ct, wanted.Force, wanted.TimeoutSeconds));
    }

    private static async Task<IResult> Rename(
        string instance, HttpContext http, Body<RenameInstance> body, InstanceStore store, InstanceActor actor, Operations.Operations operations,
        Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(value => TextRules.Name("$.name", value.Name));
        return await operations.BeginAsync(http, caller, wanted, async options => await actor.RenameAsync(
            await InstanceApi.FindAsync(instance, http, store, ct), wanted.Name, caller, options, ct));
    }

    private static async Task<IResult> Resize(
        string instance, HttpContext http, Body<ResizeInstance> body, InstanceStore store, InstancePlan plan, InstanceActor actor, Operations.Operations operations,
        Caller caller, CancellationToken ct)
    {
        return await operations.BeginAsync(http, caller, body.Value, async options =>
        {
            var found = await InstanceApi.FindAsync(instance, http, store, ct);
            return await actor.ResizeAsync(found, body.Checked(value => InstanceRules.Faults(value, found.Kind, plan.Host)), caller, options, ct);
        });
    }
}
