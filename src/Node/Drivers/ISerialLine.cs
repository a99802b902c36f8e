namespace Gantry.Node.Drivers;

/// <summary>One reader of a serial line. Reading and writing may go on side by side, each one at a time.</summary>
public interface ISerialLine : IAsyncDisposable
{
    /// <summary>
    /// What the guest wrote next, once there is something; the first answer comes at once and may be empty. Where the offset is not
    /// the end of the piece before, this reader was too slow, and what lies between is lost to it.
    /// </summary>
    /// <returns>Good until the next call; null at the end: the guest runs no more, or what watched over it has ended.</returns>
    Task<SerialPiece?> ReadAsync(CancellationToken ct);

    /// <summary>Types into the guest; waits while the guest takes no more.</summary>
    Task WriteAsync(ReadOnlyMemory<byte> input, CancellationToken ct);
}

/// <param name="Offset">How much the guest had written before, since it was made.</param>
public readonly record struct SerialPiece(long Offset, ReadOnlyMemory<byte> Bytes)
{
    public long End => Offset + Bytes.Length;
}
