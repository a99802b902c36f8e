using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Pools;

/// <summary>Files with what opens a pool, which only root may read: their contents are in no request, no record and no command line.</summary>
internal static class PoolCredentials
{
    /// <param name="folder">Where they lie.</param>
    /// <param name="name">Of the file.</param>
    /// <param name="what">It holds, for people.</param>
    /// <returns>The file's path.</returns>
    /// <exception cref="Refusal"><c>pool.not_usable</c></exception>
    public static string Demand(string folder, string name, string what, string source)
    {
        if (!Limits.IsName(name))
        {
            throw PoolErrors.NotUsable(source, $"its credentials are no name of a file in {folder}");
        }

        var path = $"{folder}/{name}";
        if (!File.Exists(path))
        {
            throw PoolErrors.NotUsable(source, $"there is no file {path} with {what}");
        }

        const UnixFileMode others = (UnixFileMode)0b000_111_111;
        return (File.GetUnixFileMode(path) & others) == 0 && Posix.TryOwnerOf(path) == 0 && new FileInfo(path).LinkTarget is null
            ? path : throw PoolErrors.NotUsable(source, $"others than root can read {path} (`chown root` and `chmod 600` end that)");
    }
}
