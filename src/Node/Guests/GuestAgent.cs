using System.Buffers;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Gantry.Node.Guests;

/// <summary>
/// A client of the QEMU guest agent (https://www.qemu.org/docs/master/interop/qemu-ga-ref.html). What answers is a program in the guest: nothing it
/// sends, or fails to send, may hold up or fill the daemon, and what it says is a claim. One command at a time; after one that was not answered the
/// line is cleared of what may come late by <c>guest-sync-delimited</c>, whose answer begins with a byte that is in no JSON.
/// </summary>
internal sealed class GuestAgent : IAsyncDisposable
{
    public const int LongestAnswer = 1 << 20;
    public const int DeepestAnswer = 16;

    private const byte Delimiter = 0xFF;

    /// <summary>What is skipped at most until the delimiter comes.</summary>
    private const int MostSkipped = 4 << 20;

    private static readonly TimeSpan ThawDeadline = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan PingDeadline = TimeSpan.FromSeconds(3);

    private readonly Stream _stream;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _oneAtATime = new(1);
    private readonly byte[] _read = new byte[4096];
    private ReadOnlyMemory<byte> _unread;
    private long _lastSync;
    private bool _isInStep;

    public GuestAgent(Stream stream, TimeProvider time) => (_stream, _time, _lastSync) = (stream, time, time.GetUtcNow().ToUnixTimeMilliseconds());

    /// <exception cref="AgentFailed"/>
    public static async Task<GuestAgent> ConnectAsync(string socket, TimeProvider time, CancellationToken ct)
    {
        var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using var timer = new CancellationTokenSource(PingDeadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timer.Token);
        try
        {
            await client.ConnectAsync(new UnixDomainSocketEndPoint(socket), either.Token);
            return new(new NetworkStream(client, ownsSocket: true), time);
        }
        catch (Exception e)
        {
            client.Dispose();
            throw e is SocketException or ArgumentException || (e is OperationCanceledException && !ct.IsCancellationRequested) ? new AgentFailed($"the agent's line cannot be opened: {e.Message}", e) : e;
        }
    }

    /// <exception cref="AgentFailed">It does not answer within 3 s.</exception>
    public Task PingAsync(CancellationToken ct) => ExecuteAsync("guest-ping", PingDeadline, ct);

    /// <exception cref="AgentFailed"/>
    public async Task<bool> IsFrozenAsync(CancellationToken ct) => await ExecuteAsync("guest-fsfreeze-status", PingDeadline, ct) is { ValueKind: JsonValueKind.String } status
        ? status.ValueEquals("frozen")
        : throw new AgentFailed("the agent did not say whether file systems are frozen");

    /// <summary>Brings all file systems to rest: what was written is on the disks, and what would write waits.</summary>
    /// <returns>How many, as the agent says.</returns>
    /// <exception cref="AgentFailed">It may have frozen them all the same.</exception>
    public Task<long> FreezeAsync(TimeSpan deadline, CancellationToken ct) => CountAsync("guest-fsfreeze-freeze", deadline, ct);

    /// <returns>How many were frozen, as the agent says.</returns>
    /// <exception cref="AgentFailed"/>
    public Task<long> ThawAsync(CancellationToken ct) => CountAsync("guest-fsfreeze-thaw", ThawDeadline, ct);

    public async ValueTask DisposeAsync()
    {
        await _stream.DisposeAsync();
        _oneAtATime.Dispose();
    }

    /// <summary>What a command returns.</summary>
    /// <exception cref="AgentFailed"/>
    internal async Task<JsonElement> ExecuteAsync(string command, TimeSpan deadline, CancellationToken ct, JsonObject? arguments = null)
    {
        using var timer = new CancellationTokenSource(deadline, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timer.Token);
        try
        {
            await _oneAtATime.WaitAsync(either.Token);
            try
            {
                if (!_isInStep)
                {
                    await SynchronizeAsync(either.Token);
                }

                _isInStep = false;
                await SendAsync(command, arguments, [], either.Token);
                var answer = Parsed(await LineAsync(LongestAnswer, either.Token));
                _isInStep = true;
                return answer.TryGetProperty("return", out var result) ? result
                    : throw new AgentFailed($"the agent refused '{command}'{(ReasonOf(answer) is { } why ? $": {why}" : "")}");
            }
            finally
            {
                _oneAtATime.Release();
            }
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw new AgentFailed($"the agent did not answer '{command}' within {deadline.TotalSeconds:0.#} s", e);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            throw new AgentFailed("the agent's line broke", e);
        }
    }

    private async Task<long> CountAsync(string command, TimeSpan deadline, CancellationToken ct) =>
        await ExecuteAsync(command, deadline, ct) is { ValueKind: JsonValueKind.Number } count && count.TryGetInt64(out var number)
            ? number : throw new AgentFailed($"the agent answered '{command}' with something that is no number");

    /// <summary>Until the answer to this very question comes, all that comes is of before.</summary>
    private async Task SynchronizeAsync(CancellationToken ct)
    {
        var id = ++_lastSync;
        await SendAsync("guest-sync-delimited", new() { ["id"] = id }, [Delimiter], ct);
        for (var skipped = 0; ;)
        {
            skipped += await SkipAsync(MostSkipped - skipped, ct);
            var line = await LineAsync(LongestAnswer, ct);
            skipped += line.Length;
            if (TryParse(line) is { ValueKind: JsonValueKind.Object } answer && answer.TryGetProperty("return", out var found) && found.ValueKind == JsonValueKind.Number && found.TryGetInt64(out var number) && number == id)
            {
                return;
            }
        }
    }

    private async Task SendAsync(string command, JsonObject? arguments, byte[] before, CancellationToken ct)
    {
        var request = new JsonObject { ["execute"] = command };
        if (arguments is not null)
        {
            request["arguments"] = arguments;
        }

        await _stream.WriteAsync((byte[])[.. before, .. JsonSerializer.SerializeToUtf8Bytes((JsonNode)request, JsonSerializerOptions.Default), (byte)'\n'], ct);
    }

    /// <summary>Reads until behind the next delimiter.</summary>
    /// <returns>How many bytes that were.</returns>
    private async Task<int> SkipAsync(int most, CancellationToken ct)
    {
        for (var skipped = 0; ;)
        {
            await FillAsync(ct);
            if (_unread.Span.IndexOf(Delimiter) is var at && at >= 0)
            {
                _unread = _unread[(at + 1)..];
                return skipped + at + 1;
            }

            if ((skipped += _unread.Length) > most)
            {
                throw new AgentFailed("the agent's line has something else on it than an agent");
            }

            _unread = default;
        }
    }

    /// <summary>The next line that is not empty.</summary>
    private async Task<byte[]> LineAsync(int most, CancellationToken ct)
    {
        var line = new ArrayBufferWriter<byte>();
        while (true)
        {
            await FillAsync(ct);
            var end = _unread.Span.IndexOf((byte)'\n');
            var part = end < 0 ? _unread : _unread[..end];
            if (line.WrittenCount + part.Length > most)
            {
                throw new AgentFailed($"the agent's answer is longer than {most >> 10} KiB");
            }

            line.Write(part.Span);
            _unread = end < 0 ? default : _unread[(end + 1)..];
            if (end >= 0 && line.WrittenCount > 0)
            {
                return line.WrittenSpan.ToArray();
            }
        }
    }

    private async Task FillAsync(CancellationToken ct)
    {
        if (_unread.Length == 0)
        {
            var length = await _stream.ReadAsync(_read, ct);
            _unread = length > 0 ? _read.AsMemory(0, length) : throw new AgentFailed("the agent's line was closed");
        }
    }

    private static JsonElement Parsed(byte[] line) => TryParse(line) is { ValueKind: JsonValueKind.Object } answer ? answer : throw new AgentFailed("the agent sent something that is no answer");

    private static JsonElement? TryParse(byte[] line)
    {
        try
        {
            using var document = JsonDocument.Parse(line, new JsonDocumentOptions { MaxDepth = DeepestAnswer });
            DemandText(document.RootElement);
            return document.RootElement.Clone();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>JSON's grammar lets half a surrogate pair pass, which is no text: here, and not where it is first read.</summary>
    /// <exception cref="InvalidOperationException"/>
    private static void DemandText(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                _ = element.GetString();
                break;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray())
                {
                    DemandText(item);
                }

                break;
            case JsonValueKind.Object:
                foreach (var property in element.EnumerateObject())
                {
                    _ = property.Name;
                    DemandText(property.Value);
                }

                break;
        }
    }

    /// <summary>The agent's own words, cut and without control characters: they are shown to people.</summary>
    private static string? ReasonOf(JsonElement answer)
    {
        const int longest = 200;
        var text = answer.TryGetProperty("error", out var error) && error.ValueKind == JsonValueKind.Object && error.TryGetProperty("desc", out var why) && why.ValueKind == JsonValueKind.String ? why.GetString() : null;
        return text is null ? null : string.Concat(text.Where(c => !char.IsControl(c)).Take(longest));
    }
}
