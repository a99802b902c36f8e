using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Gantry.Contracts;
using Microsoft.AspNetCore.Http;

namespace Gantry.Cli.Tests;

/// <summary>The console of web1 as a daemon serves it: greets, writes back what is typed, and ends as told.</summary>
internal sealed class FakeConsole
{
    private const string Ticket = "t1cket";
    private readonly Lock _lock = new();
    private readonly StringBuilder _typed = new();

    public string Greeting { get; init; } = "guest\u001b[6n\r\n";

    /// <summary>When this has been typed, the console ends as the next of <see cref="Ends"/> says, the last of them for good.</summary>
    public string? EndsAt { get; init; }

    public Queue<ConsoleNews> Ends { get; init; } = new([new(State: ConsoleEnd.Stopped, Reason: "it said so")]);

    public string Typed
    {
        get
        {
            lock (_lock)
            {
                return _typed.ToString();
            }
        }
    }

    /// <summary>What the terminal last said it measures.</summary>
    public string? Size { get; private set; }

    public FakeDaemon On(FakeDaemon daemon) => daemon
        .On("POST /instances/web1/consoles", new ConsoleTicket(Ticket, "/api/v1/consoles?instance=1", CliRig.Now), WireJson.Default.ConsoleTicket)
        .On("GET /consoles", ServeAsync);

    private async Task ServeAsync(HttpContext http)
    {
        http.WebSockets.WebSocketRequestedProtocols.ShouldBe(["gantry.console", $"ticket.{Ticket}"]);
        using var socket = await http.WebSockets.AcceptWebSocketAsync("gantry.console");
        await TellAsync(socket, new(Offset: 100));
        await socket.SendAsync(Encoding.UTF8.GetBytes(Greeting), WebSocketMessageType.Binary, true, http.RequestAborted);
        var buffer = new byte[4096];
        var typed = "";
        while (await socket.ReceiveAsync(buffer, http.RequestAborted) is { MessageType: not WebSocketMessageType.Close } got)
        {
            if (got.MessageType == WebSocketMessageType.Text)
            {
                var size = JsonSerializer.Deserialize(buffer.AsSpan(0, got.Count), WireJson.Default.ConsoleRequest)!.Resize!;
                Size = $"{size.Columns}x{size.Rows}";
                continue;
            }

            lock (_lock)
            {
                _typed.Append(Encoding.UTF8.GetString(buffer, 0, got.Count));
            }

            typed += Encoding.UTF8.GetString(buffer, 0, got.Count);
            await socket.SendAsync(buffer.AsMemory(0, got.Count), WebSocketMessageType.Binary, true, http.RequestAborted);
            if (EndsAt is { } end && typed.EndsWith(end, StringComparison.Ordinal))
            {
                await TellAsync(socket, Ends.Count > 1 ? Ends.Dequeue() : Ends.Peek());
                await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, http.RequestAborted);
                typed = "";
            }
        }
    }

    private static Task TellAsync(WebSocket socket, ConsoleNews news) =>
        socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes(news, WireJson.Default.ConsoleNews), WebSocketMessageType.Text, true, CancellationToken.None);
}
