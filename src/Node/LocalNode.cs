using System.Threading.Channels;
using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Host;
using Gantry.Node.Images;
using Gantry.Node.Instances;
using Gantry.Node.Isolation;
using Gantry.Node.Networks;
using Microsoft.Extensions.Logging;

namespace Gantry.Node;

/// <summary>
/// What a control plane may ask of this machine. Calls are idempotent and named by ids. What runs is known here,
/// from the instances' folders and their drivers; nothing is asked back of the control plane.
/// </summary>
/// <param name="recipes">For images; those of <see cref="Recipes"/> when left out.</param>
/// <param name="images">What is allowed of images; the defaults when left out.</param>
/// <param name="networks">What sets networks up; left out, the simulator's, which leaves the host alone.</param>
public sealed partial class LocalNode(
    NodeContext context, IReadOnlyDictionary<string, Recipe>? recipes = null, ImageSettings? images = null, INodeNetworks? networks = null) : IAsyncDisposable
{
    private readonly Dictionary<string, IDriver> _drivers = Drivers.Drivers.All.ToDictionary(d => d.Key, d => d.Value(context));
    private readonly ILogger _logger = context.Logs.CreateLogger<LocalNode>();
    private readonly Lock _uids = new();
    private readonly ImageBuilder _builder = new(context, recipes ?? Recipes.All);
    private readonly ImageImporter _importer = new(context, images ?? ImageSettings.Default);
    private readonly InstanceVolumes _volumes = new(context.Root, context.Pools, new GeneratedDiscs(context.Root));
    private readonly NamedLocks _pauses = new();
    private Dictionary<Id<Instance>, (int Guest, int Tpm)>? _uidsTaken;

    public NodeContext Context { get; } = context;

    public INodeNetworks Networks { get; } = networks ?? new SimNetworks(context);

    public HostFacts Host { get; } = HostFacts.Read();

    public IReadOnlyCollection<IDriver> AllDrivers => _drivers.Values;

    /// <exception cref="Refusal"><c>driver.unknown</c></exception>
    public IDriver Driver(string name) => _drivers.GetValueOrDefault(name) ?? throw DriverErrors.Unknown(name);

    /// <summary>Refuses what could not be started here: an unusable driver, a kernel that is missing.</summary>
    public async Task CheckAsync(InstanceSpec spec, CancellationToken ct)
    {
        var driver = Driver(spec.Driver);
        if (!driver.Kinds.Contains(spec.Kind))
        {
            throw DriverErrors.KindNotRun(spec.Driver, spec.Kind);
        }

        await driver.CheckAsync(spec, ct);
    }

    /// <summary>Writes the instance's folder, gives it user ids of its own, which stay the same when it is written again, and makes its disks.</summary>
    public Task DefineAsync(InstanceSpec spec, CancellationToken ct) => _volumes.EnsureAsync(Keep(spec), ct);

    /// <summary>Writes its folder alone.</summary>
    /// <returns>With its user ids.</returns>
    internal InstanceSpec Keep(InstanceSpec spec)
    {
        lock (_uids)
        {
            // Read once: with ten thousand instances, reading every folder for each new one would take a second.
            _uidsTaken ??= Context.Folders.All().Select(TryRead).OfType<InstanceSpec>().ToDictionary(s => s.Id, s => (s.Uid, s.TpmUid ?? UidRange.TpmOf(s.Uid)));
            if (!_uidsTaken.TryGetValue(spec.Id, out var uids))
            {
                uids = Context.Uids.Next(_uidsTaken.Values.SelectMany(u => (int[])[u.Guest, u.Tpm]).Concat(HostUsers.WithProcesses()).ToHashSet());
                _uidsTaken[spec.Id] = uids;
            }

            var kept = spec with { Uid = uids.Guest, TpmUid = uids.Tpm };
            Context.Folders.Write(kept);
            return kept;
        }
    }

    /// <summary>
    /// Its name and NICs may have changed since its disc for cloud-init was made. Where layers of its disks are just becoming one for a snapshot's sake,
    /// it waits for that: nobody else may write to them meanwhile.
    /// </summary>
    public async Task StartAsync(Id<Instance> id, CancellationToken ct)
    {
        using var turn = await Snapshots.TurnAsync(id, ct);
        _volumes.EnsureSeed(Context.Folders.Read(id));
        await DriverOf(id).StartAsync(id, ct);
    }

    public Task ShutdownAsync(Id<Instance> id, TimeSpan grace, CancellationToken ct) => DriverOf(id).StopAsync(id, StopMode.Shutdown, grace, ct);

    /// <summary>Ends it at once, one whose folder is damaged too.</summary>
    public async Task StopAsync(Id<Instance> id, CancellationToken ct)
    {
        foreach (var driver in DriversThatMayRun(id))
        {
            await driver.StopAsync(id, StopMode.PowerOff, TimeSpan.Zero, ct);
        }
    }

    /// <summary>Where it is just halted for a snapshot, it stays halted after that.</summary>
    public async Task PauseAsync(Id<Instance> id, CancellationToken ct)
    {
        using var turn = await PauseTurnAsync(id, ct);
        await HaltAsync(id, ct);
    }

    public async Task ResumeAsync(Id<Instance> id, CancellationToken ct)
    {
        using var turn = await PauseTurnAsync(id, ct);
        await GoOnAsync(id, ct);
    }

    /// <summary>The right to say whether an instance's guest executes.</summary>
    internal Task<NamedLocks.Held> PauseTurnAsync(Id<Instance> id, CancellationToken ct) => _pauses.HoldAsync(ct, id.ToString());

    /// <summary>For who has the <see cref="PauseTurnAsync"/>.</summary>
    internal Task HaltAsync(Id<Instance> id, CancellationToken ct) => Able<IPause>(id, "pause").PauseAsync(id, ct);

    /// <inheritdoc cref="HaltAsync"/>
    internal Task GoOnAsync(Id<Instance> id, CancellationToken ct) => Able<IPause>(id, "resume").ResumeAsync(id, ct);

    public Task<SerialOutput> ReadSerialAsync(Id<Instance> id, int mostBytes, CancellationToken ct, long? since = null, bool timestamps = false) =>
        Able<ISerialLog>(id, "show serial output").ReadSerialAsync(id, mostBytes, ct, since, timestamps);

    public Task<ISerialLine> OpenSerialAsync(Id<Instance> id, long? since, int tailBytes, CancellationToken ct) =>
        Able<ISerialConsole>(id, "open a serial console").OpenSerialAsync(id, since, tailBytes, ct);

    public Task ResetAsync(Id<Instance> id, CancellationToken ct) => Able<IReset>(id, "reset").ResetAsync(id, ct);

    /// <summary>Gives it another name; what runs shows it from its next start on.</summary>
    public Task RenameAsync(Id<Instance> id, string name, CancellationToken ct) => ChangeAsync(id, spec => spec with { Name = name }, ct);

    /// <summary>Gives it other cloud-init, or with null none; what runs has it from its next start on.</summary>
    /// <returns>Whether it has it only then.</returns>
    public async Task<bool> SetCloudInitAsync(Id<Instance> id, CloudInitSpec? cloudInit, CancellationToken ct)
    {
        await ChangeAsync(id, spec => spec with { CloudInit = cloudInit }, ct);
        _volumes.EnsureSeed(Context.Folders.Read(id));
        return (await DriverOf(id).InspectAsync(id, ct)).State is InstanceState.Running or InstanceState.Paused;
    }

    /// <summary>Stores the size for the next start and, where it runs, makes it be of one now as far as that can be done.</summary>
    /// <param name="now">Null to leave a running one as it is.</param>
    /// <returns>What a running one has then; null when it does not run, or was to be left.</returns>
    public async Task<Resized?> ResizeAsync(Id<Instance> id, InstanceSize next, InstanceSize? now, CancellationToken ct)
    {
        await ChangeAsync(id, spec => spec with
        {
            Cpus = next.Cpus,
            MemoryBytes = next.MemoryBytes,
            MaxCpus = spec.MaxCpus < next.Cpus ? next.Cpus : spec.MaxCpus,
            MaxMemoryBytes = spec.MaxMemoryBytes < next.MemoryBytes ? next.MemoryBytes : spec.MaxMemoryBytes,
        }, ct);
        return now is null ? null : await NowAsync(id, "resize a running instance", (IResize able) => able.ResizeAsync(id, now, ct), ct);
    }

    public Task<DriverCommandLine> CommandLineAsync(Id<Instance> id, CancellationToken ct) =>
        Able<ICommandLine>(id, "show a command line").CommandLineAsync(id, ct);

    /// <summary>Ends it if it runs and removes all this machine keeps of it, whatever state its folder is in.</summary>
    public async Task RemoveAsync(Id<Instance> id, CancellationToken ct)
    {
        foreach (var driver in DriversThatMayRun(id))
        {
            await driver.RemoveAsync(id, ct);
        }

        await _volumes.RemoveAsync(id, TryRead(id), ct);
        Context.Folders.Remove(id);
        lock (_uids)
        {
            _uidsTaken?.Remove(id);
        }
    }

    /// <summary>How it is. A damaged or missing folder is a status, not an exception: that one instance is in error, the rest are fine.</summary>
    public Task<InstanceStatus> InspectAsync(Id<Instance> id, CancellationToken ct) => StatusAsync(id, (driver, token) => driver.InspectAsync(id, token), ct);

    /// <summary>What keeps guests to themselves on this host, each measure tried.</summary>
    public Task<IReadOnlyList<IsolationFinding>> ExamineIsolationAsync(CancellationToken ct) => new IsolationProbe(Context, new QemuHost(Context, null)).ExamineAsync(ct);

    /// <summary>Takes every instance up again after a restart of this process, a few at a time, and says how each is.</summary>
    public async Task<IReadOnlyDictionary<Id<Instance>, InstanceStatus>> RecoverAsync(CancellationToken ct)
    {
        await LaunchTrial.SweepAsync(Context);
        RbdLoan.Sweep(Context.Root.Keys);
        Context.Cgroups.Sweep();
        await new Taps(Context).SweepAsync(ct);
        var found = new Dictionary<Id<Instance>, InstanceStatus>();
        await Parallel.ForEachAsync(Context.Folders.All(), new ParallelOptions { CancellationToken = ct, MaxDegreeOfParallelism = 16 }, async (id, token) =>
        {
            var status = await StatusAsync(id, (driver, inner) => RecoverAsync(driver, id, inner), token);
            lock (found)
            {
                found[id] = status;
            }
        });
        return found;
    }

    /// <summary>The changes of all drivers, as they happen.</summary>
    public async IAsyncEnumerable<InstanceChange> ChangesAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        var all = Channel.CreateBounded<InstanceChange>(1024);
        var pumps = Task.WhenAll(_drivers.Values.Select(async driver =>
        {
            await foreach (var change in driver.ChangesAsync(ct))
            {
                await all.Writer.WriteAsync(change, ct);
            }
        }));
        _ = pumps.ContinueWith(done => all.Writer.TryComplete(done.Exception?.GetBaseException()), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        await foreach (var change in all.Reader.ReadAllAsync(ct))
        {
            yield return change;
        }
    }

    /// <summary>Lets go of what runs here; it runs on.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var driver in _drivers.Values)
        {
            await driver.DisposeAsync();
        }
    }

    private Task ChangeAsync(Id<Instance> id, Func<InstanceSpec, InstanceSpec> change, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        var before = Context.Folders.Read(id);
        if (change(before) is var after && after != before)
        {
            Context.Folders.Write(after);
        }

        return Task.CompletedTask;
    }

    private async Task<InstanceStatus> StatusAsync(Id<Instance> id, Func<IDriver, CancellationToken, Task<InstanceStatus>> ask, CancellationToken ct)
    {
        try
        {
            return await ask(DriverOf(id), ct);
        }
        catch (Refusal refusal)
        {
            LogInstanceUnreadable(_logger, id, refusal.Message);
            return new(InstanceState.Error, refusal.Message);
        }
#pragma warning disable CA1031 // whatever one guest's process answers, the other instances are taken up
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogInstanceUnreadable(_logger, id, e.ToString());
            return new(InstanceState.Error, $"It cannot be looked at: {e.Message}");
        }
#pragma warning restore CA1031
    }

    /// <summary>Its own driver; every one where the folder no longer says which.</summary>
    private List<IDriver> DriversThatMayRun(Id<Instance> id) =>
        TryRead(id) is { } spec && _drivers.TryGetValue(spec.Driver, out var own) ? [own] : [.. _drivers.Values];

    private IDriver DriverOf(Id<Instance> id) => Driver(Context.Folders.Read(id).Driver);

    private TCapability Able<TCapability>(Id<Instance> id, string what)
        where TCapability : class, IDriver =>
        DriverOf(id) is var driver && driver is TCapability able ? able : throw DriverErrors.Cannot(driver.Name, what);

    /// <summary>Changes a running instance, whose folder says already how it is to be at its next start.</summary>
    /// <returns>Null when it does not run.</returns>
    /// <exception cref="Refusal"><c>driver.cannot</c> of one that runs.</exception>
    private async Task<TChange?> NowAsync<TCapability, TChange>(Id<Instance> id, string what, Func<TCapability, Task<TChange?>> change, CancellationToken ct)
        where TCapability : class, IDriver
        where TChange : class
    {
        var driver = DriverOf(id);
        return driver is TCapability able ? await change(able)
            : (await driver.InspectAsync(id, ct)).State is InstanceState.Running or InstanceState.Paused ? throw DriverErrors.Cannot(driver.Name, what)
            : null;
    }

    internal InstanceSpec? TryRead(Id<Instance> id)
    {
        try
        {
            return Context.Folders.Read(id);
        }
        catch (Refusal)
        {
            return null;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Instance {Id} is in error: {Reason}")]
    private static partial void LogInstanceUnreadable(ILogger logger, Id<Instance> id, string reason);
}
