using System.Globalization;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Drivers.Sim;

/// <summary>What guests of the simulator do by themselves, for tests; and their sizes.</summary>
public sealed partial class SimDriver
{
    /// <summary>What a guest does that powers itself off.</summary>
    public void PowerOff(Id<Instance> id) => End(id, StopCause.GuestShutdown);

    /// <summary>Its end, whatever brought it about.</summary>
    public void End(Id<Instance> id, StopCause cause)
    {
        AtomicFile.Write(EndPath(id), System.Text.Encoding.ASCII.GetBytes(cause.ToString()));
        Put(id, InstanceState.Stopped);
        _changes.Writer.TryWrite(new(id, InstanceState.Stopped, ReasonOf(cause)));
    }

    /// <summary>What a guest does that resets itself.</summary>
    public void ResetItself(Id<Instance> id) => _changes.Writer.TryWrite(new(id, StateOf(id), null, WasReset: true));

    /// <summary>Its disk is full on the host.</summary>
    public void FailDisk(Id<Instance> id)
    {
        AtomicFile.Write(FaultPath(id), System.Text.Encoding.ASCII.GetBytes(nameof(PauseCause.IoError)));
        Put(id, InstanceState.Paused);
        _changes.Writer.TryWrite(new(id, InstanceState.Paused, null));
    }

    public async Task ResetAsync(Id<Instance> id, CancellationToken ct)
    {
        await Before("reset", id, ct);
        Demand(id, InstanceState.Running, InstanceState.Paused);
        SayStarted(node.Folders.Read(id));
    }

    public async Task<Resized?> ResizeAsync(Id<Instance> id, InstanceSize wanted, CancellationToken ct)
    {
        await Before("resize", id, ct);
        var state = StateOf(id);
        if (state == InstanceState.Stopped)
        {
            return null;
        }

        var (has, spec) = (SizeOf(id), node.Folders.Read(id));
        if (state == InstanceState.Paused)
        {
            return new(has, has == wanted ? null : ResizeReasons.Paused);
        }

        var plugs = spec.Kind == InstanceKind.Vm;
        var (cpuRoom, memoryRoom) = RoomOf(id);
        var noCpus = wanted.Cpus == has.Cpus ? null : !plugs ? ResizeReasons.NoCpuPlug : wanted.Cpus > cpuRoom ? ResizeReasons.CpuRoom(cpuRoom) : null;
        var noMemory = wanted.MemoryBytes > memoryRoom ? ResizeReasons.MemoryRoom(memoryRoom) : null;
        var now = new InstanceSize(noCpus is null ? wanted.Cpus : has.Cpus, noMemory is null ? wanted.MemoryBytes : has.MemoryBytes);
        File.WriteAllText(SizePath(id), string.Create(CultureInfo.InvariantCulture, $"{now.Cpus} {now.MemoryBytes} {cpuRoom} {memoryRoom}"));
        return new(now, string.Join(' ', new[] { noCpus, noMemory }.OfType<string>()) is { Length: > 0 } why ? why : null);
    }

    private InstanceSize SizeOf(Id<Instance> id) => ReadSize(id) is [var cpus, var memory, ..] ? new((int)cpus, memory) : new(0, 0);

    private (int Cpus, long Memory) RoomOf(Id<Instance> id) => ReadSize(id) is [_, _, var cpus, var memory] ? ((int)cpus, memory) : (0, 0);

    private long[] ReadSize(Id<Instance> id) =>
        File.Exists(SizePath(id)) ? [.. File.ReadAllText(SizePath(id)).Split(' ').Select(number => long.Parse(number, CultureInfo.InvariantCulture))] : [];

    /// <summary>As a start leaves it: only a VM has room for more than it has.</summary>
    private void WriteSize(Instances.InstanceSpec spec)
    {
        var plugs = spec.Kind == InstanceKind.Vm;
        File.WriteAllText(SizePath(spec.Id), string.Create(
            CultureInfo.InvariantCulture,
            $"{spec.Cpus} {spec.MemoryBytes} {Math.Max(spec.Cpus, plugs ? spec.MaxCpus ?? 0 : 0)} {Math.Max(spec.MemoryBytes, plugs ? spec.MaxMemoryBytes ?? 0 : 0)}"));
    }

    private static string ReasonOf(StopCause cause) => cause switch
    {
        StopCause.GuestShutdown => "the guest powered itself off",
        StopCause.Panicked => "the guest's kernel panicked",
        _ => $"it was made to end as one that was {cause.ToString().ToLowerInvariant()}",
    };

    private static TEnum? TryRead<TEnum>(string path)
        where TEnum : struct, Enum =>
        File.Exists(path) && Enum.TryParse<TEnum>(File.ReadAllText(path), out var value) ? value : null;

    private static void Forget(string path)
    {
        if (File.Exists(path))
        {
            File.Delete(path);
        }
    }

    private string EndPath(Id<Instance> id) => $"{node.Folders.Run(id)}/end";

    private string FaultPath(Id<Instance> id) => $"{node.Folders.Run(id)}/fault";

    private string SizePath(Id<Instance> id) => $"{node.Folders.Run(id)}/size";
}
