using System.Net.WebSockets;
using System.Text.Json;
using Gantry.Contracts;
using Gantry.Node.Drivers;

namespace Gantry.Daemon.Consoles;

/// <summary>One console between its WebSocket and the serial line. Binary messages are bytes both ways, text messages are JSON (Contracts/Consoles.cs).</summary>
/// <param name="idle">After so long without a byte either way it ends; null for never.</param>
internal sealed class ConsoleSession(WebSocket socket, ISerialLine line, OpenedConsole console, TimeSpan? idle, TimeProvider time) : IDisposable
{
    private const int LongestRequest = 1024;

    /// <summary>Less than a ping may take to be answered: while typing waits, pongs are not read.</summary>
    private static readonly TimeSpan TypedWithin = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan ShownWithin = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan ClosedWithin = TimeSpan.FromSeconds(2);

    private readonly CancellationTokenSource _over = new();
    private readonly CancellationTokenSource _hurry = new();
    private long _lastByte = time.GetTimestamp();

    /// <param name="why">Asked when the serial line has ended.</param>
    /// <returns>Why it ended; null when the client left.</returns>
    public async Task<ConsoleNews?> RunAsync(Func<Task<ConsoleNews>> why, CancellationToken stopping)
    {
        var listening = ListenAsync();
        var showing = ShowAsync();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stopping, _over.Token);
        var resting = RestAsync(either.Token);
        var first = await Task.WhenAny(listening, showing, resting);
        _hurry.CancelAfter(first == showing ? ShownWithin : ClosedWithin);
        ConsoleNews? end = null;
        if (first == showing && await showing)
        {
            end = await why();
        }
        else if (first == resting)
        {
            end = new(State: stopping.IsCancellationRequested ? ConsoleEnd.DaemonStopping : ConsoleEnd.Idle);
        }

        await _over.CancelAsync();
        await showing;
        await CloseAsync(end, listening);
        await Task.WhenAll(listening, resting);
        return end;
    }

    public void Dispose()
    {
        _over.Dispose();
        _hurry.Dispose();
    }

    /// <returns>True when the line ended; false when the client takes no more.</returns>
    private async Task<bool> ShowAsync()
    {
        try
        {
            long? next = null;
            while (await line.ReadAsync(_over.Token) is { } piece)
            {
                if (piece.Offset != next)
                {
                    await SendAsync(next is { } expected ? new(Missed: piece.Offset - expected) : new(Offset: piece.Offset));
                }

                next = piece.End;
                if (!piece.Bytes.IsEmpty)
                {
                    _lastByte = time.GetTimestamp();
                    await SendAsync(piece.Bytes, WebSocketMessageType.Binary);
                }
            }

            return true;
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or ObjectDisposedException or IOException)
        {
            return false;
        }
    }

    /// <summary>Ends when the client has, or breaks the rules.</summary>
    private async Task ListenAsync()
    {
        var buffer = new byte[Limits.ConsoleMessageBytes];
        var text = 0;
        try
        {
            while (true)
            {
                var got = await socket.ReceiveAsync(buffer.AsMemory(text), CancellationToken.None);
                switch (got.MessageType)
                {
                    case WebSocketMessageType.Close:
                        return;
                    case WebSocketMessageType.Binary:
                        await TypeAsync(buffer.AsMemory(0, got.Count));
                        break;
                    default:
                        text += got.Count;
                        if (text > LongestRequest || (got.EndOfMessage && !Obey(buffer.AsSpan(0, text))))
                        {
                            return;
                        }

                        text = got.EndOfMessage ? 0 : text;
                        break;
                }
            }
        }
        catch (Exception e) when (e is WebSocketException or ObjectDisposedException or OperationCanceledException or IOException)
        {
            // Broken off: the same end.
        }
    }

    /// <summary>What a guest does not take in time is lost, as on any serial line.</summary>
    private async Task TypeAsync(ReadOnlyMemory<byte> input)
    {
        _lastByte = time.GetTimestamp();
        if (console.Grant.ViewOnly)
        {
            return;
        }

        using var deadline = new CancellationTokenSource(TypedWithin, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, _over.Token);
        try
        {
            await line.WriteAsync(input, either.Token);
        }
        catch (OperationCanceledException)
        {
        }
    }

    private bool Obey(ReadOnlySpan<byte> message)
    {
        try
        {
            var request = JsonSerializer.Deserialize(message, WireJson.Default.ConsoleRequest);
            if (request?.Resize is { Columns: >= 1 and <= Limits.ConsoleColumns, Rows: >= 1 and <= Limits.ConsoleColumns } size)
            {
                console.Resize(size);
            }

            return request is not null;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private async Task RestAsync(CancellationToken ct)
    {
        try
        {
            if (idle is not { } most)
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, time, ct);
                return;
            }

            while (most - time.GetElapsedTime(Volatile.Read(ref _lastByte)) is var left && left > TimeSpan.Zero)
            {
                await Task.Delay(left, time, ct);
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    private async Task CloseAsync(ConsoleNews? end, Task listening)
    {
        try
        {
            if (end is not null)
            {
                await SendAsync(end);
            }

            if (socket.State is WebSocketState.Open or WebSocketState.CloseReceived)
            {
                using var deadline = new CancellationTokenSource(ClosedWithin, time);
                var (status, words) = end?.State switch
                {
                    null when socket.State == WebSocketState.Open => (WebSocketCloseStatus.InvalidPayloadData, "not a request of a console's"),
                    null => (WebSocketCloseStatus.NormalClosure, null),
                    ConsoleEnd.Stopped => (WebSocketCloseStatus.NormalClosure, "the instance stopped"),
                    ConsoleEnd.Deleted => (WebSocketCloseStatus.NormalClosure, "the instance was deleted"),
                    ConsoleEnd.DaemonStopping => (WebSocketCloseStatus.EndpointUnavailable, "the daemon stops"),
                    ConsoleEnd.Idle => (WebSocketCloseStatus.NormalClosure, "nothing happened for too long"),
                    _ => (WebSocketCloseStatus.InternalServerError, "the line to the guest broke"),
                };
                await socket.CloseOutputAsync(status, words, deadline.Token);
                await listening.WaitAsync(deadline.Token);
            }
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or ObjectDisposedException or IOException)
        {
            // It is gone already.
        }

        socket.Dispose();
    }

    private Task SendAsync(ConsoleNews news) => SendAsync(JsonSerializer.SerializeToUtf8Bytes(news, WireJson.Default.ConsoleNews), WebSocketMessageType.Text);

    private async Task SendAsync(ReadOnlyMemory<byte> message, WebSocketMessageType type)
    {
        using var deadline = new CancellationTokenSource(ShownWithin, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, _hurry.Token);
        await socket.SendAsync(message, type, endOfMessage: true, either.Token);
    }
}
