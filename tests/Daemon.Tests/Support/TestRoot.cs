using System.Globalization;
using Gantry.Node;
using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Host;
using Gantry.Node.Isolation;
using Gantry.Node.Networks;

namespace Gantry.Daemon.Tests.Support;

/// <summary>
/// A directory for one daemon's root under /tmp, named after the process that owns it: what a killed run of the tests
/// has left is swept away by the next.
/// </summary>
internal sealed class TestRoot : IDisposable
{
    private const string Prefix = "gantry-root-";
    private static int _count;

    public TestRoot()
    {
        Sweep();
        Path = string.Create(CultureInfo.InvariantCulture, $"/tmp/{Prefix}{Environment.ProcessId}-{Interlocked.Increment(ref _count)}");
        Directory.CreateDirectory(Path);
    }

    public string Path { get; }

    public void Dispose() => Remove(Path);

    private static void Sweep()
    {
        foreach (var left in Directory.GetDirectories("/tmp", $"{Prefix}*"))
        {
            if (!Directory.Exists($"/proc/{System.IO.Path.GetFileName(left)[Prefix.Length..].Split('-')[0]}"))
            {
                try
                {
                    Remove(left);
                }
                catch (DirectoryNotFoundException)
                {
                    // Another run of the tests sweeps at the same time.
                }
            }
        }
    }

    /// <summary>Ends what outlives a daemon on purpose: guests, and what gives networks their addresses.</summary>
    private static async Task EndAllAsync(string path)
    {
        foreach (var run in Directory.Exists($"{path}/run/networks") ? Directory.GetDirectories($"{path}/run/networks") : [])
        {
            using var left = DnsmasqProcess.Read(run) is { } written ? HostProcess.Find(written.Pid, written.Start) : null;
            left?.Kill();
        }

        foreach (var run in Directory.Exists($"{path}/run/instances") ? Directory.GetDirectories($"{path}/run/instances") : [])
        {
            using var left = await QemuProcess.FindAsync(run, TimeProvider.System);
            if (left is not null)
            {
                left.Kill();
                await left.SettleAsync(TimeProvider.System);
            }
        }
    }

    /// <summary>And the guests it had, and their control groups; what has just ended may count as a member for a moment yet.</summary>
    private static void Remove(string path)
    {
        EndAllAsync(path).GetAwaiter().GetResult();
        SpinWait.SpinUntil(new Cgroups(GantryRoot.At(path), TimeProvider.System).Sweep, TimeSpan.FromSeconds(5));
        Directory.Delete(path, recursive: true);
    }
}
