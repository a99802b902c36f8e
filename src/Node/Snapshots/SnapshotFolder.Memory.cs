using System.Security.Cryptography;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Snapshots;

internal sealed partial class SnapshotFolder
{
    public const string MemoryName = "memory";

    private const int FullDisk = 28; // ENOSPC, as .NET carries it in HResult

    /// <summary>Beside the memory, for the state of devices and so that others on that file system have some left.</summary>
    private const long MemoryReserve = 64 * Limits.MiB;

    public string MemoryPath => $"{_path}/{MemoryName}";

    /// <exception cref="Refusal"><c>snapshot.no_space</c></exception>
    public void DemandRoom(long memoryBytes)
    {
        var free = new DriveInfo(_path).AvailableFreeSpace;
        if (free < memoryBytes + MemoryReserve)
        {
            throw NodeSnapshotErrors.NoSpace(_path, memoryBytes + MemoryReserve, free);
        }
    }

    /// <summary>Writes the memory into the folder, flushed to disk. Nothing of it is left when that fails.</summary>
    /// <param name="save">Given what takes the next piece of it.</param>
    /// <returns>Its SHA-256 and its length.</returns>
    /// <exception cref="Refusal"><c>snapshot.no_space</c>, <c>snapshot.not_kept</c>, and what <paramref name="save"/> refuses</exception>
    public async Task<(string Sha256, long Bytes)> KeepMemoryAsync(Func<Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask>, Task> save)
    {
        try
        {
            await using var file = new FileStream(MemoryPath, new FileStreamOptions
            {
                Mode = FileMode.Create, Access = FileAccess.Write, BufferSize = 0, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
            using var sum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            await save(async (piece, ct) =>
            {
                sum.AppendData(piece.Span);
                await file.WriteAsync(piece, ct);
            });
            file.Flush(flushToDisk: true);
            Posix.SyncDirectory(_path);
            return (Convert.ToHexStringLower(sum.GetHashAndReset()), file.Length);
        }
        catch (Exception e)
        {
            File.Delete(MemoryPath);
            throw e switch
            {
                IOException { HResult: FullDisk } => NodeSnapshotErrors.NoSpace(_path, null, new DriveInfo(_path).AvailableFreeSpace),
                IOException => NodeSnapshotErrors.MemoryNotKept(e.Message),
                _ => e,
            };
        }
    }
}
