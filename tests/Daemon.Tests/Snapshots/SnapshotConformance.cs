using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Snapshots;
using Gantry.Daemon.Tests.Instances;
using Gantry.Daemon.Tests.Operations;
using Gantry.Daemon.Tests.Support;

namespace Gantry.Daemon.Tests.Snapshots;

/// <summary>The suite of all operations on those of snapshots, on the simulator with real disks: the table, the node's folders and its pools must agree, whatever happens.</summary>
public sealed class SnapshotCreationConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new SnapshotRig<SnapshotCreation.Input>(
        Database, "one; current one; disk of 1 MiB; Running", "one, two after one; current two; disk of 1 MiB; Running",
        (w, s) => new SnapshotCreation(s, w.Store, new(), w.Node, (_, _, _, _) => Task.CompletedTask), r => new(r.Two, r.Instance, new("two", Memory: true)));
}

/// <summary>Of a running instance, whose disk has grown since.</summary>
public sealed class SnapshotRestorationConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new SnapshotRig<SnapshotRestoration.Input>(
        Database, "one, two after one; current two; disk of 2 MiB; Running", "one, two after one; current one; disk of 1 MiB; Stopped",
        (w, s) => new SnapshotRestoration(s, w.Store, w.States, new(), w.Node), r => new(r.One, r.Instance, "one", r.Sha256, Stop: true, Start: false), two: true, grown: true);
}

/// <summary>Of one with memory, from which it goes on.</summary>
public sealed class SnapshotMemoryRestorationConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new SnapshotRig<SnapshotRestoration.Input>(
        Database, "one, two after one; current two; disk of 1 MiB; Running", "one, two after one; current one; disk of 1 MiB; Running",
        (w, s) => new SnapshotRestoration(s, w.Store, w.States, new(), w.Node), r => new(r.One, r.Instance, "one", r.Sha256, Stop: true, Start: false, Memory: true), two: true);
}

public sealed class SnapshotDeletionConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new SnapshotRig<SnapshotDeletion.Input>(
        Database, "one, two after one; current two; disk of 1 MiB; Running", "two; current two; disk of 1 MiB; Running",
        (w, _) => new SnapshotDeletion(w.Store, new(), w.Node, TimeProvider.System), r => new(r.One, r.Instance, "one"), two: true);
}

public sealed class SnapshotVerificationConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new SnapshotRig<SnapshotVerification.Input>(
        Database, "one; current one; disk of 1 MiB; Running", "one; current one; disk of 1 MiB; Running",
        (w, _) => new SnapshotVerification(new(), w.Node), r => new(r.One, r.Instance, "one", r.Sha256));
}

/// <param name="two">There is a second snapshot, after the first.</param>
/// <param name="grown">The disk has grown after that.</param>
/// <param name="target">What the operation changes; null for the instance.</param>
/// <param name="given">What there is besides.</param>
internal sealed class SnapshotRig<TInput>(
    string database, string before, string after, Func<InstanceWorld, SnapshotStore, OperationType<TInput>> type, Func<SnapshotRig<TInput>, TInput> input, bool two = false, bool grown = false,
    string? target = null, Func<InstanceWorld, Task>? given = null)
    : OperationRig
{
    private readonly InstanceWorld _world = new(database, disk: true);
    private OperationType<TInput>? _type;

    public Id<Snapshot> One { get; } = Id<Snapshot>.New();

    public Id<Snapshot> Two { get; } = Id<Snapshot>.New();

    public Id<Instance> Instance => _world.Spec.Id;

    public string? Sha256 { get; private set; }

    public override OperationType Type => _type ??= type(_world, Store);

    private SnapshotStore Store => field ??= new(_world.Db, TimeProvider.System);

    public override async Task<Operation> BeginAsync(TestDaemon daemon)
    {
        await _world.GivenAsync(InstanceState.Running);
        Sha256 = await TakeAsync(One, "one");
        if (two)
        {
            await TakeAsync(Two, "two");
        }

        if (grown)
        {
            // What the simulator runs is not made larger.
            await _world.Node.StopAsync(Instance, default);
            await _world.Node.GrowDiskAsync(Instance, "root", 2 * Limits.MiB, default);
            await _world.Node.StartAsync(Instance, default);
        }

        await (given?.Invoke(_world) ?? Task.CompletedTask);
        (await PictureAsync()).ShouldBe(before);
        return await daemon.Operations.BeginAsync((OperationType<TInput>)Type, input(this), target ?? $"instances/{Instance}", _world.Spec.Name, Caller.System, BeginOptions.Default, default);
    }

    public override async Task<IReadOnlyList<string>> LeftoversAsync(TestDaemon daemon) => await PictureAsync() is var picture && picture == before ? [] : [picture];

    public override async Task<IReadOnlyList<string>> MissingAsync(TestDaemon daemon) => await PictureAsync() is var picture && picture == after ? [] : [picture];

    public override async ValueTask DisposeAsync()
    {
        await _world.DisposeAsync();
        await base.DisposeAsync();
    }

    private async Task<string> TakeAsync(Id<Snapshot> id, string name)
    {
        var (record, sha256) = await _world.Node.TakeSnapshotAsync(Instance, id, default, new(Memory: true));
        await _world.Db.InTransactionAsync(async transaction =>
        {
            await Store.InsertAsync(transaction, id, Instance, _world.Spec.Name, new(name), record.State, null);
            await Store.SetTakenAsync(transaction, id, Instance, record.TakenAt, record.State, record.Level, sha256, record.Memory?.Bytes);
        }, default);
        return sha256;
    }

    /// <summary>What the table says, once the node is found to say the same.</summary>
    private async Task<string> PictureAsync()
    {
        var instance = await _world.Store.GetAsync(Instance.ToString(), default);
        var listed = (await Store.ListAsync(Instance, new(100, null, null), default)).Items;
        var ids = listed.Select(s => s.Id).OrderBy(i => i.Value).ToList();
        var pool = (await _world.Node.Context.Pools.Of(null).SnapshotsAsync(Instance.ToString(), default)).Keys.OrderBy(i => i.Value).ToList();
        var kept = Directory.GetDirectories($"{_world.Node.Context.Folders.Data(Instance)}/snapshots").Select(d => Id<Snapshot>.Parse(Path.GetFileName(d))).OrderBy(i => i.Value).ToList();
        foreach (var snapshot in listed)
        {
            await _world.Node.DemandRestorableAsync(Instance, snapshot.Id, snapshot.Sha256, default);
        }

        var disk = await _world.Node.Context.Pools.Of(null).FindAsync(new(Instance.ToString(), "root"), default);
        var state = (await _world.Node.InspectAsync(Instance, default)).State;
        var node = _world.Node.DiskSizes(Instance)["root"];
        return !ids.SequenceEqual(pool) || !ids.SequenceEqual(kept) ? $"{ids.Count} in the table, {pool.Count} in the pool, {kept.Count} in folders"
            : state != instance.State ? $"row {instance.State}, node {state}"
            : disk.SizeBytes != node ? $"disk of {disk.SizeBytes}, specified with {node}"
            : $"{string.Join(", ", listed.OrderBy(s => s.Name).Select(s => s.Parent is null ? s.Name : $"{s.Name} after {s.Parent}"))}; current {listed.SingleOrDefault(s => s.Current)?.Name}; disk of {node / Limits.MiB} MiB; {state}";
    }
}
