using System.Globalization;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Isolation;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>QEMU and the launcher that watches over it, as the launcher wrote them down in the instance's run folder.</summary>
internal sealed class QemuProcess(HostProcess qemu, HostProcess? supervisor, string run) : IDisposable
{
    /// <summary>A number and a start can meet again after the host restarted. (What a process says its arguments are, it says itself.)</summary>
    private static readonly string BootId = HostFacts.BootId.ToString();

    private static readonly TimeSpan SupervisorEnds = TimeSpan.FromSeconds(5);

    public int Pid => qemu.Pid;

    /// <summary>Completes when QEMU has ended.</summary>
    public Task Ended => qemu.Ended;

    /// <summary>The process of that run folder; null when none runs, and then all there is to say of its end is written down.</summary>
    public static async Task<QemuProcess?> FindAsync(string run, TimeProvider time)
    {
        if (QemuLog.TryRead($"{run}/pids") is not { } text || !text.EndsWith('\n') || text.Split(' ', '\n') is not [var pid, var start, var watcher, var watcherStart, var boot, ..] || boot != BootId)
        {
            return null;
        }

        var qemu = Find(pid, start);
        var supervisor = Find(watcher, watcherStart);
        if (qemu is null && supervisor is not null)
        {
            using (supervisor)
            {
                await SettleAsync(supervisor, time);
            }
        }

        return qemu is null ? null : new(qemu, supervisor, run);
    }

    /// <summary>What ended it and why, for people; neither when nothing was ever started there.</summary>
    /// <param name="log">QEMU's own words.</param>
    public static InstanceStatus EndOf(string run, string log)
    {
        if (QemuLog.TryRead($"{run}/pids") is not { } pids)
        {
            return new(InstanceState.Stopped);
        }

        if (Enum.TryParse<StopCause>(QemuLog.TryRead($"{run}/end"), out var cause))
        {
            return QemuRunState.Ended(cause);
        }

        return (QemuLog.TryRead($"{run}/exit") ?? "").Split(' ', '\n') switch
        {
            ["exit", "0", ..] => Stopped(StopCause.Killed, log.Length == 0 ? "QEMU was told to quit, not by Gantry" : $"QEMU was told to quit, not by Gantry: {log}"),
            ["exit", var code, ..] => Stopped(StopCause.Failed, $"QEMU ended with code {code}: {log}"),
            ["signal", "4" or "6" or "7" or "8" or "11" or "31", ..] and [_, var number, ..] => Stopped(StopCause.Failed, $"QEMU crashed (signal {number}){(log.Length == 0 ? "" : $": {log}")}"),
            ["signal", "9", ..] when Cgroups.OutOfMemory(run) is { } outOfMemory => Stopped(StopCause.OutOfMemory, outOfMemory),
            ["signal", var number, ..] => Stopped(StopCause.Killed, $"QEMU was killed (signal {number})"),
            _ when !pids.Contains(BootId, StringComparison.Ordinal) => Stopped(StopCause.HostRestarted, "the host restarted while it ran"),
            _ => Stopped(StopCause.Killed, "QEMU was killed together with its supervisor"),
        };

        static InstanceStatus Stopped(StopCause why, string reason) => new(InstanceState.Stopped, reason, StopCause: why);
    }

    /// <summary>Writes down, before QEMU is ended, that its guest had ended by itself.</summary>
    public void WriteEnd(StopCause cause)
    {
        try
        {
            AtomicFile.Write($"{run}/end", System.Text.Encoding.ASCII.GetBytes(cause.ToString()));
        }
        catch (IOException)
        {
            // A full disk: it is ended all the same, and then seems to have been told to quit by somebody.
        }
    }

    public void Kill() => qemu.Kill();

    /// <summary>Waits until the supervisor has written how QEMU ended; one that hangs is ended instead.</summary>
    public async Task SettleAsync(TimeProvider time)
    {
        await Ended;
        if (supervisor is not null)
        {
            await SettleAsync(supervisor, time);
        }
    }

    public void Dispose()
    {
        qemu.Dispose();
        supervisor?.Dispose();
    }

    public override string ToString() => $"{Pid} of {run}";

    private static async Task SettleAsync(HostProcess supervisor, TimeProvider time)
    {
        try
        {
            await supervisor.Ended.WaitAsync(SupervisorEnds, time);
        }
        catch (TimeoutException)
        {
            supervisor.Kill();
        }
    }

    private static HostProcess? Find(string pid, string start) =>
        int.TryParse(pid, CultureInfo.InvariantCulture, out var number) && long.TryParse(start, CultureInfo.InvariantCulture, out var ticks)
            ? HostProcess.Find(number, ticks)
            : null;
}
