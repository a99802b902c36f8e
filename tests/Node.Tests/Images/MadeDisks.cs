using System.Buffers.Binary;
using Gantry.Node.Host;

namespace Gantry.Node.Tests.Images;

/// <summary>Disks for tests, made by the real qemu-img; and the bytes that make hostile ones of them.</summary>
internal static class MadeDisks
{
    public const long Bytes = 3 << 20;

    private static readonly Shell Shell = new(TimeProvider.System);

    /// <summary>Something that is not zero at three places, so that a conversion that loses any of it is seen.</summary>
    public static byte[] Content()
    {
        var content = new byte[Bytes];
        new Random(7).NextBytes(content.AsSpan(0, 70_000));
        "in the middle"u8.CopyTo(content.AsSpan(1_500_000));
        "at the end"u8.CopyTo(content.AsSpan((int)Bytes - 10));
        return content;
    }

    public static async Task<string> MakeAsync(string folder, string format, string? options = null)
    {
        var (raw, made) = ($"{folder}/content.raw", $"{folder}/disk.{format}");
        await File.WriteAllBytesAsync(raw, Content());
        await RunAsync(["convert", "-f", "raw", "-O", format, .. options is null ? (string[])[] : ["-o", options], raw, made]);
        return made;
    }

    public static Task<CommandResult> RunAsync(IReadOnlyList<string> arguments) => Shell.RunAsync(new("qemu-img", arguments, TimeSpan.FromMinutes(1)), default);

    /// <summary>What a guest would read from a qcow2.</summary>
    public static async Task<byte[]> ReadAsync(string qcow2, string folder)
    {
        await RunAsync(["convert", "-f", "qcow2", "-O", "raw", qcow2, $"{folder}/back.raw"]);
        return await File.ReadAllBytesAsync($"{folder}/back.raw");
    }

    public static void PatchBig(string path, int offset, uint value) => Patch(path, offset, b => BinaryPrimitives.WriteUInt32BigEndian(b, value), 4);

    public static void PatchBig(string path, int offset, ulong value) => Patch(path, offset, b => BinaryPrimitives.WriteUInt64BigEndian(b, value), 8);

    public static void PatchLittle(string path, int offset, uint value) => Patch(path, offset, b => BinaryPrimitives.WriteUInt32LittleEndian(b, value), 4);

    public static void PatchLittle(string path, int offset, ulong value) => Patch(path, offset, b => BinaryPrimitives.WriteUInt64LittleEndian(b, value), 8);

    public static void PatchText(string path, string old, string other)
    {
        var bytes = File.ReadAllBytes(path);
        var at = bytes.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(old));
        at.ShouldBeGreaterThan(0);
        System.Text.Encoding.ASCII.GetBytes(other.PadRight(old.Length)).CopyTo(bytes.AsSpan(at));
        File.WriteAllBytes(path, bytes);
    }

    private delegate void Writer(Span<byte> bytes);

    private static void Patch(string path, int offset, Writer write, int count)
    {
        Span<byte> bytes = stackalloc byte[8];
        write(bytes);
        using var file = File.OpenWrite(path);
        file.Position = offset;
        file.Write(bytes[..count]);
    }
}
