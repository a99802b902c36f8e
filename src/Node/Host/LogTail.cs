using System.Text;
using Gantry.Contracts;

namespace Gantry.Node.Host;

/// <summary>The end of a text file that something else writes.</summary>
internal static class LogTail
{
    private const int WordsBytes = 4096;
    private const int Lines = 3;

    public static SerialOutput Read(string path, int tailBytes)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var bytes = new byte[Math.Min(tailBytes, file.Length)];
            var start = file.Length - bytes.Length;
            file.Position = start;
            var read = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            return new(Encoding.UTF8.GetString(bytes, 0, read), start > 0);
        }
        catch (FileNotFoundException)
        {
            return new("", false);
        }
    }

    /// <summary>The last lines as one, without control characters; empty when there are none.</summary>
    public static string LastWords(string path)
    {
        try
        {
            var lines = Read(path, WordsBytes).Text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).TakeLast(Lines);
            return string.Concat(string.Join(" / ", lines).Where(c => !char.IsControl(c)));
        }
        catch (IOException)
        {
            return "";
        }
    }
}
