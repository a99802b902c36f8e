using System.Globalization;
using Gantry.Contracts;
using Gantry.Daemon.Clones;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Tests.Instances;
using Gantry.Daemon.Tests.Operations;
using Gantry.Daemon.Tests.Support;
using Gantry.Node.Pools;
using Gantry.Node.Snapshots;

namespace Gantry.Daemon.Tests.Clones;

/// <summary>The suite of all operations on a copy of an instance, started, on the simulator with real disks.</summary>
public sealed class InstanceCloningConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new CloneRig<InstanceCloning.Input>(
        Database, "source: 0 snapshots", "source: 0 snapshots; clone: Running, 1 layer, eth0", w => new InstanceCloning(new(w.Db, TimeProvider.System), w.Store, w.States, w.Nics, w.Events, w.Node), r => r.Cloning(linked: false, startNow: true));
}

/// <summary>And of a linked clone.</summary>
public sealed class LinkedCloningConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new CloneRig<InstanceCloning.Input>(
        Database, "source: 0 snapshots", "source: 1 snapshots; clone: Stopped, 2 layers, tied by its own, eth0",
        w => new InstanceCloning(new(w.Db, TimeProvider.System), w.Store, w.States, w.Nics, w.Events, w.Node), r => r.Cloning(linked: true, startNow: false));
}

/// <summary>What was copied stays copied where it breaks off.</summary>
public sealed class InstancePromotionConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new CloneRig<InstancePromotion.Input>(
        Database, "source: 1 snapshots; clone: Running, 2 layers, tied by its own, eth0", "source: 0 snapshots; clone: Running, 1 layer, eth0",
        w => new InstancePromotion(w.Store, w.Events, w.Node), r => new(r.Clone, r.Tie), "source: 1 snapshots; clone: Running, 1 layer, tied by its own, eth0");
}

/// <summary>A linked clone goes with the snapshot that was taken for it.</summary>
public sealed class LinkedCloneDeletionConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new CloneRig<InstanceDeletion.Input>(
        Database, "source: 1 snapshots; clone: Running, 2 layers, tied by its own, eth0", "source: 0 snapshots",
        w => new InstanceDeletion(w.Store, w.Nics, [], w.Events, w.Node), r => new(r.Clone, Force: true));
}

/// <param name="before">With a clone in it, one is made first.</param>
internal sealed class CloneRig<TInput>(
    string database, string before, string after, Func<InstanceWorld, OperationType<TInput>> type, Func<CloneRig<TInput>, TInput> input, string? alsoAfterFailure = null) : OperationRig
{
    private readonly InstanceWorld _world = new(database, nic: true, disk: true);
    private readonly Id<Snapshot> _snapshot = Id<Snapshot>.New();
    private OperationType<TInput>? _type;

    public Id<Instance> Clone { get; } = Id<Instance>.New();

    public CloneTie Tie => new(Source, _snapshot, Own: true, Linked: true);

    public override OperationType Type => _type ??= type(_world);

    private Id<Instance> Source => _world.Spec.Id;

    private IPool Pool => _world.Node.Context.Pools.Of(null);

    public InstanceCloning.Input Cloning(bool linked, bool startNow)
    {
        var mac = MachinePlan.MacOf(Clone, "eth0");
        var spec = _world.Spec with { Id = Clone, Name = $"{_world.Spec.Name}-clone", Nics = [_world.KeptNic("eth0") with { Mac = mac }] };
        return new(
            spec, _world.Details with { Machine = new() { Nics = [_world.Nic("eth0") with { Mac = mac }] } }, new(Source, _snapshot, null, linked, CopyTpm: false), _world.Spec.Name, null, Tied: linked, [], startNow);
    }

    public override async Task<Operation> BeginAsync(TestDaemon daemon)
    {
        await _world.GivenNetworkAsync();
        await _world.GivenAsync(InstanceState.Running);
        if (before.Contains("clone", StringComparison.Ordinal))
        {
            var (spec, details) = (Cloning(linked: true, startNow: false).Spec, Cloning(linked: true, startNow: false).Details);
            await _world.Node.TakeSnapshotAsync(Source, _snapshot, default);
            await _world.Node.CloneAsync(spec, new(Source, _snapshot, null, Linked: true, CopyTpm: false), _ => { }, default);
            await _world.Node.StartAsync(Clone, default);
            await _world.Db.InTransactionAsync(async transaction =>
            {
                await _world.Store.InsertAsync(transaction, spec, details);
                await _world.Nics.AllotAsync(transaction, new(spec, details, StartNow: false));
                await _world.Store.TieAsync(transaction, Clone, Tie);
                await _world.States.FollowAsync(transaction, Clone, Caller.System, default);
            }, default);
        }

        (await PictureAsync()).ShouldBe(before);
        return await daemon.Operations.BeginAsync((OperationType<TInput>)Type, input(this), $"instances/{Clone}", "clone", Caller.System, BeginOptions.Default, default);
    }

    public override async Task<IReadOnlyList<string>> LeftoversAsync(TestDaemon daemon) =>
        await PictureAsync() is var picture && (picture == before || picture == alsoAfterFailure) ? [] : [picture];

    public override async Task<IReadOnlyList<string>> MissingAsync(TestDaemon daemon) => await PictureAsync() is var picture && picture == after ? [] : [picture];

    public override async ValueTask DisposeAsync()
    {
        await _world.DisposeAsync();
        await base.DisposeAsync();
    }

    /// <summary>What the table says, once the node and its pool are found to say the same.</summary>
    private async Task<string> PictureAsync()
    {
        var folders = _world.Node.Context.Folders;
        var (inPool, snapshots) = ((await Pool.SnapshotsAsync($"{Source}", default)).Count, $"{folders.Data(Source)}/snapshots");
        var inFolder = Directory.Exists(snapshots) ? Directory.GetDirectories(snapshots).Length : 0;
        (await _world.Node.InspectAsync(Source, default)).State.ShouldBe(InstanceState.Running);
        var source = inPool == inFolder ? string.Create(CultureInfo.InvariantCulture, $"source: {inPool} snapshots") : $"source: {inPool} snapshots in its pool, {inFolder} in its folder";

        var owners = (await Pool.OwnersAsync(default)).Where(o => o != $"{Source}").ToList();
        var folder = Directory.Exists(folders.Data(Clone));
        Instance row;
        try
        {
            row = await _world.Store.GetAsync($"{Clone}", default);
        }
        catch (Refusal)
        {
            return owners.Count == 0 && !folder && await _world.Store.TieAsync(Clone, default) is null ? source : $"{source}; no row, disks of {string.Join(", ", owners)}, folder {folder}";
        }

        var (state, tie) = ((await _world.Node.InspectAsync(Clone, default)).State, await _world.Store.TieAsync(Clone, default));
        if (!owners.SequenceEqual([$"{Clone}"]) || state != row.State || (tie?.Linked == true) != (row.Parent is not null))
        {
            return $"{source}; row {row.State}, node {state}, disks of {string.Join(", ", owners)}, tie {tie}";
        }

        var layers = (await Pool.FindAsync(new($"{Clone}", "root"), default)).Layers.Count;
        return string.Create(CultureInfo.InvariantCulture,
            $"{source}; clone: {state}, {layers} layer{(layers == 1 ? "" : "s")}, {(tie is null ? "" : $"tied by {(tie.Own ? "its own" : "another's")}, ")}{string.Join(", ", (row.Nics ?? []).Select(n => n.Name))}");
    }
}
