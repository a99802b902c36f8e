using System.Globalization;
using Gantry.Node.Host;
using Gantry.Node.Isolation;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>QEMU and the launcher that watches over it, as the launcher wrote them down in the instance's run folder.</summary>
internal sealed class QemuProcess(HostProcess qemu, HostProcess? supervisor, string run) : IDisposable
{
    /// <summary>A number and a start can meet again after the host restarted. (What a process says its arguments are, it says itself.)</summary>
    private static readonly string BootId = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();

    private static readonly TimeSpan SupervisorEnds = TimeSpan.FromSeconds(5);

    public int Pid => qemu.Pid;

    /// <summary>Completes when QEMU has ended.</summary>
    public Task Ended => qemu.Ended;

    /// <summary>The process of that run folder; null when none runs, and then all there is to say of its end is written down.</summary>
    public static async Task<QemuProcess?> FindAsync(string run, TimeProvider time)
    {
        if (TryRead($"{run}/pids") is not { } text || !text.EndsWith('\n') || text.Split(' ', '\n') is not [var pid, var start, var watcher, var watcherStart, var boot, ..] || boot != BootId)
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

    /// <summary>Why it ended, for people; null when nothing was ever started there.</summary>
    /// <param name="log">QEMU's own words.</param>
    public static string? ReasonOfEnd(string run, string log) => !File.Exists($"{run}/pids") ? null : (TryRead($"{run}/exit") ?? "").Split(' ', '\n') switch
    {
        ["exit", "0", ..] => "the guest powered itself off",
        ["exit", "1", ..] when log.Length == 0 => "the guest's kernel panicked",   // -action panic=exit-failure
        ["exit", var code, ..] => $"QEMU ended with code {code}: {log}",
        ["signal", "9", ..] when Cgroups.OutOfMemory(run) is { } outOfMemory => outOfMemory,
        ["signal", var number, ..] => $"QEMU was killed (signal {number})",
        _ => "QEMU ended unseen: it was killed together with its supervisor, or the host restarted",
    };

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

    private static string? TryRead(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
