using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Instances;
using Gantry.Node.Networks;
using Microsoft.Extensions.Logging;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>
/// Runs VMs and microVMs in QEMU, each in a process of its own under a user of its own, outside this process's lifetime.
/// What belongs to a running one lies in its run folder: qmp.sock, pids and exit (written by the launcher), start.json, resets and end.
/// </summary>
/// <param name="program">For tests: another program in QEMU's place.</param>
public sealed partial class QemuDriver(NodeContext node, string? program = null) : IPause, IMemory, IAgentChannel, IReset, IResize, INics, IDisks, ISerialLog, ISerialConsole, ICommandLine
{
    private readonly QemuHost _host = new(node, program);
    private readonly QemuIsolation _isolation = new(node);
    private readonly Taps _taps = new(node);
    private readonly ILogger _logger = node.Logs.CreateLogger<QemuDriver>();
    private readonly ConcurrentDictionary<Id<Instance>, Slot> _slots = [];

    // At most one entry an instance, its newest: one that changes without end cannot push out another's change.
    private readonly Dictionary<Id<Instance>, InstanceChange> _pending = [];
    private readonly Channel<Id<Instance>> _changed = Channel.CreateUnbounded<Id<Instance>>();

    public string Name => "qemu";

    public IReadOnlyList<InstanceKind> Kinds { get; } = [InstanceKind.Vm, InstanceKind.Microvm];

    public Task<Fingerprint> ProbeAsync(CancellationToken ct) => _host.ProbeAsync(ct);

    public async Task CheckAsync(InstanceSpec spec, CancellationToken ct)
    {
        await _host.DemandUsableAsync(Name, ct);
        _host.DemandMachine(spec);
        if (spec.Firmware == Firmware.Direct && spec.Kernel is null)
        {
            throw DriverErrors.KernelNeeded(Name, spec.Kind);
        }

        foreach (var (what, path) in (IEnumerable<(string, string?)>)[("kernel", spec.Kernel), ("initrd", spec.Initrd), .. (spec.Volumes ?? []).Select(v => ("disc", v.Path))])
        {
            if (path is not null)
            {
                BootFile.Demand(what, path);
            }
        }
    }

    public Task PauseAsync(Id<Instance> id, CancellationToken ct) => TellAsync(id, "stop", InstanceState.Paused, ct);

    public Task ResumeAsync(Id<Instance> id, CancellationToken ct) => TellAsync(id, "cont", InstanceState.Running, ct);

    public async Task<InstanceStatus> RecoverAsync(Id<Instance> id, CancellationToken ct)
    {
        var status = await InspectAsync(id, ct);
        if (status.State == InstanceState.Paused)
        {
            await EndSavingAsync(id);
        }

        if (status.State == InstanceState.Stopped)
        {
            await node.Cgroups.RemoveAsync(node.Folders.Run(id));
            await LockedAsync(id, async slot => await AttachAsync(slot, id) is null && await RemoveTapsAsync(id), ct);
        }

        return status;
    }

    /// <summary>One that is known is asked at once: its turn may be a resize's or a shutdown's for as long as its guest takes.</summary>
    public Task<InstanceStatus> InspectAsync(Id<Instance> id, CancellationToken ct) =>
        _slots.TryGetValue(id, out var known) && known.Guest is { Process.Ended.IsCompleted: false } running
            ? LookAsync(id, running, ct)
            : LockedAsync(id, async slot => await AttachAsync(slot, id) is { } guest ? await LookAsync(id, guest, ct) : EndOf(id), ct);

    /// <summary>The reset button. A guest that is paused boots anew once it goes on.</summary>
    public async Task ResetAsync(Id<Instance> id, CancellationToken ct) => await LockedAsync(id, async slot =>
    {
        var guest = await AttachAsync(slot, id) ?? throw DriverErrors.NotRunning(id);
        try
        {
            if ((await guest.QueryAsync(ct)).State == InstanceState.Stopped)
            {
                throw DriverErrors.NotRunning(id);
            }

            await guest.ResetAsync(ct);
            return true;
        }
        catch (QmpFailed) when (guest.Process.Ended.IsCompleted)
        {
            throw DriverErrors.NotRunning(id);
        }
        catch (QmpFailed e)
        {
            throw DriverErrors.NoAnswer(node.Folders.Read(id).Name, e.Message);
        }
    }, ct);

    public async IAsyncEnumerable<InstanceChange> ChangesAsync([EnumeratorCancellation] CancellationToken ct)
    {
        await foreach (var id in _changed.Reader.ReadAllAsync(ct))
        {
            InstanceChange? change;
            lock (_pending)
            {
                _pending.Remove(id, out change);
            }

            if (change is not null)
            {
                yield return change;
            }
        }
    }

    public async Task<DriverCommandLine> CommandLineAsync(Id<Instance> id, CancellationToken ct)
    {
        // Not in its turn: a shutdown may have that for as long as its guest takes.
        var running = _slots.TryGetValue(id, out var slot) && slot.Guest is { Process.Ended.IsCompleted: false };
        var start = (running ? Started(id) : null) ?? await _host.ComposeAsync(node.Folders.Read(id), ct);
        return new(start.Program, start.Arguments, string.Join(' ', start.Arguments.Prepend(start.Program).Select(ShellWord)));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var slot in _slots.Values)
        {
            if (slot.Guest is { } guest)
            {
                await guest.DisposeAsync();
            }
        }

        _slots.Clear();
        _changed.Writer.TryComplete();
    }

    /// <summary>The running guest of that id, found by what its run folder says and connected to; null when none runs.</summary>
    private async Task<QemuGuest?> AttachAsync(Slot slot, Id<Instance> id)
    {
        if (slot.Guest is { } known)
        {
            if (!known.Process.Ended.IsCompleted)
            {
                return known;
            }

            await known.Process.SettleAsync(node.Time);
            slot.Guest = null;
            await known.DisposeAsync();
        }

        if (await QemuProcess.FindAsync(node.Folders.Run(id), node.Time) is not { } process)
        {
            return null;
        }

        var run = node.Folders.Run(id);
        var guest = new QemuGuest(id, process, $"{run}/qmp.sock", new(LogPath(id), $"{run}/resets"), node.Time, (status, wasReset) => Tell(id, status, wasReset), node.BeforeMonitor);
        guest.Watch(async () =>
        {
            node.Cgroups.Remove(run);
            await RemoveTapsAsync(id);
            return EndOf(id);
        });
        return slot.Guest = guest;
    }

    private async Task<InstanceStatus> LookAsync(Id<Instance> id, QemuGuest guest, CancellationToken ct)
    {
        var observed = new Observed(guest.Process.Pid, QemuHost.SecondsSinceStart(guest.Process.Pid), Started(id)?.Accelerator);
        try
        {
            var now = await guest.QueryAsync(ct);
            if (now.State == InstanceState.Stopped)
            {
                await guest.FinishAsync(now);
                return EndOf(id);
            }

            var size = await QemuSize.ReadAsync(guest, ct);
            return now with { Observed = observed with { Cpus = size.Cpus.Count, MemoryBytes = size.Memory } };
        }
        catch (QmpFailed) when (guest.Process.Ended.IsCompleted)
        {
            await guest.Process.SettleAsync(node.Time);
            return EndOf(id);
        }
        catch (QmpFailed e)
        {
            return guest.Known with { Reason = $"QEMU does not answer: {e.Message}", Observed = observed };
        }
    }

    private void Tell(Id<Instance> id, InstanceStatus status, bool wasReset)
    {
        LogChanged(_logger, id, status.State, status.Reason);
        lock (_pending)
        {
            if (!_pending.TryGetValue(id, out var untold))
            {
                _changed.Writer.TryWrite(id);
            }

            _pending[id] = new(id, status.State, status.Reason, wasReset || untold is { WasReset: true });
        }
    }

    private async Task TellAsync(Id<Instance> id, string command, InstanceState wanted, CancellationToken ct) => await LockedAsync(id, async slot =>
    {
        var guest = await AttachAsync(slot, id) ?? throw DriverErrors.NotRunning(id);
        var before = guest.Known;
        try
        {
            if ((await guest.QueryAsync(ct)).State == InstanceState.Stopped)
            {
                throw DriverErrors.NotRunning(id);
            }

            guest.Expect(wanted);
            await guest.ExecuteAsync(command, ct);
            return await guest.QueryAsync(ct);
        }
        catch (QmpFailed) when (guest.Process.Ended.IsCompleted)
        {
            throw DriverErrors.NotRunning(id);
        }
        catch (QmpFailed e)
        {
            guest.Restore(before);
            throw DriverErrors.NoAnswer(node.Folders.Read(id).Name, e.Message);
        }
    }, ct);

    private async Task ClearAsync(Slot slot, Id<Instance> id)
    {
        if (slot.Guest is { } guest)
        {
            slot.Guest = null;
            await guest.DisposeAsync();
        }

        await RemoveTapsAsync(id);
        await node.Cgroups.RemoveAsync(node.Folders.Run(id));
        if (Directory.Exists(node.Folders.Run(id)))
        {
            Directory.Delete(node.Folders.Run(id), recursive: true);
        }
    }

    private async Task<bool> RemoveTapsAsync(Id<Instance> id)
    {
        await _taps.RemoveAsync(id);
        return true;
    }

    private async Task<T> LockedAsync<T>(Id<Instance> id, Func<Slot, Task<T>> work, CancellationToken ct)
    {
        var slot = _slots.GetOrAdd(id, _ => new());
        await slot.OneAtATime.WaitAsync(ct);
        try
        {
            return await work(slot);
        }
        finally
        {
            slot.OneAtATime.Release();
        }
    }

    private InstanceStatus EndOf(Id<Instance> id) => QemuProcess.EndOf(node.Folders.Run(id), QemuLog.LastWords(LogPath(id)));

    private QemuStart? Started(Id<Instance> id) => QemuStart.Read(StartPath(id));

    private string StartPath(Id<Instance> id) => $"{node.Folders.Run(id)}/start.json";

    private string SerialPath(Id<Instance> id) => $"{node.Folders.Data(id)}/serial.log";

    private string LogPath(Id<Instance> id) => $"{node.Folders.Data(id)}/qemu.log";

    private static string ShellWord(string word) =>
        word.Length > 0 && word.All(c => char.IsAsciiLetterOrDigit(c) || "-_=,.:/+@".Contains(c, StringComparison.Ordinal)) ? word : $"'{word.Replace("'", @"'\''", StringComparison.Ordinal)}'";

    /// <summary>What this object knows of one id, and its turn.</summary>
    private sealed class Slot
    {
        public SemaphoreSlim OneAtATime { get; } = new(1);

        public QemuGuest? Guest { get; set; }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Instance {Id} is {State}: {Reason}")]
    private static partial void LogChanged(ILogger logger, Id<Instance> id, InstanceState state, string? reason);
}
