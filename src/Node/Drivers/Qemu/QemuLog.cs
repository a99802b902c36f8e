using System.Text;

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
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var bytes = new byte[Math.Min(MostBytes, file.Length)];
            file.Position = file.Length - bytes.Length;
            var text = Encoding.UTF8.GetString(bytes, 0, file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false));
            return text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
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
