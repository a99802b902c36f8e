using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Gantry.Node.Instances;

/// <summary>
/// A disc with a few small files in its root, made in memory, so that what is secret in them lies nowhere meanwhile: ISO 9660
/// (ECMA-119) with short names and, beside them, Joliet's whole ones (the Joliet specification, Microsoft 1995).
/// </summary>
internal static class IsoImage
{
    private const int Sector = 2048;
    private const int FirstDescriptor = 16;
    private const int PathTables = 19;
    private const int FirstRoot = 23;
    private const int FirstFile = 25;
    private const int PathTableBytes = 10;
    private const int RootRecord = 34;
    private const int OffsetOfApplication = 574;
    private const int LengthOfApplication = 128;
    private const int JolietLabelLength = 16;
    private const byte Directory = 2;

    /// <param name="label">At most 16 of ASCII.</param>
    /// <param name="application">What the disc says of itself, at most 128 of ASCII; see <see cref="TryReadApplication"/>.</param>
    /// <param name="files">At most 16, with names of at most 32 characters.</param>
    public static byte[] Write(string label, string application, IReadOnlyList<(string Name, byte[] Content)> files)
    {
        var placed = new List<(string Name, int At, byte[] Content)>();
        var next = FirstFile;
        foreach (var (name, content) in files)
        {
            placed.Add((name, next, content));
            next += (content.Length + Sector - 1) / Sector;
        }

        var disc = new byte[next * Sector];
        Describe(At(disc, FirstDescriptor), label, application, next, joliet: false);
        Describe(At(disc, FirstDescriptor + 1), label, application, next, joliet: true);
        byte[] end = [255, .. "CD001"u8, 1];
        end.CopyTo(At(disc, FirstDescriptor + 2));
        foreach (var joliet in (bool[])[false, true])
        {
            PathTable(At(disc, TableOf(joliet)), RootOf(joliet), bigEndian: false);
            PathTable(At(disc, TableOf(joliet) + 1), RootOf(joliet), bigEndian: true);
            Root(At(disc, RootOf(joliet)), RootOf(joliet), placed, joliet);
        }

        foreach (var (_, at, content) in placed)
        {
            content.CopyTo(At(disc, at));
        }

        return disc;
    }

    /// <summary>What a disc says of itself; null when there is no such file, or one that is no disc.</summary>
    public static string? TryReadApplication(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            var text = new byte[LengthOfApplication];
            file.Position = (FirstDescriptor * Sector) + OffsetOfApplication;
            file.ReadExactly(text);
            return Encoding.ASCII.GetString(text).TrimEnd();
        }
        catch (Exception e) when (e is FileNotFoundException or EndOfStreamException)
        {
            return null;
        }
    }

    private static int RootOf(bool joliet) => FirstRoot + (joliet ? 1 : 0);

    private static int TableOf(bool joliet) => PathTables + (joliet ? 2 : 0);

    private static Span<byte> At(byte[] disc, int sector) => disc.AsSpan(sector * Sector);

    /// <summary>A primary (8.4) or supplementary (8.5) volume descriptor.</summary>
    private static void Describe(Span<byte> at, string label, string application, int sectors, bool joliet)
    {
        at[..Sector].Clear();
        at[0] = joliet ? (byte)2 : (byte)1;
        "CD001"u8.CopyTo(at[1..]);
        at[6] = 1;
        Fill(at[8..40], "", joliet);
        Fill(at[40..72], joliet ? label[..Math.Min(label.Length, JolietLabelLength)] : label, joliet);
        Both32(at[80..], sectors);
        if (joliet)
        {
            "%/E"u8.CopyTo(at[88..]); // UCS-2, level 3
        }

        Both16(at[120..], 1);
        Both16(at[124..], 1);
        Both16(at[128..], Sector);
        Both32(at[132..], PathTableBytes);
        BinaryPrimitives.WriteInt32LittleEndian(at[140..], TableOf(joliet));
        BinaryPrimitives.WriteInt32BigEndian(at[148..], TableOf(joliet) + 1);
        Record(at[156..], [0], RootOf(joliet), Sector, Directory);
        Fill(at[190..OffsetOfApplication], "", joliet);
        Fill(at.Slice(OffsetOfApplication, LengthOfApplication), application, joliet);
        foreach (var file in (int[])[702, 739, 776])
        {
            Fill(at.Slice(file, 37), "", joliet);
        }

        for (var date = 813; date < 881; date += 17)
        {
            at.Slice(date, 16).Fill((byte)'0'); // not said
        }

        at[881] = 1;
    }

    /// <summary>The root alone (9.4).</summary>
    private static void PathTable(Span<byte> at, int root, bool bigEndian)
    {
        at[0] = 1;
        if (bigEndian)
        {
            BinaryPrimitives.WriteInt32BigEndian(at[2..], root);
            BinaryPrimitives.WriteInt16BigEndian(at[6..], 1);
        }
        else
        {
            BinaryPrimitives.WriteInt32LittleEndian(at[2..], root);
            BinaryPrimitives.WriteInt16LittleEndian(at[6..], 1);
        }
    }

    private static void Root(Span<byte> at, int sector, IReadOnlyList<(string Name, int At, byte[] Content)> files, bool joliet)
    {
        var used = Record(at, [0], sector, Sector, Directory);
        used += Record(at[used..], [1], sector, Sector, Directory);
        var named = files.Select(f => (Name: joliet ? Encoding.BigEndianUnicode.GetBytes($"{f.Name};1") : Encoding.ASCII.GetBytes(ShortNameOf(f.Name)), f.At, f.Content));
        foreach (var file in named.OrderBy(f => Convert.ToHexString(f.Name), StringComparer.Ordinal))
        {
            used += Record(at[used..], file.Name, file.At, file.Content.Length, 0);
        }
    }

    /// <summary>Eight, a dot and three of A-Z, 0-9 and '_' (7.5, 10.1).</summary>
    private static string ShortNameOf(string name)
    {
        var dot = name.LastIndexOf('.');
        var (stem, extension) = dot < 0 ? (name, "") : (name[..dot], name[(dot + 1)..]);
        return $"{Plain(stem, 8)}.{Plain(extension, 3)};1";

        static string Plain(string text, int most) =>
            string.Concat(text.ToUpper(CultureInfo.InvariantCulture).Take(most).Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_'));
    }

    /// <summary>A directory record (9.1); answers with its length.</summary>
    private static int Record(Span<byte> at, byte[] name, int sector, int bytes, byte flags)
    {
        var length = (RootRecord - 1 + name.Length + 1) & ~1;
        at[..length].Clear();
        at[0] = (byte)length;
        Both32(at[2..], sector);
        Both32(at[10..], bytes);
        (at[18], at[19], at[20]) = (80, 1, 1); // the same day for all, so that the same files make the same disc
        at[25] = flags;
        Both16(at[28..], 1);
        at[32] = (byte)name.Length;
        name.CopyTo(at[33..]);
        return length;
    }

    private static void Fill(Span<byte> at, string text, bool joliet)
    {
        var encoding = joliet ? Encoding.BigEndianUnicode : Encoding.ASCII;
        var characters = joliet ? at.Length / 2 : at.Length;
        encoding.GetBytes(text.PadRight(characters).AsSpan(0, characters), at);
    }

    private static void Both16(Span<byte> at, short value)
    {
        BinaryPrimitives.WriteInt16LittleEndian(at, value);
        BinaryPrimitives.WriteInt16BigEndian(at[2..], value);
    }

    private static void Both32(Span<byte> at, int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(at, value);
        BinaryPrimitives.WriteInt32BigEndian(at[4..], value);
    }
}
