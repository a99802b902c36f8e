using System.Buffers.Binary;
using System.Net.Sockets;
using Gantry.Contracts;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>A connection to the supervisor's socket (Launcher/console.h): packets, each from it with the offset of its bytes.</summary>
internal sealed class QemuSerialLine : ISerialLine
{
    /// <summary>As in console.h: the longest packet it types.</summary>
    private const int LongestInput = 4096;

    private const long NoOffset = -1;
    private static readonly TimeSpan GreetsWithin = TimeSpan.FromSeconds(10);

    private readonly Socket _socket;
    private readonly byte[] _packet = new byte[32 << 10];
    private SerialPiece? _first;

    private QemuSerialLine(Socket socket) => _socket = socket;

    /// <exception cref="Refusal"><c>instance.not_running</c>, <c>console.too_many</c>, <c>console.no_answer</c></exception>
    public static async Task<QemuSerialLine> ConnectAsync(Id<Instance> id, string path, long? since, int tailBytes, TimeProvider time, CancellationToken ct)
    {
        using var timer = new CancellationTokenSource(GreetsWithin, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timer.Token);
        var line = new QemuSerialLine(new(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified));
        try
        {
            await line._socket.ConnectAsync(new UnixDomainSocketEndPoint(path), either.Token);
            var hello = new byte[16];
            BinaryPrimitives.WriteInt64LittleEndian(hello, since ?? NoOffset);
            BinaryPrimitives.WriteInt64LittleEndian(hello.AsSpan(8), tailBytes);
            await line._socket.SendAsync(hello, either.Token);
            line._first = await line.ReceiveAsync(either.Token) ?? throw DriverErrors.NotRunning(id);
            return line._first is { Offset: NoOffset } ? throw DriverErrors.ConsoleFull(id) : line;
        }
        catch (Exception e)
        {
            await line.DisposeAsync();
            throw e switch
            {
                OperationCanceledException when !ct.IsCancellationRequested => DriverErrors.ConsoleSilent(id),
                SocketException => DriverErrors.NotRunning(id), // the socket of one that has ended meanwhile
                _ => e,
            };
        }
    }

    public async Task<SerialPiece?> ReadAsync(CancellationToken ct)
    {
        if (_first is { } first)
        {
            _first = null;
            return first;
        }

        return await ReceiveAsync(ct);
    }

    public async Task WriteAsync(ReadOnlyMemory<byte> input, CancellationToken ct)
    {
        try
        {
            for (; !input.IsEmpty; input = input[Math.Min(LongestInput, input.Length)..])
            {
                await _socket.SendAsync(input[..Math.Min(LongestInput, input.Length)], ct);
            }
        }
        catch (SocketException)
        {
            // It has ended: reading says so.
        }
    }

    public ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<SerialPiece?> ReceiveAsync(CancellationToken ct)
    {
        try
        {
            var length = await _socket.ReceiveAsync(_packet, ct);
            return length < sizeof(long) ? null : new(BinaryPrimitives.ReadInt64LittleEndian(_packet), _packet.AsMemory(sizeof(long)..length));
        }
        catch (SocketException)
        {
            return null;
        }
    }
}
