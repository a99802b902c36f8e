using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using Gantry.Contracts;
using Gantry.Node.Instances;

namespace Gantry.Node.Drivers.Sim;

/// <summary>
/// A platform that only pretends: it passes the same suite as the real ones, so tests and benchmarks of the control
/// plane stand on it. What it "runs" is a file in the instance's run folder, so that it outlives the daemon as a real guest does.
/// </summary>
public sealed partial class SimDriver(NodeContext node) : IPause, IMemory, IAgentChannel, IReset, IResize, INics, IDisks, ISerialLog, ISerialConsole, ICommandLine
{
    private readonly Channel<InstanceChange> _changes = Channel.CreateUnbounded<InstanceChange>();

    public string Name => "sim";

    public IReadOnlyList<InstanceKind> Kinds { get; } = [InstanceKind.Vm, InstanceKind.Microvm, InstanceKind.Container];

    /// <summary>For tests: runs before each call with its name; may wait or throw.</summary>
    public Func<string, Id<Instance>, CancellationToken, Task> Before { get; set; } = (_, _, _) => Task.CompletedTask;

    public Task<Fingerprint> ProbeAsync(CancellationToken ct) =>
        Task.FromResult(new Fingerprint(DriverHealth.Usable, "1", Reason: "It only pretends to run machines: for tests and benchmarks."));

    public Task CheckAsync(InstanceSpec spec, CancellationToken ct) => Before("check", spec.Id, ct);

    public async Task StartAsync(Id<Instance> id, CancellationToken ct)
    {
        await Before("start", id, ct);
        if (StateOf(id) != InstanceState.Stopped)
        {
            return;
        }

        var spec = node.Folders.Read(id);
        Directory.CreateDirectory(node.Folders.Run(id));
        Forget(EndPath(id));
        WriteSize(spec);
        SayStarted(spec);
        Put(id, InstanceState.Running);
    }

    private void SayStarted(InstanceSpec spec) => Say(spec.Id, Encoding.UTF8.GetBytes($"{spec.Name} has started\n"));

    public async Task StopAsync(Id<Instance> id, StopMode mode, TimeSpan grace, CancellationToken ct)
    {
        await Before("stop", id, ct);
        if (mode == StopMode.Shutdown && StateOf(id) == InstanceState.Paused)
        {
            throw DriverErrors.ShutdownTimeout(node.Folders.Read(id).Name, grace);
        }

        Put(id, InstanceState.Stopped);
        Forget(EndPath(id));
    }

    public async Task PauseAsync(Id<Instance> id, CancellationToken ct)
    {
        await Before("pause", id, ct);
        Demand(id, InstanceState.Running, InstanceState.Paused);
        Put(id, InstanceState.Paused);
    }

    public async Task ResumeAsync(Id<Instance> id, CancellationToken ct)
    {
        await Before("resume", id, ct);
        Demand(id, InstanceState.Running, InstanceState.Paused);
        Put(id, InstanceState.Running);
    }

    public async Task RemoveAsync(Id<Instance> id, CancellationToken ct)
    {
        await Before("remove", id, ct);
        Put(id, InstanceState.Stopped);
    }

    public Task<InstanceStatus> RecoverAsync(Id<Instance> id, CancellationToken ct) => InspectAsync(id, ct);

    public async Task<InstanceStatus> InspectAsync(Id<Instance> id, CancellationToken ct)
    {
        await Before("inspect", id, ct);
        var state = StateOf(id);
        if (state == InstanceState.Stopped)
        {
            return TryRead<StopCause>(EndPath(id)) is { } cause ? new(state, ReasonOf(cause), StopCause: cause) : new(state);
        }

        var size = SizeOf(id);
        var failed = TryRead<PauseCause>(FaultPath(id));
        return new(
            state, failed is null ? null : "no space is left on the host for disk 'sim'",
            new Observed(null, UptimeSeconds(id), null, size.Cpus, size.MemoryBytes), PauseCause: failed);
    }

    public async IAsyncEnumerable<InstanceChange> ChangesAsync([EnumeratorCancellation] CancellationToken ct)
    {
        await foreach (var change in _changes.Reader.ReadAllAsync(ct))
        {
            yield return change;
        }
    }

    public Task<DriverCommandLine> CommandLineAsync(Id<Instance> id, CancellationToken ct)
    {
        var name = node.Folders.Read(id).Name;
        return Task.FromResult(new DriverCommandLine("sim", [name], $"sim {name}"));
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private void Demand(Id<Instance> id, params ReadOnlySpan<InstanceState> states)
    {
        if (!states.Contains(StateOf(id)))
        {
            throw DriverErrors.NotRunning(id);
        }
    }

    private InstanceState StateOf(Id<Instance> id) =>
        TryRead<InstanceState>(StatePath(id)) ?? InstanceState.Stopped;

    private void Put(Id<Instance> id, InstanceState state)
    {
        if (state != InstanceState.Paused)
        {
            Forget(FaultPath(id));
        }

        if (state == InstanceState.Stopped)
        {
            Forget(StatePath(id));
            Wake(id);
            return;
        }

        var beside = $"{StatePath(id)}.{Environment.CurrentManagedThreadId}";
        File.WriteAllText(beside, state.ToString());
        File.Move(beside, StatePath(id), overwrite: true);
    }

    private double UptimeSeconds(Id<Instance> id) => (node.Time.GetUtcNow() - File.GetLastWriteTimeUtc(StatePath(id))).TotalSeconds;

    private string StatePath(Id<Instance> id) => $"{node.Folders.Run(id)}/state";
}
