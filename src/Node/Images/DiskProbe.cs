using System.Buffers.Binary;
using System.Text;
using Gantry.Contracts;
using Microsoft.Win32.SafeHandles;

namespace Gantry.Node.Images;

/// <summary>
/// Looks at the header of a disk that a stranger may have written, before any tool does. What would make a tool open another
/// file, or claims tables of gigabytes, is refused here; the format is what was said or what the first bytes say, never a tool's guess.
/// </summary>
internal static class DiskProbe
{
    private const int HeaderBytes = 64 << 10;
    private const int FooterBytes = 512;

    private static readonly (DiskFormat? Format, string Name, int Offset, byte[] Magic)[] Magics =
    [
        (DiskFormat.Qcow2, "qcow2", 0, [(byte)'Q', (byte)'F', (byte)'I', 0xfb]),
        (DiskFormat.Vmdk, "VMDK", 0, "KDMV"u8.ToArray()),
        (DiskFormat.Vdi, "VDI", 0x40, [0x7f, 0x10, 0xda, 0xbe]),
        (DiskFormat.Vhdx, "VHDX", 0, "vhdxfile"u8.ToArray()),
        (DiskFormat.Vpc, "VHD", 0, "conectix"u8.ToArray()),
        (null, "VMDK descriptor", 0, "# Disk DescriptorFile"u8.ToArray()),
        (null, "VMDK of an ESX server", 0, "COWD"u8.ToArray()),
        (null, "QED", 0, [(byte)'Q', (byte)'E', (byte)'D', 0]),
        (null, "Parallels", 0, "WithoutFreeSpace"u8.ToArray()),
        (null, "Parallels", 0, "WithouFreSpacExt"u8.ToArray()),
        (null, "encrypted (LUKS)", 0, [(byte)'L', (byte)'U', (byte)'K', (byte)'S', 0xba, 0xbe]),
        (null, "gzip", 0, [0x1f, 0x8b]),
        (null, "xz", 0, [0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0]),
        (null, "zstd", 0, [0x28, 0xb5, 0x2f, 0xfd]),
    ];

    /// <param name="said">What the caller says it is; null takes what the first bytes say, and raw where they say nothing.</param>
    /// <param name="largest">What the disk may be to its guest.</param>
    /// <returns>The format, and the disk's size where the header has it.</returns>
    /// <exception cref="Refusal"><c>image.format_mismatch</c>, <c>image.header_refused</c>, <c>image.backing_file</c>, <c>image.too_large</c> …</exception>
    public static (DiskFormat Format, long? VirtualBytes) Examine(string path, DiskFormat? said, long largest)
    {
        using var file = File.OpenHandle(path);
        var length = RandomAccess.GetLength(file);
        var header = Read(file, 0, HeaderBytes);
        var found = Magics.FirstOrDefault(m => header.AsSpan(Math.Min(m.Offset, header.Length)).StartsWith(m.Magic));
        var format = Decide(said, found.Name is null ? null : (found.Format, found.Name), EndsAsVhd(file, length));
        var size = format switch
        {
            DiskFormat.Raw => length,
            DiskFormat.Qcow2 => Qcow2Header.Check(header, length, mayHaveBase: false),
            DiskFormat.Vmdk => VmdkHeader.Check(header, Read(file, Math.Max(0, length - VmdkHeader.FooterBytes), VmdkHeader.FooterBytes)),
            DiskFormat.Vdi => VdiHeader.Check(header, length),
            _ => (long?)null, // VHDX and VHD: qemu-img, confined, says; it refuses those with a parent
        };
        return size == 0 ? throw ImageErrors.HeaderRefused("it is empty") : size > largest ? throw ImageErrors.TooLarge(size.Value, largest) : (format, size);
    }

    /// <summary>Looks at a qcow2 that Gantry made and a guest's QEMU wrote to since: its base is said by Gantry, whatever it says itself.</summary>
    /// <returns>The size of the disk.</returns>
    public static long ExamineOwn(string path)
    {
        using var file = File.OpenHandle(path);
        return Qcow2Header.Check(Read(file, 0, HeaderBytes), RandomAccess.GetLength(file), mayHaveBase: true);
    }

    private static DiskFormat Decide(DiskFormat? said, (DiskFormat? Format, string Name)? found, bool endsAsVhd) => (said, found) switch
    {
        (null, { Format: { } format }) => format,
        (null or DiskFormat.Raw, { Name: var name }) => throw ImageErrors.Disguised(name),
        (DiskFormat.Vpc, null) when endsAsVhd => DiskFormat.Vpc, // of a fixed size: only a footer tells it from a raw disk
        (null, null) => endsAsVhd ? DiskFormat.Vpc : DiskFormat.Raw,
        (DiskFormat.Raw, null) => endsAsVhd ? throw ImageErrors.Disguised("VHD") : DiskFormat.Raw,
        ({ } format, { } other) when other.Format == format => format,
        ({ } format, _) => throw ImageErrors.FormatMismatch(format, found?.Name),
    };

    private static bool EndsAsVhd(SafeFileHandle file, long length) => length > FooterBytes && Read(file, length - FooterBytes, FooterBytes).AsSpan().StartsWith("conectix"u8);

    private static byte[] Read(SafeFileHandle file, long offset, int count)
    {
        var bytes = new byte[count];
        var read = 0;
        while (read < count && RandomAccess.Read(file, bytes.AsSpan(read), offset + read) is var more and > 0)
        {
            read += more;
        }

        return bytes[..read];
    }
}

/// <summary>https://www.qemu.org/docs/master/interop/qcow2.html</summary>
internal static class Qcow2Header
{
    private const int LengthOfVersion2 = 72, LengthOfVersion3 = 104;
    private const long MostL1Bytes = 32L << 20, MostRefcountBytes = 8L << 20;
    private const ulong Corrupt = 1 << 1, DataFile = 1 << 2, Known = 0b11111;
    private const uint DataFileName = 0x44415441, EndOfExtensions = 0;

    /// <param name="mayHaveBase">For Gantry's own: the base is said on the command line.</param>
    /// <returns>The size of the disk.</returns>
    public static long Check(ReadOnlySpan<byte> header, long fileBytes, bool mayHaveBase)
    {
        if (header.Length < LengthOfVersion3 || Word(header, 4) is not (2 or 3) and var version)
        {
            throw ImageErrors.HeaderRefused(header.Length < LengthOfVersion3 ? "the file ends within its header" : $"qcow2 of version {Word(header, 4)} is not read");
        }

        if (!mayHaveBase && (Long(header, 8) != 0 || Word(header, 16) != 0))
        {
            throw ImageErrors.BackingFile();
        }

        var (clusterBits, size, l1Entries, refcountClusters) = (Word(header, 20), Long(header, 24), Word(header, 36), Word(header, 56));
        if (Word(header, 32) != 0)
        {
            throw ImageErrors.Encrypted();
        }

        Demand(clusterBits is >= 9 and <= 21, $"its clusters have 2^{clusterBits} bytes");
        Demand(size is > 0 and <= long.MaxValue / 2, $"it claims to hold {size} bytes");
        Demand(l1Entries * 8L <= MostL1Bytes, $"its first table claims {l1Entries} entries");
        Demand((long)refcountClusters << (int)clusterBits <= MostRefcountBytes, $"its reference counts claim {refcountClusters} clusters");
        Demand(Long(header, 40) < (ulong)fileBytes && Long(header, 48) < (ulong)fileBytes, "its tables lie behind its end");
        Demand(Word(header, 60) <= 65_536, $"it claims {Word(header, 60)} snapshots");
        if (Word(header, 4) == 3)
        {
            CheckVersion3(header, clusterBits);
        }

        return (long)size;
    }

    private static void CheckVersion3(ReadOnlySpan<byte> header, uint clusterBits)
    {
        var (features, length) = (Long(header, 72), Word(header, 100));
        if ((features & DataFile) != 0)
        {
            throw ImageErrors.DataFile();
        }

        Demand((features & Corrupt) == 0, "it is marked as corrupt");
        Demand((features & ~Known) == 0, $"it needs features that are not known (0x{features:x})");
        Demand(Word(header, 96) <= 6, $"its reference counts have 2^{Word(header, 96)} bits");
        Demand(length >= LengthOfVersion3 && length <= 1u << (int)clusterBits && length <= header.Length, $"its header claims {length} bytes");
        CheckExtensions(header, (int)length);
    }

    /// <summary>Behind the header: type, length, data padded to eight, until a type of zero.</summary>
    private static void CheckExtensions(ReadOnlySpan<byte> header, int at)
    {
        while (at + 8 <= header.Length && Word(header, at) is var type && type != EndOfExtensions)
        {
            if (type == DataFileName)
            {
                throw ImageErrors.DataFile();
            }

            var length = Word(header, at + 4);
            Demand(length < header.Length, $"an extension of its header claims {length} bytes");
            at += 8 + (((int)length + 7) & ~7);
        }
    }

    private static void Demand(bool holds, string otherwise) => _ = holds ? true : throw ImageErrors.HeaderRefused(otherwise);

    private static uint Word(ReadOnlySpan<byte> header, int at) => BinaryPrimitives.ReadUInt32BigEndian(header[at..]);

    private static ulong Long(ReadOnlySpan<byte> header, int at) => BinaryPrimitives.ReadUInt64BigEndian(header[at..]);
}

/// <summary>VMware's Virtual Disk Format 5.0: one file with its descriptor inside, directly behind the header, where QEMU looks for it.</summary>
internal static class VmdkHeader
{
    public const int FooterBytes = 1536; // marker, footer, end-of-stream marker

    private const int SectorBytes = 512, DescriptorSectors = 20, FooterAt = 512;

    /// <returns>The size of the disk.</returns>
    public static long Check(ReadOnlySpan<byte> header, ReadOnlySpan<byte> end)
    {
        if (header.Length < SectorBytes * (1 + DescriptorSectors))
        {
            throw ImageErrors.HeaderRefused("the file ends within its header");
        }

        var (capacity, grain, descriptor, entries, grains) = (Long(header, 12), Long(header, 20), Long(header, 28), Word(header, 44), Long(header, 56));
        Demand(Word(header, 4) is >= 1 and <= 3, $"VMDK of version {Word(header, 4)} is not read");
        Demand(capacity is > 0 and <= long.MaxValue / SectorBytes / 2, $"it claims {capacity} sectors"); // 0: QEMU would take the descriptor's word for where the data is
        Demand(grain is >= 8 and <= 4096 && (grain & (grain - 1)) == 0, $"its grains have {grain} sectors");
        Demand(entries is > 0 and <= 512, $"its tables have {entries} entries");
        Demand(capacity / grain / entries <= 16 << 20, "its directory claims gigabytes");
        Demand(descriptor == 1, "it carries no descriptor of its own");
        CheckDescriptor(Encoding.ASCII.GetString(header.Slice(SectorBytes, DescriptorSectors * SectorBytes)));
        if (grains == ulong.MaxValue)
        {
            // streamOptimized: the header at the end is the one that counts.
            Demand(end.Length == FooterBytes && end[FooterAt..].StartsWith("KDMV"u8), "it ends without its footer");
            var footer = end[FooterAt..];
            Demand(Long(footer, 12) == capacity && Long(footer, 20) == grain && Word(footer, 44) == entries && Long(footer, 56) != ulong.MaxValue, "its header and its footer do not agree");
        }

        return (long)capacity * SectorBytes;
    }

    private static void CheckDescriptor(string text)
    {
        var lines = text.Split('\0')[0].Split('\n', StringSplitOptions.TrimEntries);
        if (text.Contains("parentFileNameHint", StringComparison.OrdinalIgnoreCase)
            || lines.Any(l => l.StartsWith("parentCID", StringComparison.OrdinalIgnoreCase) && !l.EndsWith("ffffffff", StringComparison.OrdinalIgnoreCase)))
        {
            throw ImageErrors.BackingFile();
        }

        var extents = lines.Where(l => l.StartsWith("RW ", StringComparison.Ordinal) || l.StartsWith("RDONLY ", StringComparison.Ordinal) || l.StartsWith("NOACCESS ", StringComparison.Ordinal)).ToList();
        var type = lines.FirstOrDefault(l => l.StartsWith("createType", StringComparison.Ordinal)) ?? "";
        if (!type.EndsWith("=\"monolithicSparse\"", StringComparison.Ordinal) && !type.EndsWith("=\"streamOptimized\"", StringComparison.Ordinal))
        {
            throw ImageErrors.SeveralFiles(type.Length > 80 ? "createType" : type);
        }

        if (extents is not [var only] || !only.Contains(" SPARSE ", StringComparison.Ordinal))
        {
            throw ImageErrors.SeveralFiles($"{extents.Count} extents");
        }
    }

    private static void Demand(bool holds, string otherwise) => _ = holds ? true : throw ImageErrors.HeaderRefused(otherwise);

    private static uint Word(ReadOnlySpan<byte> header, int at) => BinaryPrimitives.ReadUInt32LittleEndian(header[at..]);

    private static ulong Long(ReadOnlySpan<byte> header, int at) => BinaryPrimitives.ReadUInt64LittleEndian(header[at..]);
}

/// <summary>VirtualBox's disk, version 1.1, as QEMU's block/vdi.c lays it out.</summary>
internal static class VdiHeader
{
    private const int Length = 0x1c8;
    private const uint Version = 0x00010001, BlockBytes = 1 << 20, Dynamic = 1, Static = 2;

    /// <returns>The size of the disk.</returns>
    public static long Check(ReadOnlySpan<byte> header, long fileBytes)
    {
        Demand(header.Length >= Length, "the file ends within its header");
        var (map, data, size, blocks) = (Word(header, 0x154), Word(header, 0x158), BinaryPrimitives.ReadUInt64LittleEndian(header[0x170..]), Word(header, 0x180));
        Demand(Word(header, 0x44) == Version, $"VDI of version 0x{Word(header, 0x44):x} is not read");
        Demand(Word(header, 0x4c) is Dynamic or Static, $"a VDI of type {Word(header, 0x4c)} is not read");
        Demand(Word(header, 0x168) == 512 && Word(header, 0x178) == BlockBytes, "its sectors or blocks are of another size than VirtualBox's");
        Demand(size is > 0 and <= long.MaxValue / 2, $"it claims to hold {size} bytes");
        Demand((ulong)blocks * BlockBytes >= size && blocks <= (size / BlockBytes) + 1, $"it claims {blocks} blocks for {size} bytes");
        Demand(map < fileBytes && data <= fileBytes, "its tables lie behind its end");
        return header.Slice(0x1a8, 32).ContainsAnyExcept((byte)0) ? throw ImageErrors.BackingFile() : (long)size;
    }

    private static void Demand(bool holds, string otherwise) => _ = holds ? true : throw ImageErrors.HeaderRefused(otherwise);

    private static uint Word(ReadOnlySpan<byte> header, int at) => BinaryPrimitives.ReadUInt32LittleEndian(header[at..]);
}
