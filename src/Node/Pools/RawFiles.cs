using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Pools;

/// <summary>Raw disks as files with holes. Each is there whole or not at all: made beside its place, flushed, and renamed.</summary>
internal sealed class RawFiles(QemuImg qemu)
{
    private const UnixFileMode OwnersOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const int BlockBytes = 1 << 20;

    public static void Create(string path, long sizeBytes) => Whole(path, beside => File.Create(beside).Dispose(), sizeBytes);

    /// <summary>From an image's qcow2.</summary>
    public async Task ConvertAsync(string image, string path, CancellationToken ct)
    {
        await qemu.ConvertToRawAsync(image, $"{path}.new", ct);
        Whole(path, _ => { }, 0);
    }

    /// <summary>A copy that shares nothing with the first.</summary>
    public static async Task CopyAsync(string from, string path, Action<DiskProgress> report, CancellationToken ct)
    {
        var beside = $"{path}.new";
        await Task.Run(() => Copy(from, new FileInfo(from).Length, beside, FileMode.Create, report, ct), ct);
        Whole(path, _ => { }, new FileInfo(from).Length);
    }

    /// <summary>Copies a device onto another that is empty and as large.</summary>
    public static Task CopyIntoAsync(string from, long sizeBytes, string device, Action<DiskProgress> report, CancellationToken ct) =>
        Task.Run(() => Copy(from, sizeBytes, device, FileMode.Open, report, ct), ct);

    /// <summary>Makes it larger; a larger one stays as it is.</summary>
    public static void Grow(string path, long sizeBytes)
    {
        using var file = File.OpenHandle(path, access: FileAccess.ReadWrite, share: FileShare.ReadWrite);
        if (RandomAccess.GetLength(file) < sizeBytes)
        {
            RandomAccess.SetLength(file, sizeBytes);
            RandomAccess.FlushToDisk(file);
        }
    }

    /// <param name="make">Makes the file it is told.</param>
    public static void Whole(string path, Action<string> make, long atLeastBytes)
    {
        var beside = $"{path}.new";
        make(beside);
        Posix.Chown(beside, 0, 0);
        File.SetUnixFileMode(beside, OwnersOnly);
        using (var file = File.OpenHandle(beside, access: FileAccess.ReadWrite))
        {
            if (RandomAccess.GetLength(file) < atLeastBytes)
            {
                RandomAccess.SetLength(file, atLeastBytes);
            }

            RandomAccess.FlushToDisk(file);
        }

        Posix.Rename(beside, path);
        Posix.SyncDirectory(Path.GetDirectoryName(path)!);
    }

    /// <summary>Reads all of a disk.</summary>
    /// <returns>Why it cannot be; null when it can.</returns>
    public static async Task<string?> ReadThroughAsync(string path, CancellationToken ct)
    {
        try
        {
            await Task.Run(() => Read(path, (_, _) => ct.ThrowIfCancellationRequested()), ct);
            return null;
        }
        catch (IOException e)
        {
            return e.Message;
        }
    }

    private static void Copy(string from, long total, string to, FileMode mode, Action<DiskProgress> report, CancellationToken ct)
    {
        using var target = File.OpenHandle(to, mode, FileAccess.Write);
        Read(from, (at, block) =>
        {
            ct.ThrowIfCancellationRequested();
            if (block.ContainsAnyExcept((byte)0))
            {
                RandomAccess.Write(target, block, at);
            }

            report(new(at + block.Length, total));
        });
        RandomAccess.FlushToDisk(target);
    }

    private delegate void Seen(long at, ReadOnlySpan<byte> block);

    /// <summary>Holes are passed over, except on FUSE: servers of its file systems need not answer where the next data are (zfs-fuse never does).</summary>
    private static void Read(string path, Seen seen)
    {
        using var file = File.OpenHandle(path, share: FileShare.ReadWrite);
        var tells = !Posix.IsOnFuse(file);
        var buffer = new byte[BlockBytes];
        for (var at = Next(0); RandomAccess.Read(file, buffer, at) is var read and > 0; at = Next(at + read))
        {
            seen(at, buffer.AsSpan(0, read));
        }

        long Next(long from) => tells ? Posix.NextData(file, from) : from;
    }
}
