using System.Text;

namespace Gantry.Node.Host;

/// <summary>The end of a text file that something else writes.</summary>
internal static class LogTail
{
    private const int WordsBytes = 4096;
    private const int Lines = 3;

    /// <summary>The last lines as one, without control characters; empty when there are none.</summary>
    public static string LastWords(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var bytes = new byte[Math.Min(WordsBytes, file.Length)];
            file.Position = file.Length - bytes.Length;
            var text = Encoding.UTF8.GetString(bytes, 0, file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false));
            var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).TakeLast(Lines);
            return string.Concat(string.Join(" / ", lines).Where(c => !char.IsControl(c)));
        }
        catch (IOException)
        {
            return "";
        }
    }
}
