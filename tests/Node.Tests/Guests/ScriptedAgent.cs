using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Gantry.Node.Tests.Guests;

/// <summary>Plays the agent in a guest at a Unix socket: says to each command what a test wants. It answers <c>guest-sync-delimited</c> by itself unless it is told otherwise.</summary>
internal sealed class ScriptedAgent : IAsyncDisposable
{
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _end = new();
    private readonly Func<string, Stream, Task<bool>> _answer;
    private readonly Task _serving;

    /// <param name="answer">Given each command; false for what is answered as an agent does.</param>
    public ScriptedAgent(string path, Func<string, Stream, Task<bool>> answer)
    {
        _answer = answer;
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen();
        _serving = ServeAsync();
    }

    public ConcurrentQueue<string> Commands { get; } = [];

    public bool Frozen { get; set; }

    public static Task SayAsync(Stream stream, string text) => stream.WriteAsync(Encoding.Latin1.GetBytes(text)).AsTask();

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Dispose();
        await _serving;
        _end.Dispose();
    }

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                await using var stream = new NetworkStream(await _listener.AcceptAsync(_end.Token), ownsSocket: true);
                await ServeAsync(stream);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is at its end.
        }
    }

    private async Task ServeAsync(NetworkStream stream)
    {
        try
        {
            using var reader = new StreamReader(stream, Encoding.Latin1, leaveOpen: true);
            while (await reader.ReadLineAsync(_end.Token) is { } line)
            {
                using var request = JsonDocument.Parse(line.TrimStart('\xFF'));
                var command = request.RootElement.GetProperty("execute").GetString()!;
                Commands.Enqueue(command);
                if (!await _answer(command, stream))
                {
                    await SayAsync(stream, command switch
                    {
                        "guest-sync-delimited" => $"\xFF{{\"return\": {request.RootElement.GetProperty("arguments").GetProperty("id").GetInt64()}}}\n",
                        "guest-fsfreeze-status" => $"{{\"return\": \"{(Frozen ? "frozen" : "thawed")}\"}}\n",
                        "guest-fsfreeze-freeze" => Count(Frozen = true),
                        "guest-fsfreeze-thaw" => Count(Frozen = false),
                        _ => "{\"return\": {}}\n",
                    });
                }
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The client has gone.
        }

        static string Count(bool _) => "{\"return\": 1}\n";
    }
}
