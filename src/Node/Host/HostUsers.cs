using System.Globalization;

namespace Gantry.Node.Host;

/// <summary>Users and groups of the host, as /etc/passwd and /etc/group have them.</summary>
public static class HostUsers
{
    /// <summary>Makes the user and its main group the owner of a file or directory.</summary>
    /// <exception cref="IOException">There is no such user, or it is not allowed.</exception>
    public static void Give(string path, string user)
    {
        var entry = Entry("/etc/passwd", user) ?? throw new IOException($"There is no user '{user}' on this host.");
        Posix.Chown(path, Number(entry[2]), Number(entry[3]));
    }

    /// <summary>Makes the group a file's group, where the host has that group.</summary>
    public static bool TryGiveGroup(string path, string group)
    {
        if (Entry("/etc/group", group) is not { } entry)
        {
            return false;
        }

        Posix.Chown(path, -1, Number(entry[2]));
        return true;
    }

    /// <summary>Whether a process works in a directory, by whatever path either came there.</summary>
    public static bool WorksIn(int pid, string directory) => Posix.IsSame(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/cwd"), directory);

    /// <summary>The ids that some process runs under: not to be given to a guest, whatever is written down about them.</summary>
    public static IEnumerable<int> WithProcesses() => Processes().Select(p => p.Uid);

    /// <summary>Every process there is, and the user it runs under.</summary>
    public static IEnumerable<(int Pid, int Uid)> Processes()
    {
        foreach (var process in Directory.EnumerateDirectories("/proc").Where(d => char.IsAsciiDigit(d["/proc/".Length])))
        {
            if (Posix.TryOwnerOf(process) is { } uid)
            {
                yield return (Number(process["/proc/".Length..]), uid);
            }
        }
    }

    private static string[]? Entry(string file, string name) =>
        File.ReadLines(file).Select(l => l.Split(':')).FirstOrDefault(f => f.Length > 3 && f[0] == name);

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
