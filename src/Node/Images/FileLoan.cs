using Gantry.Node.Host;

namespace Gantry.Node.Images;

/// <summary>Lets a confined tool's own group at files that not everyone may read, for as long as it runs. A file is lent to one at a time.</summary>
internal sealed class FileLoan : IDisposable
{
    private const UnixFileMode OwnersOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private static readonly NamedLocks Turns = new();

    private readonly NamedLocks.Held _turn;
    private readonly List<string> _lent = [];

    private FileLoan(NamedLocks.Held turn) => _turn = turn;

    /// <param name="writable">May be written too.</param>
    public static async Task<FileLoan> OfAsync(int gid, IEnumerable<string> readable, IReadOnlyList<string> writable, CancellationToken ct)
    {
        var closed = readable.Where(p => !File.GetUnixFileMode(p).HasFlag(UnixFileMode.OtherRead)).Union(writable).ToList();
        var loan = new FileLoan(await Turns.HoldAsync(ct, closed));
        try
        {
            foreach (var path in closed)
            {
                loan._lent.Add(path);
                Posix.Chown(path, -1, gid);
                File.SetUnixFileMode(path, OwnersOnly | UnixFileMode.GroupRead | (writable.Contains(path) ? UnixFileMode.GroupWrite : UnixFileMode.None));
            }

            return loan;
        }
        catch
        {
            loan.Dispose();
            throw;
        }
    }

    /// <summary>A daemon that was killed meanwhile does not know whose group it was: that of its owner, as for all that Gantry makes.</summary>
    public void Dispose()
    {
        foreach (var path in _lent.Where(File.Exists))
        {
            File.SetUnixFileMode(path, OwnersOnly);
            Posix.Chown(path, -1, Posix.TryOwnerOf(path) ?? 0);
        }

        _lent.Clear();
        _turn.Dispose();
    }
}
