using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Gantry.Contracts;

namespace Gantry.Node.Drivers;

/// <summary>
/// What is kept of a guest's serial line: the files that gantry-launch writes (Launcher/serial_log.h), read while it goes on writing.
/// Two segments of plain bytes, and beside each the marks: from this position on, this offset and time.
/// </summary>
internal static class SerialLog
{
    private const int Tries = 10;

    private static readonly string[] Suffixes = ["", ".1"];

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Mark(long Position, long Offset, long Microseconds);

    /// <param name="Position">Of its first byte in the file.</param>
    /// <param name="At">Of its first byte in all the guest has written.</param>
    /// <param name="Kept">Of its first byte in all that is kept: the two part ways where a full disk has left a hole.</param>
    /// <param name="Microseconds">When it came, since 1970; 0 where nobody knows.</param>
    private sealed record Piece(string File, long Position, long At, long Kept, long Length, long Microseconds)
    {
        public long End => At + Length;
    }

    private sealed record Part(List<Piece> Pieces, long From, byte[] Bytes)
    {
        public long OffsetOf(long kept) => Pieces.FindLast(piece => piece.Kept <= kept) is { } piece ? piece.At + kept - piece.Kept : 0;
    }

    /// <param name="mostBytes">The last ones, or the first after <paramref name="since"/>.</param>
    public static SerialOutput Read(string path, int mostBytes, long? since = null, bool timestamps = false)
    {
        var part = ReadPart(path, mostBytes, since, before: 1);

        // The byte before says whether a line begins; a character that has only half come is left for the next time.
        var lineBegins = part.From < 0 || part.Bytes[0] == '\n';
        var first = part.From + 1;
        var text = part.Bytes.AsSpan(part.From < 0 ? 0 : 1);
        text = part.Pieces is [.., var last] && first + text.Length == last.Kept + last.Length ? text[..^HalfCharacter(text)] : text;
        return new(
            timestamps ? Stamped(text, first, part.Pieces, lineBegins) : Encoding.UTF8.GetString(text),
            Truncated: part.OffsetOf(first) > (since ?? 0), part.OffsetOf(first), part.OffsetOf(first + text.Length));
    }

    /// <summary>The bytes after an offset, or after the hole there, as they are kept.</summary>
    public static SerialPiece ReadSince(string path, long since, int mostBytes)
    {
        var part = ReadPart(path, mostBytes, since, before: 0);
        return new(part.OffsetOf(part.From), part.Bytes);
    }

    /// <summary>How much the guest has written since it was made.</summary>
    public static long EndOf(string path) => Pieces(path) is [.., var last] ? last.End : 0;

    /// <summary>Writes as the launcher does, into one segment without a limit.</summary>
    public static void Append(string path, ReadOnlySpan<byte> bytes, DateTimeOffset now)
    {
        using var file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
        using var marks = new FileStream($"{path}.times", FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
        marks.Write(MemoryMarshal.AsBytes([new Mark(file.Position, file.Position, (now - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond)]));
        marks.Flush();
        file.Write(bytes);
    }

    /// <param name="before">Bytes to read before the first one asked for; <see cref="Part.From"/> is less by so many, be they there or not.</param>
    private static Part ReadPart(string path, int mostBytes, long? since, int before)
    {
        for (var tries = 0; ; tries++)
        {
            var pieces = Pieces(path);
            var end = pieces is [.., var last] ? last.Kept + last.Length : 0;
            var from = since is not { } after ? Math.Max(0, end - mostBytes)
                : pieces.Find(piece => piece.End > after) is { } piece ? piece.Kept + Math.Max(0, after - piece.At) : end;
            var bytes = Gather(pieces, Math.Max(0, from - before), Math.Min(end, from + mostBytes));

            // A segment that was emptied meanwhile begins elsewhere now: what was read of it is not what was meant.
            if (tries == Tries || Pieces(path).Select(piece => piece.At).FirstOrDefault() == pieces.Select(piece => piece.At).FirstOrDefault())
            {
                return new(pieces, from - before, bytes);
            }
        }
    }

    private static byte[] Gather(List<Piece> pieces, long from, long to)
    {
        using var all = new MemoryStream();
        foreach (var file in pieces.Where(piece => piece.Kept < to && piece.Kept + piece.Length > from).GroupBy(piece => piece.File))
        {
            using var stream = Open(file.Key);
            foreach (var piece in file)
            {
                var (first, last) = (Math.Max(piece.Kept, from), Math.Min(piece.Kept + piece.Length, to));
                var bytes = new byte[last - first];
                stream!.Position = piece.Position + first - piece.Kept;
                all.Write(bytes, 0, stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false));
            }
        }

        return all.ToArray();
    }

    /// <summary>In the order of the stream.</summary>
    private static List<Piece> Pieces(string path)
    {
        var pieces = Suffixes.SelectMany(suffix => PiecesOf(path + suffix)).OrderBy(piece => piece.At).ToList();
        for (var i = 1; i < pieces.Count; i++)
        {
            pieces[i] = pieces[i] with { Kept = pieces[i - 1].Kept + pieces[i - 1].Length };
        }

        return pieces;
    }

    private static List<Piece> PiecesOf(string file)
    {
        using var bytes = Open(file);
        var marks = MarksOf($"{file}.times");
        var size = bytes?.Length ?? 0;
        var pieces = new List<Piece>(marks.Length + 1);
        if (size > 0 && (marks.Length == 0 || marks[0].Position > 0))
        {
            pieces.Add(new(file, 0, 0, 0, marks.Length == 0 ? size : marks[0].Position, 0)); // of a supervisor that kept no times
        }

        for (var i = 0; i < marks.Length && marks[i].Position < size; i++)
        {
            var end = i + 1 < marks.Length ? Math.Min(marks[i + 1].Position, size) : size;
            if (end > marks[i].Position)
            {
                pieces.Add(new(file, marks[i].Position, marks[i].Offset, 0, end - marks[i].Position, marks[i].Microseconds));
            }
        }

        return pieces;
    }

    private static Mark[] MarksOf(string file)
    {
        using var stream = Open(file);
        if (stream is null)
        {
            return [];
        }

        var bytes = new byte[stream.Length];
        return MemoryMarshal.Cast<byte, Mark>(bytes.AsSpan(0, stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false))).ToArray();
    }

    private static FileStream? Open(string file)
    {
        try
        {
            return new(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    private static string Stamped(ReadOnlySpan<byte> text, long first, List<Piece> pieces, bool lineBegins)
    {
        var stamped = new StringBuilder(text.Length * 2);
        var (at, piece) = (first, 0);
        while (text.Length > 0)
        {
            while (piece < pieces.Count - 1 && pieces[piece].Kept + pieces[piece].Length <= at)
            {
                piece++;
            }

            if (lineBegins && pieces[piece].Microseconds > 0)
            {
                var time = DateTimeOffset.UnixEpoch.AddMicroseconds(pieces[piece].Microseconds);
                stamped.Append(CultureInfo.InvariantCulture, $"{time:yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'} ");
            }

            var line = text.IndexOf((byte)'\n') is >= 0 and var end ? end + 1 : text.Length;
            stamped.Append(Encoding.UTF8.GetString(text[..line]));
            text = text[line..];
            (at, lineBegins) = (at + line, true);
        }

        return stamped.ToString();
    }

    /// <summary>How many bytes at the end are the beginning of a UTF-8 character whose rest is not there.</summary>
    private static int HalfCharacter(ReadOnlySpan<byte> text)
    {
        for (var back = 1; back <= Math.Min(3, text.Length); back++)
        {
            var lead = text[^back];
            if ((lead & 0b1100_0000) == 0b1000_0000)
            {
                continue;
            }

            var length = lead >= 0b1111_0000 ? 4 : lead >= 0b1110_0000 ? 3 : lead >= 0b1100_0000 ? 2 : 1;
            return length > back ? back : 0;
        }

        return 0;
    }
}
