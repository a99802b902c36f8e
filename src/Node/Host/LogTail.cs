using System.Text;
using Gantry.Contracts;

namespace Gantry.Node.Host;

/// <summary>The end of a text file that something else writes.</summary>
internal static class LogTail
{
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
}
