using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gantry.Contracts;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>
/// One running QEMU, its monitor connected for as long as it answers. What happens to it unasked is told through
/// <paramref name="changed"/>; a state that was asked for is noted before, and so not told.
/// </summary>
/// <param name="changed">Its state and why; true when its guest has reset itself.</param>
/// <param name="resets">How many resets are known of already, kept in its run folder.</param>
/// <param name="before">As <see cref="NodeContext.BeforeMonitor"/>.</param>
internal sealed class QemuGuest(
    Id<Instance> id, QemuProcess process, string socket, QemuResets resets, TimeProvider time, Action<InstanceStatus, bool> changed, Action<string>? before = null) : IAsyncDisposable
{
    public static readonly TimeSpan AnswerDeadline = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan QuitDeadline = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan KillDeadline = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);

    // After one reset SeaBIOS asks for another or two, to get its own memory back as it was; all of them are one to people.
    private static readonly TimeSpan ResetsTogether = TimeSpan.FromSeconds(5);

    // And hangs when it is reset once more while it is at that.
    private static readonly TimeSpan BetweenResets = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim _connecting = new(1);
    private readonly CancellationTokenSource _letGo = new();
    private readonly Lock _lock = new();
    private Qmp? _qmp;
    private Task _watching = Task.CompletedTask;
    private Task _telling = Task.CompletedTask;
    private Task? _finishing;
    private InstanceStatus? _told;
    private bool _resetTold;
    private long? _reset;
    private volatile string? _failedDisk;
    private volatile bool _disposed;

    public QemuProcess Process => process;

    /// <summary>How it is, as far as is known here.</summary>
    public InstanceStatus Known { get; private set; } = new(InstanceState.Running);

    /// <summary>Its end has been asked for, and is not told.</summary>
    public bool EndAsked { get; set; }

    /// <summary>From now on tells of its changes, the first of which may be a reset that nobody saw.</summary>
    /// <param name="endOf">Asked once it has ended.</param>
    public void Watch(Func<Task<InstanceStatus>> endOf)
    {
        _watching = WatchAsync(endOf);
        if (resets.NewlyLogged())
        {
            changed(Known, true);
        }
    }

    /// <summary>How the guest is, asked of QEMU. One that has ended by itself is <see cref="InstanceState.Stopped"/>: <see cref="FinishAsync"/> is next.</summary>
    /// <exception cref="QmpFailed"/>
    public async Task<InstanceStatus> QueryAsync(CancellationToken ct)
    {
        var status = await QemuRunState.ReadAsync(this, _failedDisk, ct);
        if (status.State != InstanceState.Stopped)
        {
            Known = status;
            _told ??= status;
        }

        return status;
    }

    /// <summary>Notes a state that is about to be asked for, so that it is no news.</summary>
    public void Expect(InstanceState state) => Known = _told = new(state);

    public void Restore(InstanceStatus before) => Known = _told = before;

    /// <param name="handed">A descriptor that goes with the command.</param>
    /// <exception cref="QmpFailed"/>
    public async Task<JsonElement> ExecuteAsync(string command, CancellationToken ct, TimeSpan? deadline = null, JsonObject? arguments = null, SafeHandle? handed = null)
    {
        before?.Invoke(command);
        var qmp = await ConnectAsync(ct);
        return await qmp.ExecuteAsync(command, arguments, deadline ?? AnswerDeadline, ct, handed);
    }

    /// <summary>The reset button; pressed again too soon, it waits.</summary>
    /// <exception cref="QmpFailed"/>
    public async Task ResetAsync(CancellationToken ct)
    {
        if (_reset is { } before && BetweenResets - time.GetElapsedTime(before) is { Ticks: > 0 } left)
        {
            await Task.Delay(left, time, ct);
        }

        _reset = time.GetTimestamp();
        await ExecuteAsync("system_reset", ct);
    }

    /// <summary>
    /// Ends the process of a guest that has ended by itself. QEMU only pauses then (<c>-action shutdown=pause,panic=pause</c>), so that
    /// it can still be asked what happened, however long nobody was there; what it said is written down before.
    /// </summary>
    public Task FinishAsync(InstanceStatus how)
    {
        lock (_lock)
        {
            return _finishing ??= Task.Run(async () =>
            {
                process.WriteEnd(how.StopCause ?? StopCause.Failed);
                await EndAsync();
            });
        }
    }

    /// <summary>Asks QEMU to quit and kills it when it does not. Not cancelled half-way: it takes seconds, and a guest that is half ended helps nobody.</summary>
    /// <returns>Why it had to be killed; null when it had not.</returns>
    public async Task<string?> EndAsync()
    {
        string? why = null;
        try
        {
            await ExecuteAsync("quit", CancellationToken.None, QuitDeadline).WaitAsync(QuitDeadline, time);
        }
        catch (Exception e) when (e is QmpFailed or TimeoutException or Refusal)
        {
            why = e.Message;
        }

        if (!await EndedWithinAsync(QuitDeadline, CancellationToken.None))
        {
            process.Kill();
            await process.Ended.WaitAsync(KillDeadline, time);
            await process.SettleAsync(time);
            return why ?? "it did not end";
        }

        return null;
    }

    public async Task<bool> EndedWithinAsync(TimeSpan within, CancellationToken ct)
    {
        try
        {
            await process.Ended.WaitAsync(within, time, ct);
            await process.SettleAsync(time);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        await _letGo.CancelAsync();
        await _connecting.WaitAsync();
        var qmp = _qmp;
        _connecting.Release();
        if (qmp is not null)
        {
            await qmp.DisposeAsync();
        }

        await _watching;
        await _telling;
        process.Dispose();
        _letGo.Dispose();
    }

    /// <summary>The connection, made anew where it broke; only one that says it is this instance is kept.</summary>
    private async Task<Qmp> ConnectAsync(CancellationToken ct)
    {
        await _connecting.WaitAsync(ct);
        try
        {
            if (_qmp is { IsOpen: true } open)
            {
                return open;
            }

            if (_disposed)
            {
                throw new QmpFailed("The connection to QEMU's monitor was let go of.");
            }

            var qmp = await Qmp.ConnectAsync(socket, AnswerDeadline, time, ct);
            try
            {
                var uuid = (await qmp.ExecuteAsync("query-uuid", null, AnswerDeadline, ct)).Text("UUID");
                if (uuid != id.ToString())
                {
                    throw DriverErrors.NotOurs(id, process.Pid, $"it says it runs {uuid ?? "nothing"}");
                }
            }
            catch
            {
                await qmp.DisposeAsync();
                throw;
            }

            _qmp = qmp;
            _ = ListenAsync(qmp);
            return qmp;
        }
        finally
        {
            _connecting.Release();
        }
    }

    /// <summary>Events are hints to look; QEMU itself says how it is.</summary>
    private async Task ListenAsync(Qmp qmp)
    {
        await foreach (var happened in qmp.Events.ReadAllAsync())
        {
            switch (happened.Name)
            {
                case "RESET":
                    resets.Known++;
                    NoteReset(byGuest: happened.Data.Flag("guest"));
                    break;
                case "BLOCK_IO_ERROR":
                    _failedDisk = QemuRunState.NameOf(happened.Data) ?? _failedDisk;
                    break;
                case "STOP" or "RESUME" or "SHUTDOWN" or "GUEST_PANICKED":
                    await LookAsync();
                    break;
            }
        }

        await ReconnectAsync();
    }

    /// <summary>A QEMU that lives on without its connection is asked again, less and less often, so that what it does is still seen.</summary>
    private async Task ReconnectAsync()
    {
        for (var pause = FirstPause; !process.Ended.IsCompleted && !_disposed; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            try
            {
                await Task.Delay(pause, time, _letGo.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }

            if (await LookAsync())
            {
                return;
            }
        }
    }

    /// <summary>Asks QEMU how it is and tells what is news. False when it does not say.</summary>
    private async Task<bool> LookAsync()
    {
        try
        {
            var now = await QueryAsync(_letGo.Token);
            if (now.State == InstanceState.Stopped)
            {
                _ = FinishAsync(now);
            }
            else if ((now.State, now.PauseCause) != (_told?.State, _told?.PauseCause) && !EndAsked)
            {
                // Held against what was told: whoever else asked meanwhile has told nobody.
                _told = now;
                changed(now, false);
            }

            return true;
        }
        catch (Exception e) when (e is QmpFailed or Refusal or OperationCanceledException or ObjectDisposedException)
        {
            return false;
        }
    }

    /// <summary>One of the guest's own is told at once; those that soon follow it, or one that was asked for, belong to that.</summary>
    private void NoteReset(bool byGuest)
    {
        lock (_lock)
        {
            if (byGuest && !_resetTold && !EndAsked)
            {
                changed(Known, true);
            }

            _resetTold = true;

            if (_telling.IsCompleted)
            {
                _telling = SettleResetsAsync();
            }
        }
    }

    private async Task SettleResetsAsync()
    {
        try
        {
            await Task.Delay(ResetsTogether, time, _letGo.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            // Let go of: what is known is written down all the same.
        }

        lock (_lock)
        {
            _resetTold = false;
            resets.Save();
        }
    }

    private async Task WatchAsync(Func<Task<InstanceStatus>> endOf)
    {
        try
        {
            await process.Ended.WaitAsync(_letGo.Token);
        }
        catch (OperationCanceledException)
        {
            // Whoever sees the end first lets go of this object: the end is told all the same.
            if (!process.Ended.IsCompleted)
            {
                return;
            }
        }

        await process.SettleAsync(time);
        if (!EndAsked)
        {
            EndAsked = true;
            changed(await endOf(), false);
        }
    }
}
