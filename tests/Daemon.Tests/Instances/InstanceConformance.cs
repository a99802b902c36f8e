using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Images;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Tests.Operations;
using Gantry.Daemon.Tests.Support;
using Gantry.Node;
using Gantry.Node.Drivers;
using Gantry.Node.Instances;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Gantry.Daemon.Tests.Instances;

/// <summary>The suite of all operations on each of an instance's, on the simulator: row and node must agree, whatever happens.</summary>
public sealed class InstanceCreationConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new InstanceRig<InstanceCreation.Input>(
        Database, null, "Stopped", w => new InstanceCreation(w.Store, w.States, w.Events, w.Node), w => new(w.Spec, InstanceWorld.Details, StartNow: false));
}

public sealed class InstanceLaunchConformance(TestPostgres postgres) : OperationConformance(postgres)
{
    internal override OperationRig NewRig() => new InstanceRig<InstanceCreation.Input>(
        Database, null, "Running", w => new InstanceCreation(w.Store, w.States, w.Events, w.Node), w => new(w.Spec, InstanceWorld.Details, StartNow: true));
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
        Database, "Running", "Running as other", w => new InstanceRename(w.States, w.Store, w.Events, w.Node), w => new(w.Spec.Id, $"{w.Spec.Name}-other"));
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
        Database, "Running", null, w => new InstanceDeletion(w.Store, w.Events, w.Node), w => new(w.Spec.Id, Force: true));
}

/// <summary>A node with a simulator on a root of its own, and the stores over a database.</summary>
internal sealed class InstanceWorld : IAsyncDisposable
{
    private readonly TestRoot _root = new();
    private readonly NpgsqlDataSource _source;

    public InstanceWorld(string database)
    {
        _source = NpgsqlDataSource.Create(database);
        Node = new(NodeContext.Open(GantryRoot.At(_root.Path), TimeProvider.System, NullLoggerFactory.Instance));
        Db = new(_source);
        Store = new(Db, new(Id<NodeInfo>.New(), "here"), new(), TimeProvider.System);
        States = new(Store, Events, Node);
        Images = new(Db, TimeProvider.System);
        var id = Id<Instance>.New();
        Spec = new(id, $"i{id.Value:N}", InstanceKind.Microvm, "sim", 1, 128 * Limits.MiB, Firmware.Direct, "/boot/any", null, null, 0);
    }

    public static InstanceDetails Details { get; } = new(null, null, new Dictionary<string, string>(), new(), false);

    public LocalNode Node { get; }
    public Db Db { get; }
    public InstanceStore Store { get; }
    public InstanceStates States { get; }
    public ImageStore Images { get; }
    public EventLog Events { get; } = new();
    public InstanceSpec Spec { get; }

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
            row = Picture(found.State, found.Name, new(found.Cpus, found.MemoryBytes), new(found.Pending?.Cpus ?? found.Cpus, found.Pending?.MemoryBytes ?? found.MemoryBytes));
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
        return Picture(status.State, spec.Name, status.Observed is { Cpus: { } cpus, MemoryBytes: { } memory } ? new(cpus, memory) : next, next);
    }

    /// <summary>What is otherwise than at the beginning is named.</summary>
    private string Picture(InstanceState state, string name, InstanceSize now, InstanceSize next)
    {
        var size = now == next && now == new InstanceSize(Spec.Cpus, Spec.MemoryBytes) ? "" : $" with {Words(now)}{(now == next ? "" : $", then {Words(next)}")}";
        return $"{state}{(name == Spec.Name ? "" : $" as {name[(Spec.Name.Length + 1)..]}")}{size}";

        static string Words(InstanceSize size) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{size.Cpus} CPU{(size.Cpus == 1 ? "" : "s")} and {size.MemoryBytes / Limits.MiB} MiB");
    }

    public async ValueTask DisposeAsync()
    {
        await _source.DisposeAsync();
        _root.Dispose();
    }
}

internal sealed class InstanceRig<TInput>(
    string database, string? before, string? after, Func<InstanceWorld, OperationType<TInput>> type, Func<InstanceWorld, TInput> input, string? alsoAfterFailure = null)
    : OperationRig
{
    private readonly InstanceWorld _world = new(database);
    private OperationType<TInput>? _type;

    public override OperationType Type => _type ??= type(_world);

    public override async Task<Operation> BeginAsync(TestDaemon daemon)
    {
        if (before is not null)
        {
            await _world.GivenAsync(Enum.Parse<InstanceState>(before));
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
