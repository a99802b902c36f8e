namespace Gantry.Node.Isolation;

/// <summary>The control groups of this host.</summary>
/// <param name="Legacy">Controllers with a hierarchy of their own (version 1), each with this process's group in it.</param>
/// <param name="Unified">Where version 2 is mounted; null when it is not.</param>
/// <param name="UnifiedControllers">What version 2 controls.</param>
/// <param name="Systemd">The first process is systemd, and the groups are its to make.</param>
internal sealed record CgroupHost(IReadOnlyDictionary<string, string> Legacy, string? Unified, IReadOnlySet<string> UnifiedControllers, bool Systemd)
{
    public static CgroupHost Read()
    {
        var mounts = File.ReadAllText("/proc/self/mountinfo");
        var host = Parse(mounts, File.ReadAllText("/proc/self/cgroup"), "", Directory.Exists("/run/systemd/system"));
        return host.Unified is { } unified && TryRead($"{unified}/cgroup.controllers") is { } controllers ? host with { UnifiedControllers = Words(controllers) } : host;
    }

    /// <summary>From the files of those names in /proc/self (proc(5), cgroups(7)).</summary>
    public static CgroupHost Parse(string mountinfo, string cgroup, string controllers, bool systemd)
    {
        var own = cgroup.Split('\n').Select(l => l.Split(':', 3)).Where(f => f.Length == 3)
            .SelectMany(f => f[1].Split(',').Select(c => (Controller: c, Path: f[2]))).GroupBy(g => g.Controller).ToDictionary(g => g.Key, g => g.First().Path);
        var legacy = new Dictionary<string, string>();
        string? unified = null;
        foreach (var line in mountinfo.Split('\n'))
        {
            // 32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu
            if (line.Split(" - ") is not [var before, var after] || before.Split(' ') is not [_, _, _, var root, var at, ..] || after.Split(' ') is not [var type, _, var options, ..])
            {
                continue;
            }

            if (type == "cgroup2")
            {
                unified ??= at;
            }
            else if (type == "cgroup")
            {
                foreach (var controller in options.Split(',').Where(own.ContainsKey))
                {
                    legacy.TryAdd(controller, Below(at, root, own[controller]));
                }
            }
        }

        return new(legacy, unified, Words(controllers), systemd);
    }

    /// <summary>Where a group lies under a mount that shows the hierarchy from <paramref name="root"/> on.</summary>
    private static string Below(string at, string root, string path) =>
        root == "/" ? at + path.TrimEnd('/')
        : path == root || path.StartsWith($"{root}/", StringComparison.Ordinal) ? at + path[root.Length..]
        : at;

    private static HashSet<string> Words(string text) => [.. text.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries)];

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
