using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Node.Drivers;

/// <summary>Halts a running instance with its memory kept, and lets it go on.</summary>
public interface IPause : IDriver
{
    Task PauseAsync(Id<Instance> id, CancellationToken ct);

    Task ResumeAsync(Id<Instance> id, CancellationToken ct);
}

/// <summary>Keeps the memory of an instance, and starts it from memory that was kept.</summary>
public interface IMemory : IDriver
{
    /// <summary>The machine as it is now, as far as the one must be like it that goes on from its memory.</summary>
    /// <exception cref="Refusal"><c>instance.not_running</c>, <c>driver.no_answer</c></exception>
    Task<SavedMachine> MachineAsync(Id<Instance> id, CancellationToken ct);

    /// <summary>Hands out all that a halted instance has in its memory, and the state of its devices, in pieces. It is halted afterwards too, however this ends.</summary>
    /// <param name="write">Takes the next piece. What it throws ends this call.</param>
    /// <exception cref="Refusal"><c>instance.not_running</c>, <c>memory.not_saved</c>, <c>driver.no_answer</c></exception>
    Task SaveMemoryAsync(Id<Instance> id, Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask> write, Action<Pools.DiskProgress> report, CancellationToken ct);

    /// <summary>Why the instance, as it is specified now, could not go on from the memory of that machine, in a sentence; null when it can be tried.</summary>
    Task<string?> WhyNotLoadableAsync(Id<Instance> id, SavedMachine saved, CancellationToken ct);

    /// <summary>Starts a stopped one from what <see cref="SaveMemoryAsync"/> handed out, and leaves it halted. Done again, it changes nothing more.</summary>
    /// <param name="path">The file that has it.</param>
    /// <exception cref="Refusal"><c>driver.start_failed</c> with the platform's last words; nothing is left running.</exception>
    Task LoadMemoryAsync(Id<Instance> id, SavedMachine saved, string path, CancellationToken ct);
}

/// <summary>A machine of which memory was saved.</summary>
/// <param name="Version">Of the program that ran it.</param>
/// <param name="MemoryBytes">What was plugged in.</param>
/// <param name="Settings">What its program was told of processors and memory, as it is to be told again.</param>
/// <param name="Devices">By their ids.</param>
public sealed record SavedMachine(
    string Version, string Accelerator, long MemoryBytes, IReadOnlyList<string> Settings, IReadOnlyDictionary<string, SavedDevice> Devices);

/// <param name="Bus">Where it was plugged in; null where its platform placed it.</param>
/// <param name="Mac">Of a NIC.</param>
/// <param name="HasRom">A NIC that could be booted from.</param>
public sealed record SavedDevice(string Type, string? Bus = null, string? Mac = null, bool HasRom = false);

/// <summary>Has a line to a program in the guest that the guest's owner trusts: the QEMU guest agent.</summary>
public interface IAgentChannel : IDriver
{
    /// <returns>The Unix socket the agent is reached through; null when it does not run, has no such line, or nothing in the guest listens at it.</returns>
    Task<string?> FindAgentAsync(Id<Instance> id, CancellationToken ct);
}

/// <summary>Presses the reset button: the guest boots anew, its process goes on.</summary>
public interface IReset : IDriver
{
    /// <exception cref="Refusal"><c>instance.not_running</c></exception>
    Task ResetAsync(Id<Instance> id, CancellationToken ct);
}

/// <summary>Changes CPUs and memory of a running instance.</summary>
public interface IResize : IDriver
{
    /// <summary>Does what can be done now. What cannot is no error: the answer says what it has then, and why no other.</summary>
    /// <returns>Null when it does not run.</returns>
    Task<Resized?> ResizeAsync(Id<Instance> id, InstanceSize wanted, CancellationToken ct);
}

public sealed record InstanceSize(int Cpus, long MemoryBytes);

/// <param name="WhyNot">Why it is not what was wanted; null when it is.</param>
public sealed record Resized(InstanceSize Now, string? WhyNot = null);

/// <summary>
/// Changes the NICs of a running instance, whose specification says already how they are to be. What cannot be done now is no
/// error: the answer says why not, and the next start does it.
/// </summary>
public interface INics : IDriver
{
    /// <summary>Plugs in one that its specification has. Plugging in what is plugged in changes nothing.</summary>
    /// <returns>Null when it does not run.</returns>
    /// <exception cref="Refusal"><c>nic.unknown</c>, <c>network.not_working</c></exception>
    Task<NicChange?> PlugNicAsync(Id<Instance> id, string nic, CancellationToken ct);

    /// <summary>Pulls one out. When its guest will not let go of it, its cable is pulled: nothing passes it any more.</summary>
    /// <returns>Null when it does not run.</returns>
    Task<NicChange?> UnplugNicAsync(Id<Instance> id, string nic, CancellationToken ct);

    /// <summary>Makes the limits of the specification hold from now on.</summary>
    /// <returns>Null when it does not run.</returns>
    /// <exception cref="Refusal"><c>nic.unknown</c></exception>
    Task<NicChange?> LimitNicAsync(Id<Instance> id, string nic, CancellationToken ct);

    /// <summary>Of its NICs that are on a network; none when it does not run.</summary>
    Task<IReadOnlyList<NicStatistics>> NicStatisticsAsync(Id<Instance> id, CancellationToken ct);
}

/// <param name="WhyNot">Why it is not as was wanted; null when it is.</param>
public sealed record NicChange(string? WhyNot = null);

/// <summary>
/// Changes the disks of a running instance, whose specification says already how they are to be, and whose pools say what is to be opened.
/// What cannot be done now is no error where the answer can say why not: the next start does it.
/// </summary>
public interface IDisks : IDriver
{
    /// <summary>Plugs in a volume that its specification has; a disc is put into a drive that is there. Plugging in what is plugged in changes nothing.</summary>
    /// <returns>Null when it does not run.</returns>
    Task<DiskChange?> PlugDiskAsync(Id<Instance> id, string volume, CancellationToken ct);

    /// <summary>Pulls one out; nothing has its files open when the answer has no reason.</summary>
    /// <returns>Null when it does not run.</returns>
    Task<DiskChange?> UnplugDiskAsync(Id<Instance> id, string volume, CancellationToken ct);

    /// <summary>Makes the limits of the specification hold from now on.</summary>
    /// <returns>Null when it does not run.</returns>
    Task<DiskChange?> LimitDiskAsync(Id<Instance> id, string volume, CancellationToken ct);

    /// <summary>Makes a disk larger while its guest uses it, who is told of it.</summary>
    /// <returns>Null when it does not run: then the pool has to.</returns>
    Task<DiskChange?> GrowDiskAsync(Id<Instance> id, string volume, long sizeBytes, CancellationToken ct);

    /// <summary>Has the guest write to the top layers its pools name, all disks from one instant on. Where it does already, nothing changes.</summary>
    /// <returns>False when it does not run.</returns>
    Task<bool> SwitchLayersAsync(Id<Instance> id, CancellationToken ct);

    /// <summary>As <see cref="Pools.IDiskMerging.CommitAsync"/>, of a disk that is open.</summary>
    /// <returns>False when it does not run, or has no such layer open.</returns>
    Task<bool> CommitLayerAsync(Id<Instance> id, string volume, Pools.Disk chain, Pools.DiskLayer upper, Action<Pools.DiskProgress> report, CancellationToken ct);

    /// <summary>As <see cref="Pools.IDiskMerging.StreamAsync"/>, of a disk that is open.</summary>
    /// <returns>False when it does not run, or has no such layer open.</returns>
    Task<bool> StreamLayerAsync(Id<Instance> id, string volume, Pools.Disk chain, Pools.DiskLayer upper, Action<Pools.DiskProgress> report, CancellationToken ct);

    /// <summary>Copies all of a disk to another while its guest uses it, who writes to that one from then on. What is read for it counts to the disk's limits.</summary>
    /// <param name="target">An empty disk of the same size, which stands alone.</param>
    /// <param name="settle">
    /// Called, perhaps more than once, when both are the same and each write goes to both, before the guest leaves the first: what it notes is true from then on,
    /// whoever dies.
    /// </param>
    /// <returns>False when it does not run, or has it not open.</returns>
    Task<bool> MirrorDiskAsync(
        Id<Instance> id, string volume, Pools.Disk target, Func<CancellationToken, Task> settle, Action<Pools.DiskProgress> report, CancellationToken ct);

    /// <summary>Ends such a copying that nobody came back for; the guest stays where it is.</summary>
    Task EndMirrorAsync(Id<Instance> id, string volume, CancellationToken ct);
}

/// <param name="WhyNot">Why it is not as was wanted; null when it is.</param>
public sealed record DiskChange(string? WhyNot = null);

/// <summary>Keeps what the guest writes on its serial line, with the times at which its lines began.</summary>
public interface ISerialLog : IDriver
{
    /// <param name="mostBytes">At most this many bytes: the last ones, or the first after <paramref name="since"/>.</param>
    /// <param name="since">Only what follows this offset in all the guest has written.</param>
    /// <param name="timestamps">Puts the time, ISO 8601 in UTC, before each line whose time is known.</param>
    Task<SerialOutput> ReadSerialAsync(Id<Instance> id, int mostBytes, CancellationToken ct, long? since = null, bool timestamps = false);
}

/// <summary>Connects to the serial line of a running instance: several at once, and no reader holds up the guest or another reader.</summary>
public interface ISerialConsole : IDriver
{
    /// <param name="since">Begins after this offset in all the guest has written, or with the first of it still at hand.</param>
    /// <param name="tailBytes">Without <paramref name="since"/>: begins with at most so many of the last bytes.</param>
    /// <exception cref="Refusal"><c>instance.not_running</c>, <c>console.too_many</c>, <c>console.supervisor_too_old</c></exception>
    Task<ISerialLine> OpenSerialAsync(Id<Instance> id, long? since, int tailBytes, CancellationToken ct);
}

/// <summary>Can show how it starts an instance.</summary>
public interface ICommandLine : IDriver
{
    /// <summary>How a running one was started; how a stopped one would be.</summary>
    Task<DriverCommandLine> CommandLineAsync(Id<Instance> id, CancellationToken ct);
}

public static class Capabilities
{
    /// <summary>A driver's capabilities are the optional interfaces it implements, so the list shown to users cannot drift.</summary>
    public static IReadOnlyList<string> Of(IDriver driver) =>
    [
        .. driver.GetType().GetInterfaces()
            .Where(i => i != typeof(IDriver) && i.IsAssignableTo(typeof(IDriver)))
            .Select(i => JsonNamingPolicy.CamelCase.ConvertName(i.Name[1..]))
            .Order(StringComparer.Ordinal),
    ];
}
