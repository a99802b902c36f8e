using System.Globalization;
using Gantry.Contracts;
using Gantry.Node;

namespace Gantry.Daemon.Systems;

/// <summary>One daemon a root: a file locked for as long as the process lives, however it ends; and the pid file, for people and scripts.</summary>
internal sealed class RootLock : IDisposable
{
    private readonly GantryRoot _root;
    private readonly FileStream _lock;

    private RootLock(GantryRoot root, FileStream held)
    {
        (_root, _lock) = (root, held);
        File.WriteAllText($"{root.PidFile}.new", string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}\n"));
        File.Move($"{root.PidFile}.new", root.PidFile, overwrite: true);
    }

    /// <exception cref="Refusal"><c>root.in_use</c></exception>
    public static RootLock Take(GantryRoot root)
    {
        var path = $"{root.Run}/gantryd.lock";
        try
        {
            return new(root, new FileStream(path, new FileStreamOptions
            {
                // Not for others even to read: whoever can open it could lock it.
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.ReadWrite,
                Share = FileShare.None,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            }));
        }
        catch (IOException e)
        {
            throw new Refusal("root.in_use", 409, $"Another daemon runs on the root {root.Path} ({path} is locked).",
                "Stop it first, or give this one a root of its own with --root DIR.", inner: e);
        }
    }

    /// <summary>The locked file stays: a daemon that starts this moment may have it open already.</summary>
    public void Dispose()
    {
        File.Delete(_root.PidFile);
        _lock.Dispose();
    }
}
