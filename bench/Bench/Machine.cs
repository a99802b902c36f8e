using System.Runtime.InteropServices;

namespace Gantry.Bench;

/// <summary>Where and on what a figure was measured.</summary>
internal static class Machine
{
    /// <summary>The source tree, above this program.</summary>
    public static string Source { get; } = Find(AppContext.BaseDirectory);

    public static string Commit()
    {
        var commit = Run.Text("git", ["-c", "safe.directory=*", "-C", Source, "rev-parse", "HEAD"]).Trim();
        var changed = Run.Text("git", ["-c", "safe.directory=*", "-C", Source, "status", "--porcelain", "--", "src"]).Length > 0;
        return changed ? $"{commit} and changes" : commit;
    }

    public static object Describe() => new
    {
        cpu = Line("/proc/cpuinfo", "model name"),
        cores = Environment.ProcessorCount,
        memory = Line("/proc/meminfo", "MemTotal"),
        kernel = File.ReadAllText("/proc/sys/kernel/osrelease").Trim(),
        os = RuntimeInformation.OSDescription,
        runtime = RuntimeInformation.FrameworkDescription,
        load = File.ReadAllText("/proc/loadavg").Trim(),
    };

    private static string Line(string path, string key) =>
        File.ReadLines(path).FirstOrDefault(l => l.StartsWith(key, StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? "";

    private static string Find(string from) =>
        File.Exists(Path.Combine(from, "Gantry.slnx")) ? from
        : Directory.GetParent(from) is { } up ? Find(up.FullName)
        : throw new InvalidOperationException("The benchmark does not lie below Gantry.slnx.");
}
