using Gantry.Node.Host;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>What QEMU writes on its standard outputs, kept by the launcher: its own words, between lines of its trace.</summary>
internal static class QemuLog
{
    private const int MostBytes = 256 << 10;
    private const int LastLines = 3;

    public static bool IsTrace(string line) => line.StartsWith(QemuResets.TraceEvent, StringComparison.Ordinal);

    /// <summary>Empty when it cannot be read.</summary>
    public static string[] Lines(string path)
    {
        try
        {
            return LogTail.Read(path, MostBytes).Text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        }
        catch (IOException)
        {
            return [];
        }
    }

    /// <summary>The last of QEMU's own words as one line, without control characters; empty when there are none.</summary>
    public static string LastWords(string path)
    {
        var lines = Lines(path).Where(line => !IsTrace(line)).TakeLast(LastLines);
        return string.Concat(string.Join(" / ", lines).Where(c => !char.IsControl(c)));
    }

    public static string? TryRead(string path)
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
