using Gantry.Node.Host;

namespace Gantry.Node.Drivers;

/// <summary>A kernel or initial RAM disk that a guest's own user has to be able to read.</summary>
internal static class BootFile
{
    /// <exception cref="Contracts.Refusal"><c>kernel.missing</c>, <c>initrd.missing</c>: not there, not a file, or not for everyone to read.</exception>
    public static void Demand(string what, string path)
    {
        if (Fault(path) is { } why)
        {
            throw DriverErrors.FileMissing(what, path, why);
        }
    }

    private static string? Fault(string path)
    {
        try
        {
            if (!Path.IsPathRooted(path))
            {
                return "it is not an absolute path";
            }

            if (Directory.Exists(path))
            {
                return "it is a directory";
            }

            if (!File.Exists(path))
            {
                return "there is no such file";
            }

            // A link's own mode says nothing; what it leads to, and the way there, must be open.
            var file = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
            if (!Posix.FactsOf(file).IsRegular)
            {
                return "it is not a regular file";
            }

            if (!File.GetUnixFileMode(file).HasFlag(UnixFileMode.OtherRead))
            {
                return "not everyone may read it (chmod o+r)";
            }

            foreach (var start in (string[])[path, file])
            {
                for (var folder = Path.GetDirectoryName(start); folder is not null; folder = Path.GetDirectoryName(folder))
                {
                    if (!File.GetUnixFileMode(folder).HasFlag(UnixFileMode.OtherExecute))
                    {
                        return $"not everyone may pass through {folder} (chmod o+x)";
                    }
                }
            }

            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
    }
}
