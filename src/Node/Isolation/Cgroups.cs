using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Gantry.Node.Host;

namespace Gantry.Node.Isolation;

/// <summary>
/// Makes and removes the control groups of instances. Each lies under <c>gantry/ROOT/ID</c>, and what was made is written into the
/// instance's run folder before it is made; only that, and only what the kernel says is empty, is ever removed.
/// </summary>
internal sealed class Cgroups
{
    private const string Written = "cgroups";
    private static readonly TimeSpan Empties = TimeSpan.FromSeconds(2);

    private readonly TimeProvider _time;
    private readonly Lock _making = new();

    public Cgroups(GantryRoot root, TimeProvider time, CgroupHost? host = null)
    {
        (_time, Host) = (time, host ?? CgroupHost.Read());
        Root = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(root.Path)))[..8];
    }

    public CgroupHost Host { get; }

    /// <summary>The word that stands for this root in the names of its groups.</summary>
    public string Root { get; }

    public CgroupPlan Plan(InstanceLimits limits, string name) => CgroupPlan.For(Host, limits, Root, name);

    /// <summary>Makes the groups of a plan; the launcher joins them.</summary>
    /// <param name="run">The instance's run folder, in which they are written down.</param>
    /// <exception cref="IOException">They cannot be made; nothing is left of them.</exception>
    public void Make(CgroupPlan plan, InstanceLimits limits, string run)
    {
        AtomicFile.Write($"{run}/{Written}", Encoding.UTF8.GetBytes(string.Join('\n', plan.Folders.Select(f => f.Path).Prepend(limits.MemoryBytes.ToString(CultureInfo.InvariantCulture)))));
        try
        {
            lock (_making)
            {
                foreach (var folder in plan.Folders)
                {
                    MakeFolder(folder);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            RemoveFolders(plan.Folders.Select(f => f.Path));
            throw new IOException($"control groups cannot be made: {e.Message}", e);
        }
    }

    /// <summary>Removes what <see cref="Make"/> made.</summary>
    /// <returns>False when something runs in it yet.</returns>
    public bool Remove(string run) => TryRead($"{run}/{Written}") is not { } text || RemoveFolders(text.Split('\n').Skip(1));

    /// <summary>The same, with the moment that the kernel takes to forget what has just ended.</summary>
    public async Task RemoveAsync(string run)
    {
        for (var began = _time.GetTimestamp(); !Remove(run) && _time.GetElapsedTime(began) < Empties;)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), _time);
        }
    }

    /// <summary>Removes groups of this root that nothing runs in: a daemon that was killed may have left some.</summary>
    /// <returns>False when something runs in one.</returns>
    public bool Sweep() => Parents().Where(Directory.Exists).SelectMany(Directory.GetDirectories).ToList() is var folders && RemoveFolders(folders);

    /// <summary>How many processes of that instance were killed because they had used up its memory; told once its QEMU has ended.</summary>
    /// <param name="run">Its run folder, where the launcher left what the group had counted.</param>
    public static int OomKills(string run) => (TryRead($"{run}/exit") ?? "").Split('\n')
        .Select(l => l.Split(' ')).Where(w => w is ["oom_kill", _]).Select(w => int.TryParse(w[1], CultureInfo.InvariantCulture, out var n) ? n : 0).FirstOrDefault();

    /// <summary>Why it was killed, when it was for want of memory; null when it was not.</summary>
    public static string? OutOfMemory(string run) =>
        OomKills(run) > 0 && long.TryParse(TryRead($"{run}/{Written}")?.Split('\n')[0], CultureInfo.InvariantCulture, out var limit)
            ? string.Create(CultureInfo.InvariantCulture, $"QEMU was killed: out of memory (limit {limit >> 20} MiB)")
            : null;

    private IEnumerable<string> Parents() => Host.Systemd ? [] :
        Host.Legacy.Values.Append(Host.Unified).OfType<string>().Distinct().Select(own => $"{own}/gantry/{Root}");

    private void MakeFolder(CgroupFolder folder)
    {
        var parents = (string[])[Path.GetDirectoryName(Path.GetDirectoryName(folder.Path))!, Path.GetDirectoryName(folder.Path)!];
        foreach (var path in parents.Append(folder.Path))
        {
            Directory.CreateDirectory(path);
            if (folder.Values.Any(v => v.File == "cpuset.mems"))
            {
                FillFromParent(path, "cpuset.cpus");
                FillFromParent(path, "cpuset.mems");
            }
        }

        if (Host.Unified is { } unified && folder.Path.StartsWith($"{unified}/", StringComparison.Ordinal))
        {
            var wanted = folder.Values.Select(v => v.File.Split('.')[0]).Concat(["io", "cpu"]).Where(Host.UnifiedControllers.Contains).Distinct();
            foreach (var path in parents.Prepend(unified))
            {
                File.WriteAllText($"{path}/cgroup.subtree_control", string.Join(' ', wanted.Select(c => $"+{c}")));
            }
        }

        foreach (var value in folder.Values.Where(v => v.Text != CgroupPlan.FromParent && (!v.Optional || File.Exists($"{folder.Path}/{v.File}"))))
        {
            File.WriteAllText($"{folder.Path}/{value.File}", value.Text);
        }
    }

    private static void FillFromParent(string path, string file)
    {
        if (File.ReadAllText($"{path}/{file}").Trim().Length == 0)
        {
            File.WriteAllText($"{path}/{file}", File.ReadAllText($"{Path.GetDirectoryName(path)}/{file}").Trim());
        }
    }

    /// <summary>And the folders above that are ours, when these were the last in them.</summary>
    /// <returns>False when something still runs in one.</returns>
    private bool RemoveFolders(IEnumerable<string> folders)
    {
        var all = true;
        foreach (var folder in folders.Where(f => f.Contains($"/gantry/{Root}/", StringComparison.Ordinal)))
        {
            lock (_making)
            {
                all &= TryRemove(folder);
                _ = TryRemove(Path.GetDirectoryName(folder)!) && TryRemove(Path.GetDirectoryName(Path.GetDirectoryName(folder))!);
            }
        }

        return all;
    }

    /// <summary>The kernel removes no group that has members or others below it.</summary>
    private static bool TryRemove(string folder)
    {
        try
        {
            Directory.Delete(folder);
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

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
