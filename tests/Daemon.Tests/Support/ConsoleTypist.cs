using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Daemon.Tests.Support;

/// <summary>Somebody at a console: types, and waits for what the guest writes.</summary>
internal sealed class ConsoleTypist(WebSocket socket, TimeSpan? patience = null) : IAsyncDisposable
{
    private readonly TimeSpan _patience = patience ?? TimeSpan.FromMinutes(2);
    private readonly MemoryStream _seen = new();
    private int _looked;

    /// <summary>All that came so far, a character for each byte.</summary>
    public string Seen => Encoding.Latin1.GetString(_seen.GetBuffer(), 0, (int)_seen.Length);

    /// <summary>Where the next byte stands in all the guest has written.</summary>
    public long Offset { get; private set; }

    public long Missed { get; private set; }

    /// <summary>Why the daemon ended it.</summary>
    public ConsoleNews? End { get; private set; }

    public WebSocketCloseStatus? Status => socket.CloseStatus;

    public static async Task<ConsoleTypist> OpenAsync(ApiClient api, string instance, OpenConsole? how = null) =>
        new(await api.ConnectConsoleAsync(await api.OpenConsoleAsync(instance, how ?? new())));

    public Task TypeAsync(string keys) => SendAsync(WebSocketMessageType.Binary, Encoding.UTF8.GetBytes(keys));

    public Task SendTextAsync(string json) => SendAsync(WebSocketMessageType.Text, Encoding.UTF8.GetBytes(json));

    /// <summary>Waits until the guest has written that, behind what was waited for before.</summary>
    public async Task WaitForAsync(string text)
    {
        int at;
        while ((at = Seen.IndexOf(text, _looked, StringComparison.Ordinal)) < 0)
        {
            (await ReadAsync()).ShouldBeTrue($"The console ended ({End?.State}, {Status}) before '{text}'. Seen: {Seen}");
        }

        _looked = at + text.Length;
    }

    public async Task<ConsoleEnd?> UntilEndAsync()
    {
        while (await ReadAsync())
        {
        }

        return End?.State;
    }

    /// <summary>Reads one message.</summary>
    /// <returns>False at the end, however it came.</returns>
    public async Task<bool> ReadAsync()
    {
        using var deadline = new CancellationTokenSource(_patience, TimeProvider.System);
        var buffer = new byte[64 << 10];
        try
        {
            var got = await socket.ReceiveAsync(buffer, deadline.Token);
            switch (got.MessageType)
            {
                case WebSocketMessageType.Close:
                    return false;
                case WebSocketMessageType.Binary:
                    _seen.Write(buffer, 0, got.Count);
                    Offset += got.Count;
                    break;
                default:
                    var news = JsonSerializer.Deserialize(buffer.AsSpan(0, got.Count), WireJson.Default.ConsoleNews)!;
                    Offset = news.Offset ?? Offset + (news.Missed ?? 0);
                    Missed += news.Missed ?? 0;
                    End = news.State is null ? End : news;
                    break;
            }

            return true;
        }
        catch (WebSocketException)
        {
            return false;
        }
    }

    /// <summary>Leaves in good order.</summary>
    public async Task LeaveAsync()
    {
        using var deadline = new CancellationTokenSource(_patience, TimeProvider.System);
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, deadline.Token);
    }

    public ValueTask DisposeAsync()
    {
        socket.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task SendAsync(WebSocketMessageType type, byte[] bytes)
    {
        using var deadline = new CancellationTokenSource(_patience, TimeProvider.System);
        await socket.SendAsync(bytes, type, endOfMessage: true, deadline.Token);
    }
}
