using System.Buffers;
using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Gantry.Node.Host;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>
/// A client of QEMU's monitor (https://www.qemu.org/docs/master/interop/qmp-spec.html). The peer may have been taken
/// over by its guest: nothing it sends, or fails to send, may hold up or fill the daemon.
/// </summary>
internal sealed class Qmp : IAsyncDisposable
{
    public const int LongestLine = 4 << 20;

    private const int MostInASecond = 500;

    private readonly Socket _socket;
    private readonly NetworkStream _stream;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _writing = new(1);
    private readonly ConcurrentDictionary<long, TaskCompletionSource<JsonElement>> _waiting = [];
    private readonly TaskCompletionSource _greeted = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Events are hints to look: when they come faster than they are read, the oldest may go.
    private readonly Channel<QmpEvent> _events = Channel.CreateBounded<QmpEvent>(new BoundedChannelOptions(256) { FullMode = BoundedChannelFullMode.DropOldest });
    private readonly Task _reading;
    private long _lastId;

    private Qmp(Socket socket, TimeProvider time)
    {
        (_socket, _stream, _time) = (socket, new NetworkStream(socket, ownsSocket: true), time);
        _reading = ReadAsync();
    }

    /// <summary>What QEMU tells unasked; ends with the connection.</summary>
    public ChannelReader<QmpEvent> Events => _events.Reader;

    public bool IsOpen => !_reading.IsCompleted;

    /// <summary>Connects and leaves the negotiation mode. QEMU serves one client at a time; another one waits here until the deadline.</summary>
    /// <exception cref="QmpFailed">Nobody there, or not QMP, or no answer in time.</exception>
    public static async Task<Qmp> ConnectAsync(string path, TimeSpan deadline, TimeProvider time, CancellationToken ct)
    {
        using var timer = new CancellationTokenSource(deadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timer.Token);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        Qmp? qmp = null;
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), either.Token);
            qmp = new Qmp(socket, time);
            await qmp._greeted.Task.WaitAsync(either.Token);
            await qmp.ExecuteAsync("qmp_capabilities", null, deadline, either.Token);
            return qmp;
        }
        catch (Exception e)
        {
            socket.Dispose();
            if (qmp is not null)
            {
                await qmp.DisposeAsync();
            }

            throw e switch
            {
                OperationCanceledException when !ct.IsCancellationRequested => new QmpFailed($"QEMU's monitor did not greet within {deadline.TotalSeconds:0.#} s."),
                SocketException or ArgumentException => new QmpFailed($"QEMU's monitor cannot be reached: {e.Message}", e),
                _ => e,
            };
        }
    }

    /// <param name="handed">A descriptor that goes with the command; the peer gets a copy.</param>
    /// <returns>What the command returns.</returns>
    /// <exception cref="QmpFailed">QEMU refused it, the connection broke, or no answer came in time.</exception>
    public async Task<JsonElement> ExecuteAsync(string command, JsonObject? arguments, TimeSpan deadline, CancellationToken ct, SafeHandle? handed = null)
    {
        using var timer = new CancellationTokenSource(deadline, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timer.Token);
        var id = Interlocked.Increment(ref _lastId);
        var answer = _waiting[id] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            if (!IsOpen)
            {
                throw new QmpFailed("The connection to QEMU's monitor is closed.");
            }

            var request = new JsonObject { ["execute"] = command, ["id"] = id };
            if (arguments is not null)
            {
                request["arguments"] = arguments;
            }

            await _writing.WaitAsync(either.Token);
            try
            {
                ReadOnlyMemory<byte> line = JsonSerializer.SerializeToUtf8Bytes((JsonNode)request, JsonSerializerOptions.Default);
                await _stream.WriteAsync(handed is null ? line : line[await SendAsync(line, handed, either.Token)..], either.Token);
                await _stream.WriteAsync("\n"u8.ToArray(), either.Token);
            }
            finally
            {
                _writing.Release();
            }

            return await answer.Task.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new QmpFailed($"QEMU did not answer '{command}' within {deadline.TotalSeconds:0.#} s.");
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            throw new QmpFailed("The connection to QEMU's monitor broke.", e);
        }
        finally
        {
            _waiting.TryRemove(id, out _);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stream.DisposeAsync();
        await _reading;
    }

    /// <summary>Sends the first bytes with the descriptor, once the socket takes them.</summary>
    /// <returns>How many.</returns>
    private async Task<int> SendAsync(ReadOnlyMemory<byte> line, SafeHandle handed, CancellationToken ct)
    {
        int sent;
        while ((sent = Posix.SendWithDescriptor(_socket.SafeHandle, line.Span, handed)) == 0)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10), _time, ct);
        }

        return sent;
    }

    private async Task ReadAsync()
    {
        var why = new QmpFailed("QEMU closed the connection to its monitor.");
        try
        {
            var reader = PipeReader.Create(_stream, new StreamPipeReaderOptions(leaveOpen: true));
            var searched = 0L;
            var (since, taken) = (_time.GetTimestamp(), 0);
            while (true)
            {
                var read = await reader.ReadAsync();
                var rest = read.Buffer;
                while (rest.Slice(searched).PositionOf((byte)'\n') is { } end)
                {
                    Take(rest.Slice(0, end));
                    rest = rest.Slice(rest.GetPosition(1, end));
                    (searched, taken) = (0, taken + 1);
                }

                // What was looked through once is not looked through again, however small the pieces it comes in.
                searched = rest.Length;
                if (taken > MostInASecond)
                {
                    // A guest that floods (it can, through its panic device) is read more slowly: QEMU waits, not the daemon.
                    await Task.Delay(TimeSpan.FromSeconds(1), _time);
                    (since, taken) = (_time.GetTimestamp(), 0);
                }
                else if (_time.GetElapsedTime(since) > TimeSpan.FromSeconds(1))
                {
                    (since, taken) = (_time.GetTimestamp(), 0);
                }

                if (rest.Length > LongestLine)
                {
                    throw new QmpFailed($"QEMU's monitor sent a line longer than {LongestLine >> 20} MiB.");
                }

                reader.AdvanceTo(rest.Start, rest.End);
                if (read.IsCompleted)
                {
                    break;
                }
            }
        }
        catch (QmpFailed e)
        {
            why = e;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            why = new("QEMU's monitor sent something that is not QMP.", e);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            why = new("The connection to QEMU's monitor broke.", e);
        }

        _socket.Dispose();
        _greeted.TrySetException(why);
        _events.Writer.TryComplete();
        foreach (var answer in _waiting.Values)
        {
            answer.TrySetException(why);
        }

        // Nobody may be waiting for the greeting any more: a failure nobody looks at is no crash.
        _ = _greeted.Task.Exception;
    }

    private void Take(ReadOnlySequence<byte> line)
    {
        if (line.Length > LongestLine)
        {
            throw new QmpFailed($"QEMU's monitor sent a line longer than {LongestLine >> 20} MiB.");
        }

        using var document = JsonDocument.Parse(line);
        var message = document.RootElement;
        if (message.TryGetProperty("event", out var name))
        {
            var data = message.TryGetProperty("data", out var given) ? given.Clone() : default;
            _events.Writer.TryWrite(new(name.GetString() ?? "", data));
        }
        else if (message.TryGetProperty("QMP", out _))
        {
            _greeted.TrySetResult();
        }
        else if (message.TryGetProperty("id", out var id) && _waiting.TryRemove(id.GetInt64(), out var answer))
        {
            if (message.TryGetProperty("return", out var result))
            {
                answer.TrySetResult(result.Clone());
            }
            else
            {
                answer.TrySetException(new QmpRefused($"QEMU refused: {message.GetProperty("error").GetProperty("desc").GetString()}"));
            }
        }
    }
}

internal sealed record QmpEvent(string Name, JsonElement Data)
{
    /// <summary>A text field of its data; null where there is none.</summary>
    public string? Text(string field) => Data.Text(field);
}

internal static class QmpJson
{
    /// <summary>A field of something that ought to be an object; false where it is not or has none.</summary>
    public static bool Flag(this JsonElement element, string field) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.True;

    /// <summary>The elements of something that ought to be a list; none where it is not.</summary>
    public static IEnumerable<JsonElement> Items(this JsonElement element) => element.ValueKind == JsonValueKind.Array ? element.EnumerateArray() : [];

    /// <summary>As <see cref="Flag"/>, for a whole number; null where there is none.</summary>
    public static long? Number(this JsonElement element, string field) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number)
            ? number : null;

    /// <summary>A text field of something that ought to be an object; null where it is not or has none.</summary>
    public static string? Text(this JsonElement element, string field)
    {
        try
        {
            return element.ValueKind == JsonValueKind.Object && element.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null; // half a surrogate pair: JSON's grammar lets it pass
        }
    }
}

/// <summary>QEMU's monitor refused, broke off or did not answer; the message is for people.</summary>
internal class QmpFailed(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>QEMU answered, and the answer is no.</summary>
internal sealed class QmpRefused(string message) : QmpFailed(message);
