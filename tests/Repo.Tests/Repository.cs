using System.Diagnostics;

namespace Gantry.Repo.Tests;

/// <summary>The working tree these tests look at.</summary>
internal static class Repository
{
    public static string Root { get; } = Find(AppContext.BaseDirectory);

    public static string PathOf(string relative) => Path.Combine(Root, relative);

    /// <summary>Every file of the project, by its path from the root: what Git tracks or would add, so nothing built.</summary>
    public static IReadOnlyList<string> Files { get; } = List();

    public static IEnumerable<string> FilesEndingWith(params string[] endings) =>
        Files.Where(f => endings.Any(e => f.EndsWith(e, StringComparison.Ordinal)));

    private static string Find(string from) =>
        File.Exists(Path.Combine(from, "Gantry.slnx")) ? from
        : Directory.GetParent(from) is { } up ? Find(up.FullName)
        : throw new InvalidOperationException("The tests do not lie below Gantry.slnx.");

    private static List<string> List()
    {
        var start = new ProcessStartInfo("git", ["-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"])
        {
            WorkingDirectory = Root,
            RedirectStandardOutput = true,
        };
        try
        {
            using var git = Process.Start(start)!;
            var files = git.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
            git.WaitForExit();
            if (git.ExitCode == 0)
            {
                return [.. files.Where(f => File.Exists(PathOf(f))).Distinct()];
            }
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // No Git here (a source archive): every file counts, except what is built.
        }

        return [.. Directory.EnumerateFiles(Root, "*", SearchOption.AllDirectories)
            .Select(f => Path.GetRelativePath(Root, f))
            .Where(f => !f.StartsWith("artifacts/", StringComparison.Ordinal) && !f.StartsWith(".git/", StringComparison.Ordinal))];
    }
}
