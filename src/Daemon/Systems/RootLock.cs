using System.Globalization;
using Gantry.Contracts;
using Gantry.Node;

namespace Gantry.Daemon.Systems;

/// <summary>One daemon a root: its pid file, locked for as long as the process lives, however it ends.</summary>
internal sealed class RootLock : IDisposable
{
    private readonly FileStream _file;

    private RootLock(FileStream file) => _file = file;

    /// <exception cref="Refusal"><c>root.in_use</c></exception>
    public static RootLock Take(GantryRoot root)
    {
        try
        {
            var file = new FileStream(root.PidFile, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            file.SetLength(0);
            file.Write(System.Text.Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}\n")));
            file.Flush(flushToDisk: true);
            return new(file);
        }
        catch (IOException e)
        {
            throw new Refusal("root.in_use", 409, $"Another daemon runs on the root {root.Path} ({root.PidFile} is locked).",
                "Stop it first, or give this one a root of its own with --root DIR.", inner: e);
        }
    }

    /// <summary>Empties the file rather than removing it: a daemon that starts this moment may have it open already.</summary>
    public void Dispose()
    {
        _file.SetLength(0);
        _file.Dispose();
    }
}
