using System.Globalization;
using Gantry.Node;
using Gantry.Node.Host;
using Gantry.Node.Isolation;

namespace Gantry.Daemon.Tests.Soak;

/// <summary>All that instances of a root have on this machine: processes, files, sockets, control groups.</summary>
internal static class Leftovers
{
    /// <summary>One line each, so that a difference says what it is.</summary>
    public static string Of(string root) => string.Join('\n',
    [
        .. GuestsOf(root).Select(pid => $"process {pid}"),
        .. ((string[])["data/instances", "run/instances", "data/images"]).SelectMany(folder => Directory.GetFileSystemEntries($"{root}/{folder}")).Order(StringComparer.Ordinal),
        .. GroupsOf(root),
    ]);

    /// <summary>Launchers and supervisors, by their command lines, and what runs under a user id of the root's guests.</summary>
    public static IReadOnlyList<int> GuestsOf(string root)
    {
        var uids = UidRange.Claim(GantryRoot.At(root)); // the same again for the same root
        return
        [
            .. Directory.GetDirectories("/proc").Select(p => Path.GetFileName(p)).Where(p => p.All(char.IsAsciiDigit))
                .Where(p => Posix.TryOwnerOf($"/proc/{p}") is { } owner && ((owner >= uids.First && owner < uids.First + uids.Guests)
                    || Read($"/proc/{p}/cmdline").Contains($"{root}/run/instances/", StringComparison.Ordinal)))
                .Where(p => Read($"/proc/{p}/stat") is { Length: > 0 } stat && !stat.Contains(") Z ", StringComparison.Ordinal))
                .Select(p => int.Parse(p, CultureInfo.InvariantCulture)),
        ];
    }

    private static IEnumerable<string> GroupsOf(string root)
    {
        var name = new Cgroups(GantryRoot.At(root), TimeProvider.System).Root;
        return Directory.EnumerateDirectories("/sys/fs/cgroup", name, new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true })
            .SelectMany(Directory.GetDirectories).Order(StringComparer.Ordinal);
    }

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
