using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Pools;
using Gantry.Daemon.Quotas;
using Gantry.Daemon.Snapshots;
using Gantry.Daemon.Tests.Instances;
using Gantry.Daemon.Tests.Operations;
using Gantry.Daemon.Tests.Snapshots;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Quotas;

/// <summary>The suite of all operations on the enforcement of an instance's quota of one snapshot, of which it has two; its deletions are done in place.</summary>
public sealed class QuotaEnforcementConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    private readonly NodeIdentity _identity = new(Id<NodeInfo>.New(), "here");

    internal override OperationRig NewRig() => new SnapshotRig<QuotaEnforcement.Input>(
        Database, "one, two after one; current two; disk of 1 MiB; Running", "two; current two; disk of 1 MiB; Running",
        (world, _) => new QuotaEnforcement(
            StoreOf(world), new(world.Db, TimeProvider.System), new(world.Db, world.Node, _identity, TimeProvider.System), (wanted, _, ct) => DeleteAsync(world, wanted, ct), new(), TimeProvider.System),
        rig => new(QuotaScope.Instance, rig.Instance.Value, "instance:of-the-test"), two: true, target: QuotaEnforcement.Target, given: GivenAsync);

    private Task GivenAsync(InstanceWorld world) => world.Db.InTransactionAsync(async transaction =>
    {
        var store = StoreOf(world);
        await store.SetAsync(transaction, await store.GetAsync(new(QuotaScope.Instance, world.Spec.Id.Value, "instance:of-the-test"), default), new(MaxCount: 1, Policy: QuotaPolicy.Oldest));
    }, default);

    private QuotaStore StoreOf(InstanceWorld world) =>
        new(world.Db, world.Store, new PoolStore(world.Db, _identity, world.Node.Context.Root, TimeProvider.System), _identity, TimeProvider.System);

    private static async Task<Problem?> DeleteAsync(InstanceWorld world, SnapshotRemoval wanted, CancellationToken ct)
    {
        await world.Node.DeleteSnapshotAsync(wanted.Instance, wanted.Id, _ => { }, ct);
        await world.Db.InTransactionAsync(transaction => SnapshotStore.DeleteAsync(transaction, wanted.Id), ct);
        return null;
    }
}
