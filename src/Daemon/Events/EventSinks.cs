using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Daemon.Events;

/// <summary>One reader's connection. A write that does not go through in time ends it: the reader resumes with the last number it saw.</summary>
internal abstract class EventSink(TimeProvider time, CancellationTokenSource end) : IAsyncDisposable
{
    private static readonly TimeSpan _writeWithin = TimeSpan.FromSeconds(30);

    /// <param name="missed">How many events before these are gone; the reader is told so first.</param>
    public abstract Task SendAsync(long missed, IReadOnlyList<Event> events, long cursor);

    public abstract Task PingAsync(long cursor);

    public abstract ValueTask DisposeAsync();

    protected static byte[] Gap(long missed) => JsonSerializer.SerializeToUtf8Bytes(new EventGap("gap", missed), WireJson.Default.EventGap);

    protected async Task InTimeAsync(Func<CancellationToken, Task> write)
    {
        using var deadline = new CancellationTokenSource(_writeWithin, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, end.Token);
        await write(either.Token);
    }
}

/// <summary><c>text/event-stream</c>: <c>id</c> is the number, <c>data</c> the event. A ping carries the id too, so a reader of few topics stays near the end.</summary>
internal sealed class ServerSentSink : EventSink
{
    private readonly HttpContext _http;
    private readonly PipeWriter _out;

    private ServerSentSink(HttpContext http, TimeProvider time, CancellationTokenSource end)
        : base(time, end) => (_http, _out) = (http, http.Response.BodyWriter);

    public static async Task<ServerSentSink> OpenAsync(HttpContext http, TimeProvider time, CancellationTokenSource end)
    {
        http.Response.ContentType = "text/event-stream";
        http.Response.Headers.CacheControl = "no-store";
        var sink = new ServerSentSink(http, time, end);
        sink.Write(": events\n\n");
        await sink.FlushAsync();
        return sink;
    }

    public override async Task SendAsync(long missed, IReadOnlyList<Event> events, long cursor)
    {
        if (missed > 0)
        {
            Write(string.Create(CultureInfo.InvariantCulture, $"id: {(events is [var first, ..] ? first.Seq - 1 : cursor)}\ndata: "));
            _out.Write(Gap(missed));
            Write("\n\n");
        }

        foreach (var happened in events)
        {
            Write(string.Create(CultureInfo.InvariantCulture, $"id: {happened.Seq}\ndata: "));
            _out.Write(JsonSerializer.SerializeToUtf8Bytes(happened, WireJson.Default.Event));
            Write("\n\n");
        }

        await FlushAsync();
    }

    public override Task PingAsync(long cursor)
    {
        Write(string.Create(CultureInfo.InvariantCulture, $": ping\nid: {cursor}\n\n"));
        return FlushAsync();
    }

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private async Task FlushAsync()
    {
        try
        {
            await InTimeAsync(async ct => await _out.FlushAsync(ct));
        }
        catch (OperationCanceledException)
        {
            _http.Abort(); // a reader that takes nothing would hold the connection's end up as well
            throw;
        }
    }

    private void Write(string text) => Encoding.UTF8.GetBytes(text, _out);
}

/// <summary>One text message an event. Pings are the protocol's own; a reader that does not answer one is let go.</summary>
internal sealed class WebSocketSink : EventSink
{
    private readonly WebSocket _socket;
    private readonly Task _received;

    public WebSocketSink(WebSocket socket, TimeProvider time, CancellationTokenSource end)
        : base(time, end)
    {
        _socket = socket;
        _received = ReceiveAsync(end);
    }

    public static WebSocketAcceptContext Options { get; } = new() { KeepAliveInterval = TimeSpan.FromSeconds(30), KeepAliveTimeout = TimeSpan.FromSeconds(30) };

    public override async Task SendAsync(long missed, IReadOnlyList<Event> events, long cursor)
    {
        if (missed > 0)
        {
            await SendAsync(Gap(missed));
        }

        foreach (var happened in events)
        {
            await SendAsync(JsonSerializer.SerializeToUtf8Bytes(happened, WireJson.Default.Event));
        }
    }

    public override Task PingAsync(long cursor) => Task.CompletedTask;

    public override async ValueTask DisposeAsync()
    {
        if (_socket.State is WebSocketState.Open or WebSocketState.CloseReceived)
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(2), TimeProvider.System);
            try
            {
                await _socket.CloseOutputAsync(WebSocketCloseStatus.EndpointUnavailable, null, deadline.Token);
            }
            catch (Exception e) when (e is WebSocketException or OperationCanceledException)
            {
                // It is gone already.
            }
        }

        _socket.Dispose();
        await _received;
    }

    private Task SendAsync(byte[] message) =>
        InTimeAsync(ct => _socket.SendAsync(message, WebSocketMessageType.Text, endOfMessage: true, ct));

    /// <summary>Readers say nothing; reading hears the close and the answers to pings.</summary>
    private async Task ReceiveAsync(CancellationTokenSource end)
    {
        var ignored = new byte[256];
        try
        {
            while ((await _socket.ReceiveAsync(ignored, CancellationToken.None)).MessageType != WebSocketMessageType.Close)
            {
            }
        }
        catch (Exception e) when (e is WebSocketException or ObjectDisposedException or OperationCanceledException)
        {
            // Broken off: the same end.
        }

        try
        {
            await end.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
        }
    }
}
