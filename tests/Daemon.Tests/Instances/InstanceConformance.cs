using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Images;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Networks;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Pools;
using Gantry.Daemon.Tests.Operations;
using Gantry.Daemon.Tests.Support;
using Gantry.Node;
using Gantry.Node.Drivers;
using Gantry.Node.Instances;
using Gantry.Node.Networks;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Gantry.Daemon.Tests.Instances;

/// <summary>The suite of all operations on each of an instance's, on the simulator: row and node must agree, whatever happens.</summary>
public sealed class InstanceCreationConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new InstanceRig<InstanceCreation.Input>(
        Database, null, "Stopped with eth0", w => new InstanceCreation(w.Store, w.States, w.Nics, w.Events, w.Node), w => new(w.Spec, w.Details, StartNow: false), nic: true);
}

public sealed class InstanceLaunchConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new InstanceRig<InstanceCreation.Input>(
        Database, null, "Running with eth0", w => new InstanceCreation(w.Store, w.States, w.Nics, w.Events, w.Node), w => new(w.Spec, w.Details, StartNow: true), nic: true);
}

public sealed class InstanceStartConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new InstanceRig<InstanceStart.Input>(
        Database, "Stopped", "Running", w => new InstanceStart(w.States, w.Node), w => new(w.Spec.Id));
}

public sealed class InstanceStopConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new InstanceRig<InstanceStop.Input>(
        Database, "Running", "Stopped", w => new InstanceStop(w.States, w.Node), w => new(w.Spec.Id));
}

public sealed class InstanceShutdownConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    // A guest that has shut down does not come back by itself: where the failure comes after that, it is stopped, and says so.
    internal override OperationRig NewRig() => new InstanceRig<InstanceShutdown.Input>(
        Database, "Running", "Stopped", w => new InstanceShutdown(w.States, w.Node), w => new(w.Spec.Id, 60), alsoAfterFailure: "Stopped");
}

public sealed class InstancePauseConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new InstanceRig<InstancePause.Input>(
        Database, "Running", "Paused", w => new InstancePause(w.States, w.Node), w => new(w.Spec.Id));
}

public sealed class InstanceResumeConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new InstanceRig<InstanceResume.Input>(
        Database, "Paused", "Running", w => new InstanceResume(w.States, w.Node), w => new(w.Spec.Id));
}

public sealed class InstanceRestartConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new InstanceRig<InstanceRestart.Input>(
        Database, "Running", "Running", w => new InstanceRestart(w.States, w.Store, w.Node), w => new(w.Spec.Id, 60, Force: false));
}

public sealed class InstanceResetConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new InstanceRig<InstanceReset.Input>(
        Database, "Running", "Running", w => new InstanceReset(w.States, w.Events, w.Node), w => new(w.Spec.Id));
}

public sealed class InstanceRenameConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new InstanceRig<InstanceRename.Input>(
        Database, "Running", "Running as other", w => new InstanceRename(w.States, w.Store, w.Networks, w.Events, w.Node), w => new(w.Spec.Id, $"{w.Spec.Name}-other"));
}

/// <summary>Of a microVM: its memory shrinks at once, its CPUs come with the next start.</summary>
public sealed class InstanceResizeConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new InstanceRig<InstanceResize.Input>(
        Database, "Running", "Running with 1 CPU and 64 MiB, then 2 CPUs and 64 MiB", w => new InstanceResize(w.States, w.Store, w.Events, w.Node),
        w => new(w.Spec.Id, 2, 64 * Limits.MiB, NextStart: false));
}

public sealed class InstanceDeletionConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new InstanceRig<InstanceDeletion.Input>(
        Database, "Running with eth0", null, w => new InstanceDeletion(w.Store, w.Nics, [], w.Events, w.Node), w => new(w.Spec.Id, Force: true), nic: true);
}

public sealed class NicAdditionConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new InstanceRig<NicAddition.Input>(
        Database, "Running with eth0", "Running with eth0, eth1", w => new NicAddition(w.Nics, w.Node), w => new(w.Spec.Id, w.Nic("eth1"), w.KeptNic("eth1")), nic: true);
}

public sealed class NicRemovalConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new InstanceRig<NicRemoval.Input>(
        Database, "Running with eth0", "Running", w => new NicRemoval(w.Nics, w.Node), w => new(w.Spec.Id, "eth0"), nic: true);
}

public sealed class NicLimitingConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new InstanceRig<NicLimiting.Input>(
        Database, "Running with eth0", "Running with eth0 at 5000", w => new NicLimiting(w.Nics, w.Node),
        w => new(w.Spec.Id, "eth0", null, new() { SendBytesPerSecond = 5000 }), nic: true);
}

public sealed class CloudInitSettingConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new InstanceRig<CloudInitChange.Input>(
        Database, "Running told before as 1", "Running told after as 2", w => new CloudInitChange(w.Store, w.Events, w.Node), w => new(w.Spec.Id, new() { Hostname = "after" }));
}

public sealed class CloudInitChangeConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new InstanceRig<CloudInitChange.Input>(
        Database, "Stopped told before as 1", "Stopped", w => new CloudInitChange(w.Store, w.Events, w.Node), w => new(w.Spec.Id, null));
}

/// <summary>A node with a simulator on a root of its own, and the stores over a database.</summary>
internal sealed class InstanceWorld : IAsyncDisposable
{
    private readonly TestRoot _root = new();
    private readonly NpgsqlDataSource _source;
    private readonly AddressStore _addresses;
    private readonly NetworkSync _sync;
    private readonly Id<Network> _network = Id<Network>.New();
    private readonly NodeIdentity _identity = new(Id<NodeInfo>.New(), "here");

    /// <param name="nic">It has one, on a network.</param>
    /// <param name="told">Something by cloud-init.</param>
    /// <param name="disk">It has one, <c>root</c> of 1 MiB.</param>
    public InstanceWorld(string database, bool nic = false, bool told = false, bool disk = false, InstanceKind kind = InstanceKind.Microvm)
    {
        _source = NpgsqlDataSource.Create(database);
        Node = new(NodeContext.Open(GantryRoot.At(_root.Path), TimeProvider.System, NullLoggerFactory.Instance));
        Db = new(_source);
        Store = new(Db, _identity, new(), TimeProvider.System);
        Networks = new(Db, _identity, TimeProvider.System);
        _addresses = new(Db, Networks);
        _sync = new(Networks, _addresses, Node);
        Nics = new(Store, _addresses, Networks, _sync, Events);
        Volumes = new(Store, Events);
        Pools = new(Db, _identity, Node.Context.Root, TimeProvider.System);
        PoolVolumes = new(Db, _identity, TimeProvider.System);
        States = new(Store, Events, Node);
        Images = new(Db, TimeProvider.System);
        var id = Id<Instance>.New();
        Spec = new(id, $"i{id.Value:N}", kind, "sim", 1, 128 * Limits.MiB, Firmware.Direct, "/boot/any", null, null, 0)
        {
            CloudInit = told ? new(new() { Hostname = "before" }, 1) : null,
            Nics = nic ? [KeptNic("eth0")] : null,
            Volumes = disk ? [new("root", VolumeDevice.Disk, null, null, Limits.MiB, VolumeBus.Virtio, VolumeCache.Writeback, ReadOnly: false)] : null,
        };
        Details = new(null, null, new Dictionary<string, string>(), new(), false, nic ? new() { Nics = [Nic("eth0")] } : null);
    }

    public InstanceDetails Details { get; }

    public LocalNode Node { get; }
    public Db Db { get; }
    public InstanceStore Store { get; }
    public InstanceStates States { get; }
    public ImageStore Images { get; }
    public NetworkStore Networks { get; }
    public InstanceNics Nics { get; }
    public VolumeRows Volumes { get; }
    public PoolStore Pools { get; }
    public PoolVolumeStore PoolVolumes { get; }
    public EventLog Events { get; } = new();
    public InstanceSpec Spec { get; }

    public Nic Nic(string name) => new() { Name = name, Mac = MachinePlan.MacOf(new(_network.Value), name), Model = NicModel.Virtio, Network = $"n{_network.Value:N}" };

    public NicSpec KeptNic(string name) => new(name, Nic(name).Mac!, NicModel.Virtio, _network);

    public Task GivenNetworkAsync() => Db.InTransactionAsync(async transaction =>
    {
        await Networks.InsertAsync(transaction, _network, new() { Name = Nic("").Network!, Kind = NetworkKind.Nat, Ipv4 = "10.9.8.1/24", Domain = "test.gantry" });
        await Networks.SetReadyAsync(transaction, _network, ready: true);
    }, default);

    /// <summary>Beside the one that every node has.</summary>
    public (Id<Pool> Id, string Name) OtherPool { get; } = Id<Pool>.New() is var id ? (id, $"p{id.Value:N}") : default;

    public async Task GivenPoolAsync()
    {
        var source = $"{_root.Path}/other";
        await Node.Context.Pools.OpenAsync(new(OtherPool.Id, PoolKind.Dir, source), default);
        await Db.InTransactionAsync(async transaction =>
        {
            await Pools.InsertAsync(transaction, OtherPool.Id, new() { Name = OtherPool.Name, Kind = PoolKind.Dir, Source = source });
            await PoolStore.SetReadyAsync(transaction, OtherPool.Id, ready: true);
        }, default);
    }

    public async Task GivenAsync(InstanceState state)
    {
        await Node.DefineAsync(Spec, default);
        if (state != InstanceState.Stopped)
        {
            await Node.StartAsync(Spec.Id, default);
        }

        if (state == InstanceState.Paused)
        {
            await Node.PauseAsync(Spec.Id, default);
        }

        await Db.InTransactionAsync(async transaction =>
        {
            await Store.InsertAsync(transaction, Spec, Details);
            await Nics.AllotAsync(transaction, new(Spec, Details, StartNow: false));
            await States.FollowAsync(transaction, Spec.Id, Caller.System, default);
        }, default);
    }

    /// <summary>What the list says, what the node says, and whether anything lies about: <c>Running</c> when all agree on that, null when there is nothing.</summary>
    public async Task<string?> PictureAsync()
    {
        string row;
        try
        {
            var found = await Store.GetAsync(Spec.Id.ToString(), default);
            var allotted = (await _addresses.OfAsync(_network, default)).Select(a => a.Nic);
            var nics = found.Nics ?? [];
            row = !allotted.SequenceEqual(nics.Select(n => n.Name)) ? "addresses that nobody has" : Picture(nics.Select(n => Words(n.Name, n.Limits)), found.State, found.Name, new(found.Cpus, found.MemoryBytes), new(found.Pending?.Cpus ?? found.Cpus, found.Pending?.MemoryBytes ?? found.MemoryBytes))
                + Told(await Store.CloudInitAsync(Spec.Id, default), found.CloudInit is not null);
        }
        catch (Refusal)
        {
            row = "none";
        }

        var folders = Node.Context.Folders;
        var node = Directory.Exists(folders.Data(Spec.Id)) ? await NodePictureAsync()
            : Directory.Exists(folders.Run(Spec.Id)) ? "run folder only" : "none";
        return (row, node) switch
        {
            ("none", "none") => null,
            _ when row == node => row,
            _ => $"row {row}, node {node}",
        };
    }

    private async Task<string> NodePictureAsync()
    {
        var (spec, status) = (Node.Context.Folders.Read(Spec.Id), await Node.InspectAsync(Spec.Id, default));
        var next = new InstanceSize(spec.Cpus, spec.MemoryBytes);
        return Picture((spec.Nics ?? []).Select(n => Words(n.Name, n.Limits)), status.State, spec.Name, status.Observed is { Cpus: { } cpus, MemoryBytes: { } memory } ? new(cpus, memory) : next, next)
            + Told(spec.CloudInit, File.Exists(GeneratedDiscs.PathOf(Node.Context.Root, spec.Id, GeneratedDisc.CloudInit)));
    }

    private static string Told(CloudInitSpec? cloudInit, bool shown) =>
        (cloudInit is not null) != shown ? " told half" : cloudInit is null ? "" : string.Create(System.Globalization.CultureInfo.InvariantCulture, $" told {cloudInit.Settings.Hostname} as {cloudInit.Number}");

    /// <summary>What is otherwise than at the beginning is named.</summary>
    private string Picture(IEnumerable<string> nics, InstanceState state, string name, InstanceSize now, InstanceSize next)
    {
        var plugged = string.Join(", ", nics) is { Length: > 0 } names ? $" with {names}" : "";
        var size = now == next && now == new InstanceSize(Spec.Cpus, Spec.MemoryBytes) ? "" : $" with {Words(now)}{(now == next ? "" : $", then {Words(next)}")}";
        return $"{state}{(name == Spec.Name ? "" : $" as {name[(Spec.Name.Length + 1)..]}")}{size}{plugged}";

        static string Words(InstanceSize size) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{size.Cpus} CPU{(size.Cpus == 1 ? "" : "s")} and {size.MemoryBytes / Limits.MiB} MiB");
    }

    private static string Words(string nic, NicLimits? limits) => limits is null ? nic : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{nic} at {limits.SendBytesPerSecond}");

    public async ValueTask DisposeAsync()
    {
        _sync.Dispose();
        await _source.DisposeAsync();
        _root.Dispose();
    }
}

internal sealed class InstanceRig<TInput>(
    string database, string? before, string? after, Func<InstanceWorld, OperationType<TInput>> type, Func<InstanceWorld, TInput> input, string? alsoAfterFailure = null, bool nic = false)
    : OperationRig
{
    private readonly InstanceWorld _world = new(database, nic, told: before?.Contains(" told ", StringComparison.Ordinal) == true);
    private OperationType<TInput>? _type;

    public override OperationType Type => _type ??= type(_world);

    public override async Task<Operation> BeginAsync(TestDaemon daemon)
    {
        await _world.GivenNetworkAsync();
        if (before is not null)
        {
            await _world.GivenAsync(Enum.Parse<InstanceState>(before.Split(' ')[0]));
        }

        return await daemon.Operations.BeginAsync(
            (OperationType<TInput>)Type, input(_world), $"instances/{_world.Spec.Id}", _world.Spec.Name, Caller.System, BeginOptions.Default, default);
    }

    public override async Task<IReadOnlyList<string>> LeftoversAsync(TestDaemon daemon) =>
        await _world.PictureAsync() is var picture && (picture == before || (alsoAfterFailure is not null && picture == alsoAfterFailure)) ? [] : [picture ?? "nothing"];

    public override async Task<IReadOnlyList<string>> MissingAsync(TestDaemon daemon) =>
        await _world.PictureAsync() is var picture && picture == after ? [] : [picture ?? "nothing"];

    public override async ValueTask DisposeAsync()
    {
        await _world.DisposeAsync();
        await base.DisposeAsync();
    }
}
