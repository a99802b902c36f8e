using System.Globalization;

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

    public void Dispose() => Directory.Delete(Path, recursive: true);

    private static void Sweep()
    {
        foreach (var left in Directory.GetDirectories("/tmp", $"{Prefix}*"))
        {
            if (!Directory.Exists($"/proc/{System.IO.Path.GetFileName(left)[Prefix.Length..].Split('-')[0]}"))
            {
                Directory.Delete(left, recursive: true);
            }
        }
    }
}
