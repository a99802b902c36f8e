using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Gantry.Node.Host;

namespace Gantry.Daemon.Snapshots;

/// <summary>The routes of an instance's snapshots.</summary>
internal static class SnapshotApi
{
    /// <summary>A pool that does not answer keeps nobody from seeing what there is.</summary>
    private static readonly TimeSpan SizesWithin = TimeSpan.FromSeconds(2);

    public static void MapSnapshots(this IEndpointRouteBuilder api)
    {
        var snapshots = api.MapGroup("/instances/{instance}/snapshots").WithTags("Snapshots");
        snapshots.MapGet("/", List).Produces<Page<Snapshot>>().Requires(Privilege.InstanceAudit);
        snapshots.MapPost("/", Create).Produces<Operation>(202).Requires(Privilege.InstanceSnapshot);
        snapshots.MapGet("/{snapshot}", Get).Produces<Snapshot>().Requires(Privilege.InstanceAudit);
        snapshots.MapPatch("/{snapshot}", Patch).Produces<Snapshot>().Requires(Privilege.InstanceSnapshot);
        snapshots.MapDelete("/{snapshot}", Delete).Produces<Operation>(202).Requires(Privilege.InstanceSnapshot);
        snapshots.MapPost("/{snapshot}/restore", Restore).Produces<Operation>(202).Requires(Privilege.InstanceSnapshot);
        snapshots.MapPost("/{snapshot}/verify", Verify).Produces<Operation>(202).Requires(Privilege.InstanceSnapshot);
    }

    private static async Task<IResult> List(
        string instance, HttpContext http, Paging paging, InstanceStore instances, SnapshotStore store, LocalNode node, TimeProvider time, CancellationToken ct)
    {
        var found = await instances.GetAsync(instance, ct);
        var page = await store.ListAsync(found.Id, paging, ct);
        var sizes = page.Items.Count == 0 ? null : await SizesAsync(node, found.Id, time, ct);
        return http.Answer(new Page<Snapshot>([.. page.Items.Select(s => s.ToWire(SizeOf(sizes, s.Id)))], page.NextCursor), WireJson.Default.PageSnapshot);
    }

    private static async Task<Snapshot> Get(
        string instance, string snapshot, HttpContext http, InstanceStore instances, SnapshotStore store, LocalNode node, TimeProvider time, CancellationToken ct)
    {
        var found = await store.GetAsync(await instances.GetAsync(instance, ct), snapshot, ct);
        http.Response.Headers.ETag = found.Etag;
        return found.ToWire(SizeOf(await SizesAsync(node, found.Instance, time, ct), found.Id));
    }

    private static async Task<IResult> Create(
        string instance, HttpContext http, Body<CreateSnapshot> body, SnapshotTaking taking, InstanceStore instances, Operations.Operations operations, Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(SnapshotRules.Faults);
        return await operations.BeginAsync(http, caller, wanted, async options =>
        {
            var found = await instances.GetAsync(instance, ct);
            if (!options.Queue)
            {
                SnapshotRules.DemandAtRest(found.Name, found.State, "a snapshot");
                SnapshotRules.DemandMemory(found.Name, found.State, wanted);
            }

            return await taking.BeginAsync(found, wanted, schedule: null, caller, options, ct);
        });
    }

    private static async Task<Snapshot> Patch(
        string instance, string snapshot, MergePatch<ChangeSnapshot> patch, HttpContext http, InstanceStore instances, SnapshotStore store, LocalNode node, Db db, EventLog events,
        Caller caller, TimeProvider time, CancellationToken ct)
    {
        while (true)
        {
            var (owner, found) = await FindAsync(instance, snapshot, http, instances, store, ct);
            var wanted = patch.Applied(new(found.Name, found.Description, found.Protected, found.KeepUntil), SnapshotRules.Faults);
            if (await db.InTransactionAsync(async transaction => await SnapshotStore.ChangeAsync(transaction, found, wanted)
                && await TellAsync(transaction), ct))
            {
                return await Get(owner.Id.ToString(), found.Id.ToString(), http, instances, store, node, time, ct);
            }

            async Task<bool> TellAsync(Npgsql.NpgsqlTransaction transaction)
            {
                await events.AppendAsync(transaction, EventTypes.SnapshotUpdated, $"snapshots/{found.Id}", caller.Name, caller.RequestId,
                    new { name = wanted.Name, instance = $"{owner.Id}", instanceName = owner.Name });
                return true;
            }
        }
    }

    private static async Task<IResult> Restore(
        string instance, string snapshot, HttpContext http, Body<RestoreSnapshot> body, SnapshotRestoration restore, InstanceStore instances, SnapshotStore store,
        Operations.Operations operations, Caller caller, CancellationToken ct)
    {
        var wanted = body.Value;
        return await operations.BeginAsync(http, caller, wanted, async options =>
        {
            var (owner, found) = await FindAsync(instance, snapshot, http, instances, store, ct);
            if (!options.Queue)
            {
                SnapshotRules.DemandRestorable(owner.Name, owner.State, wanted.Stop);
            }

            var memory = found.MemoryBytes is not null && !wanted.NoMemory;
            return wanted.Pause && !memory ? throw SnapshotErrors.NoMemory(found.Name)
                : await operations.BeginAsync(restore, new(found.Id, owner.Id, found.Name, found.Sha256, wanted.Stop, wanted.Start, memory, wanted.Pause), owner, caller, options, ct);
        });
    }

    private static Task<IResult> Verify(
        string instance, string snapshot, HttpContext http, SnapshotVerification verify, InstanceStore instances, SnapshotStore store, Operations.Operations operations, Caller caller,
        CancellationToken ct) =>
        operations.BeginAsync(http, caller, null, async options =>
        {
            var (owner, found) = await FindAsync(instance, snapshot, http, instances, store, ct);
            return await operations.BeginAsync(verify, new(found.Id, owner.Id, found.Name, found.Sha256), owner, caller, options, ct);
        });

    private static Task<IResult> Delete(
        string instance, string snapshot, HttpContext http, SnapshotDeletion delete, InstanceStore instances, SnapshotStore store, Operations.Operations operations, Caller caller,
        Db db, TimeProvider time, CancellationToken ct) =>
        operations.BeginAsync(http, caller, null, async options =>
        {
            var (owner, found) = await FindAsync(instance, snapshot, http, instances, store, ct);
            if (!options.Queue)
            {
                SnapshotRules.DemandAtRest(owner.Name, owner.State, "deleting a snapshot");
            }

            if (await db.WithAsync(connection => SnapshotProtection.ReasonAsync(connection, null, found.Id, time.GetUtcNow()), ct) is { } reason)
            {
                throw SnapshotErrors.Protected(found.Name, reason);
            }

            return await operations.BeginAsync(delete, new(found.Id, owner.Id, found.Name), owner, caller, options, ct);
        });

    /// <summary>The snapshot with its instance, unchanged since the caller read it if they say what they read (<c>If-Match</c>).</summary>
    private static async Task<(Instance Instance, StoredSnapshot Snapshot)> FindAsync(
        string instance, string snapshot, HttpContext http, InstanceStore instances, SnapshotStore store, CancellationToken ct)
    {
        var owner = await instances.GetAsync(instance, ct);
        var found = await store.GetAsync(owner, snapshot, ct);
        return IfMatch.Fits(http, found.Etag) ? (owner, found) : throw SnapshotErrors.Changed(found.Name);
    }

    /// <returns>Null when they could not be told in time.</returns>
    internal static async Task<IReadOnlyDictionary<Id<Snapshot>, long>?> SizesAsync(LocalNode node, Id<Instance> instance, TimeProvider time, CancellationToken ct)
    {
        try
        {
            return await node.SnapshotSizesAsync(instance, ct).WaitAsync(SizesWithin, time, ct);
        }
        catch (Exception e) when (e is Refusal or CommandFailed or TimeoutException or IOException)
        {
            return null;
        }
    }

    internal static long? SizeOf(IReadOnlyDictionary<Id<Snapshot>, long>? sizes, Id<Snapshot> id) => sizes is not null && sizes.TryGetValue(id, out var bytes) ? bytes : null;
}
