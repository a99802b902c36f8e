namespace Gantry.Node.Images;

/// <summary>Copies bytes and leaves holes where blocks of zeros are; the target must be new there, or zero.</summary>
internal static class SparseCopy
{
    private const int BlockBytes = 1 << 16;

    /// <param name="seen">Told each block before it is written: for sums, progress and limits.</param>
    /// <returns>How many bytes.</returns>
    public static async Task<long> ToAsync(Stream source, FileStream target, CancellationToken ct, Action<ReadOnlyMemory<byte>>? seen = null)
    {
        var buffer = new byte[BlockBytes];
        var total = 0L;
        while (await source.ReadAtLeastAsync(buffer, BlockBytes, throwOnEndOfStream: false, ct) is var read and > 0)
        {
            seen?.Invoke(buffer.AsMemory(0, read));
            total += read;
            if (buffer.AsSpan(0, read).ContainsAnyExcept((byte)0))
            {
                await target.WriteAsync(buffer.AsMemory(0, read), ct);
            }
            else
            {
                target.Seek(read, SeekOrigin.Current);
            }
        }

        if (target.Length < target.Position)
        {
            target.SetLength(target.Position);
        }

        return total;
    }
}
