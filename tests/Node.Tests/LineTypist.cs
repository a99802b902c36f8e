using System.Text;
using Gantry.Node.Drivers;

namespace Gantry.Node.Tests;

/// <summary>Somebody at a serial line: types, and waits for what the guest writes. All that came so far is in <see cref="Seen"/>.</summary>
internal sealed class LineTypist(ISerialLine line, TimeSpan patience) : IAsyncDisposable
{
    private readonly MemoryStream _seen = new();
    private int _looked;

    public string Seen => Encoding.Latin1.GetString(_seen.GetBuffer(), 0, (int)_seen.Length);

    /// <summary>Where its first byte stands in all the guest has written; null before there was an answer.</summary>
    public long? Start { get; private set; }

    public long End { get; private set; }

    public long Missed { get; private set; }

    public bool Ended { get; private set; }

    public Task TypeAsync(string keys) => line.WriteAsync(Encoding.UTF8.GetBytes(keys), CancellationToken.None).WaitAsync(patience);

    /// <summary>Waits until the guest has written that, behind what was waited for before.</summary>
    public async Task WaitForAsync(string text)
    {
        int at;
        while ((at = Seen.IndexOf(text, _looked, StringComparison.Ordinal)) < 0)
        {
            (await ReadAsync()).ShouldBeTrue($"The line ended before '{text}'. Seen: {Seen}");
        }

        _looked = at + text.Length;
    }

    /// <summary>What a command writes at a shell, by lines.</summary>
    public async Task<string[]> AskAsync(string command)
    {
        // The marks are typed apart, so that they are not found in what is typed.
        await TypeAsync($"echo be''gin; {command}; echo e''nd\r");
        await WaitForAsync("begin\r\n");
        var from = _looked;
        await WaitForAsync("end\r\n");
        return [.. Seen[from..(_looked - 5)].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.TrimEnd('\r'))];
    }

    public async Task UntilEndAsync()
    {
        while (await ReadAsync())
        {
        }
    }

    /// <returns>False at the end.</returns>
    public async Task<bool> ReadAsync()
    {
        using var deadline = new CancellationTokenSource(patience);
        if (await line.ReadAsync(deadline.Token) is not { } piece)
        {
            Ended = true;
            return false;
        }

        Start ??= piece.Offset;
        Missed += _seen.Length == 0 && End == 0 ? 0 : piece.Offset - End;
        End = piece.End;
        _seen.Write(piece.Bytes.Span);
        return true;
    }

    public ValueTask DisposeAsync() => line.DisposeAsync();
}
