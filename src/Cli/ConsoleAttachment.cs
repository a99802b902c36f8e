using System.Net.WebSockets;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Threading.Channels;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>A terminal, or a pipe, at an instance's serial console.</summary>
/// <param name="detachKey">The byte that leaves, from a terminal; -1 for none.</param>
/// <param name="wait">Seconds to stay after the end of an input that is no terminal.</param>
internal sealed class ConsoleAttachment(Session session, string name, OpenConsole wanted, int detachKey, double? wait)
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan QuietWithin = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan BackWithin = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan TryEvery = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan ClosedWithin = TimeSpan.FromSeconds(2);

    /// <summary>What a guest may have left behind: colours, a hidden cursor, the other screen, reports of the mouse and of pasting.</summary>
    private static ReadOnlySpan<byte> AsBefore => "\e[0m\e[?25h\e[?1047l\e[?1000l\e[?1002l\e[?1003l\e[?1006l\e[?2004l"u8;

    private readonly Terminal _terminal = session.Terminal;
    private readonly Channel<(WebSocketMessageType Type, byte[] Bytes)> _typed = Channel.CreateBounded<(WebSocketMessageType, byte[])>(
        new BoundedChannelOptions(256) { FullMode = session.Terminal.InIsTerminal ? BoundedChannelFullMode.DropWrite : BoundedChannelFullMode.Wait });

    private readonly TaskCompletionSource _left = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long? _offset;
    private long _lastOutput = session.Terminal.Time.GetTimestamp();

    public async Task<int> RunAsync(CancellationToken ct)
    {
        // What is wrong from the outset is told before the terminal changes.
        var socket = await ConnectAsync(wanted, ct);
        if (_terminal.InIsTerminal)
        {
            _terminal.Error.WriteLine($"At the console of '{Words.Clean(name)}'{(wanted.ViewOnly ? ", to look only" : "")}.{(detachKey < 0 ? "" : $" Ctrl-{(char)(detachKey | 0x40)} leaves it.")}");
        }

        ConsoleNews? end;
        using (_terminal.InIsTerminal ? _terminal.EnterRaw() : null)
        using (_terminal.InIsTerminal ? PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => Measure()) : null)
        {
            try
            {
                _ = Task.Factory.StartNew(ReadInput, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
                end = await StayAsync(socket, ct);
            }
            finally
            {
                if (_terminal.OutIsTerminal)
                {
                    _terminal.WriteRaw(AsBefore);
                }
            }
        }

        return Tell(end);
    }

    private async Task<WebSocket> ConnectAsync(OpenConsole how, CancellationToken ct) =>
        await session.Api.ConnectConsoleAsync(await session.Api.OpenConsoleAsync(name, how, ct), ct);

    /// <returns>Why it ended; null when it was left.</returns>
    private async Task<ConsoleNews?> StayAsync(WebSocket first, CancellationToken ct)
    {
        for (var socket = first; ;)
        {
            ConsoleNews? end;
            using (socket)
            {
                end = await ServeAsync(socket, ct);
            }

            ct.ThrowIfCancellationRequested();
            if (_left.Task.IsCompleted || end?.State is ConsoleEnd.Stopped or ConsoleEnd.Deleted or ConsoleEnd.Idle)
            {
                return _left.Task.IsCompleted ? null : end;
            }

            Say(end?.State == ConsoleEnd.DaemonStopping ? "The daemon stops; waiting until it is back." : "The connection broke; trying again.");
            if (await ReconnectAsync(ct) is not { } again)
            {
                return _left.Task.IsCompleted ? null : new(State: ConsoleEnd.Stopped);
            }

            Say("Connected again.");
            socket = again;
        }
    }

    /// <returns>Null when it was left, or the instance has stopped meanwhile.</returns>
    private async Task<WebSocket?> ReconnectAsync(CancellationToken ct)
    {
        for (var began = _terminal.Time.GetTimestamp(); !_left.Task.IsCompleted;)
        {
            try
            {
                return await ConnectAsync(wanted with { Since = _offset }, ct);
            }
            catch (Refusal refusal) when (refusal.Code == "instance.not_running")
            {
                return null;
            }
            catch (Refusal refusal) when (refusal.Status is not (401 or 403 or 404 or 422) && _terminal.Time.GetElapsedTime(began) < BackWithin)
            {
                await Task.WhenAny(_left.Task, Task.Delay(TryEvery, _terminal.Time, ct));
                ct.ThrowIfCancellationRequested();
            }
        }

        return null;
    }

    /// <summary>One connection to its end.</summary>
    private async Task<ConsoleNews?> ServeAsync(WebSocket socket, CancellationToken ct)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(ct);
        Measure();
        var showing = ShowAsync(socket);
        var typing = TypeAsync(socket, over.Token);
        await Task.WhenAny(showing, _left.Task, StayedAsync(typing, over.Token), Task.Delay(Timeout.InfiniteTimeSpan, _terminal.Time, over.Token));
        await over.CancelAsync();
        if (!showing.IsCompleted)
        {
            using var deadline = new CancellationTokenSource(ClosedWithin, _terminal.Time);
            try
            {
                await typing.WaitAsync(deadline.Token);
                await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, deadline.Token);
                await showing.WaitAsync(deadline.Token);
            }
            catch (Exception e) when (e is WebSocketException or OperationCanceledException or IOException or ObjectDisposedException)
            {
                socket.Abort();
            }
        }

        return await showing;
    }

    private async Task<ConsoleNews?> ShowAsync(WebSocket socket)
    {
        ConsoleNews? end = null;
        var buffer = new byte[64 << 10];
        var text = new MemoryStream();
        try
        {
            while (await socket.ReceiveAsync(buffer.AsMemory(), CancellationToken.None) is { MessageType: not WebSocketMessageType.Close } got)
            {
                if (got.MessageType == WebSocketMessageType.Binary)
                {
                    _terminal.WriteRaw(buffer.AsSpan(0, got.Count));
                    _offset += got.Count;
                    _lastOutput = _terminal.Time.GetTimestamp();
                    continue;
                }

                text.Write(buffer, 0, got.Count);
                if (got.EndOfMessage)
                {
                    end = Hear(Session.Read(text.ToArray(), WireJson.Default.ConsoleNews)) ?? end;
                    text.SetLength(0);
                }
            }
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Broken off: whoever reads the end tries again.
        }

        return end;
    }

    private ConsoleNews? Hear(ConsoleNews news)
    {
        if (news.Offset is { } offset)
        {
            // After a reconnection: what was written meanwhile and is no longer at hand.
            if (_offset is { } before && offset > before)
            {
                Say($"{offset - before} bytes are missing here.");
            }

            _offset = offset;
        }

        if (news.Missed is { } missed)
        {
            Say($"{missed} bytes are missing here: this end was too slow.");
            _offset += missed;
        }

        return news.State is null ? null : news;
    }

    private async Task TypeAsync(WebSocket socket, CancellationToken ct)
    {
        try
        {
            // What was typed before leaving is still sent.
            while (await AnyTypedAsync(ct) || _typed.Reader.TryPeek(out _))
            {
                while (_typed.Reader.TryRead(out var message))
                {
                    await socket.SendAsync(message.Bytes, message.Type, endOfMessage: true, CancellationToken.None);
                }
            }
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or ObjectDisposedException or IOException)
        {
            // The receiving side sees the same end.
        }
    }

    private async Task<bool> AnyTypedAsync(CancellationToken ct)
    {
        try
        {
            return await _typed.Reader.WaitToReadAsync(ct);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Done when the input has ended, all of it was sent, and the guest has had its time to answer.</summary>
    private async Task StayedAsync(Task typing, CancellationToken ct)
    {
        await typing;
        if (!_typed.Reader.Completion.IsCompletedSuccessfully)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, _terminal.Time, ct);
        }

        var began = _terminal.Time.GetTimestamp();
        if (wait is { } seconds)
        {
            await Task.Delay(TimeSpan.FromSeconds(seconds), _terminal.Time, ct);
        }
        else
        {
            while (_terminal.Time.GetElapsedTime(began) < QuietWithin
                && Quiet - _terminal.Time.GetElapsedTime(Math.Max(began, _lastOutput)) is var left && left > TimeSpan.Zero)
            {
                await Task.Delay(left, _terminal.Time, ct);
            }
        }

        _left.TrySetResult();
    }

    private void ReadInput()
    {
        var buffer = new byte[4096];
        try
        {
            for (int count; (count = _terminal.In.Read(buffer)) > 0;)
            {
                var bytes = buffer.AsSpan(0, count);
                var leave = _terminal.InIsTerminal && detachKey >= 0 ? bytes.IndexOf((byte)detachKey) : -1;
                bytes = leave >= 0 ? bytes[..leave] : bytes;
                Send(WebSocketMessageType.Binary, bytes.ToArray());
                if (leave >= 0)
                {
                    _left.TrySetResult();
                    return;
                }
            }
        }
        catch (IOException)
        {
            // The terminal is gone: as if the input had ended.
        }

        if (_terminal.InIsTerminal)
        {
            _left.TrySetResult();
        }

        _typed.Writer.TryComplete();
    }

    private void Measure()
    {
        if (_terminal.InIsTerminal && _terminal.Size() is { Columns: > 0, Rows: > 0 } size)
        {
            Send(WebSocketMessageType.Text, JsonSerializer.SerializeToUtf8Bytes(new ConsoleRequest(new ConsoleSize(size.Columns, size.Rows)), WireJson.Default.ConsoleRequest));
        }
    }

    private void Send(WebSocketMessageType type, byte[] bytes)
    {
        while (bytes.Length > 0 && !_typed.Writer.TryWrite((type, bytes)) && _typed.Writer.WaitToWriteAsync().AsTask().GetAwaiter().GetResult())
        {
        }
    }

    /// <summary>Between the lines of the guest, whatever mode the terminal is in.</summary>
    private void Say(string text) => _terminal.Error.Write(_terminal.InIsTerminal ? $"\r\n[gantry: {text}]\r\n" : $"[gantry: {text}]\n");

    private int Tell(ConsoleNews? end)
    {
        var shown = Words.Clean(name);
        var (text, code) = end?.State switch
        {
            null => (_terminal.InIsTerminal ? $"Left the console of '{shown}'." : null, ExitCode.Done),
            ConsoleEnd.Deleted => ($"'{shown}' was deleted.", ExitCode.NotFound),
            ConsoleEnd.Idle => ("The daemon closed the console: nothing happened for too long.", ExitCode.TimedOut),
            _ => (end.Reason is { } why ? $"'{shown}' stopped: {Words.Clean(why)}." : $"'{shown}' stopped.", ExitCode.Done),
        };
        if (text is not null)
        {
            _terminal.Error.WriteLine(_terminal.InIsTerminal ? $"\n{text}" : text);
        }

        return code;
    }
}
