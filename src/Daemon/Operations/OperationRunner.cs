using System.Collections.Concurrent;
using System.Threading.Channels;
using Gantry.Contracts;

namespace Gantry.Daemon.Operations;

/// <summary>
/// Runs this daemon's operations: those begun here at once, queued and left ones by claiming them. Three small loops:
/// claim (woken, else every few seconds), renew all leases (one statement), write progress (one statement a second).
/// </summary>
internal sealed partial class OperationRunner(OperationTools tools) : BackgroundService
{
    private readonly ConcurrentDictionary<Guid, RunningOperation> _running = [];
    private readonly ConcurrentDictionary<Guid, RunningOperation> _dirty = [];
    private readonly Channel<bool> _wake = Signal(), _wakeFlush = Signal();
    private readonly CancellationTokenSource _stop = new();
    private TaskCompletionSource _claimed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _taken;
    private volatile bool _queued = true, _started;

    /// <summary>Completes when this daemon next takes up queued operations.</summary>
    public Task NextClaim => Volatile.Read(ref _claimed).Task;

    public RunningOperation? Find(Guid id) => _running.GetValueOrDefault(id);

    /// <summary>Takes one of the places for running operations; false when all are taken, and unless the daemon is up.</summary>
    public bool TryReserve()
    {
        if (Interlocked.Increment(ref _taken) <= tools.Options.Concurrency && _started && tools.Ready.IsCompletedSuccessfully && !_stop.IsCancellationRequested)
        {
            return true;
        }

        Release();
        return false;
    }

    public void Release() => Interlocked.Decrement(ref _taken);

    /// <summary>There is something queued that may be able to run.</summary>
    public void Wake()
    {
        _queued = true;
        _wake.Writer.TryWrite(true);
    }

    /// <summary>Starts on an operation this daemon holds, in a place taken by <see cref="TryReserve"/>.</summary>
    public void Run(OperationRow row)
    {
        var operation = new RunningOperation(row, tools, MarkDirty, _stop.Token);
        if (!_running.TryAdd(row.Id, operation))
        {
            Release(); // begun here while a claim was under way that did not know of it yet
            return;
        }

        _ = Task.Run(async () =>
        {
            await operation.RunAsync();
            _dirty.TryRemove(row.Id, out _);
            _running.TryRemove(row.Id, out _);
            Release();
            if (_queued)
            {
                _wake.Writer.TryWrite(true);
            }
        });
    }

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        _started = true;
        return base.StartAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        await base.StopAsync(cancellationToken);
    }

    public override void Dispose()
    {
        base.Dispose();
        _stop.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await tools.Ready.WaitAsync(stoppingToken);
        try
        {
            await Task.WhenAll(
                ForeverAsync(ClaimAsync, stoppingToken), ForeverAsync(RenewAsync, stoppingToken), ForeverAsync(FlushAsync, stoppingToken));
        }
        finally
        {
            await LetGoAsync();
        }
    }

    private async Task ClaimAsync(CancellationToken ct)
    {
        for (var room = Room(); room > 0; room = Room())
        {
            _queued = false;
            var rows = await tools.Store.ClaimAsync(room, tools.Types.Kinds, [.. _running.Keys], ct);
            foreach (var row in rows)
            {
                Interlocked.Increment(ref _taken);
                Run(row);
            }

            if (rows.Count > 0)
            {
                Interlocked.Exchange(ref _claimed, new(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
            }

            if (rows.Count < room)
            {
                _queued |= await tools.Store.AnyQueuedAsync(ct);
                break;
            }
        }

        await WaitAsync(_wake, tools.Options.LookEvery, ct);
    }

    private int Room()
    {
        var room = tools.Options.Concurrency - Volatile.Read(ref _taken);
        _queued |= room <= 0;
        return room;
    }

    private async Task RenewAsync(CancellationToken ct)
    {
        await Task.Delay(tools.Options.RenewEvery, tools.Time, ct);
        var mine = _running.ToArray();
        if (mine.Length == 0)
        {
            return;
        }

        var still = (await tools.Store.RenewAsync([.. mine.Select(m => m.Key)], ct)).ToDictionary(r => r.Id);
        foreach (var (id, operation) in mine)
        {
            if (!still.TryGetValue(id, out var row))
            {
                // Either it has just ended, or another daemon took it after a long silence of ours.
                if (await tools.Store.FindAsync(id, ct) is not { IsFinished: true })
                {
                    operation.Lose();
                }
            }
            else if (row is { State: OperationState.Cancelling, Unwinding: false })
            {
                operation.Cancel(); // asked for through another daemon
            }
        }
    }

    private async Task FlushAsync(CancellationToken ct)
    {
        await _wakeFlush.Reader.ReadAsync(ct);
        await Task.Delay(tools.Options.ProgressEvery, tools.Time, ct);
        var written = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var operations = _dirty.Values.ToArray();
        foreach (var operation in operations)
        {
            _dirty.TryRemove(operation.Row.Id, out _);
        }

        var notes = operations.Select(o => (o.Row, Noted: o.Notes.Take(written.Task))).ToList();
        try
        {
            var said = notes.Where(n => n.Noted.Progress is not null || n.Noted.Texts.Length > 0).ToList();
            if (said.Count > 0)
            {
                await tools.Store.FlushAsync(said, ct);
            }
        }
        catch
        {
            foreach (var (operation, (_, noted)) in operations.Zip(notes))
            {
                operation.Notes.Return(noted);
                MarkDirty(operation);
            }

            throw;
        }
        finally
        {
            written.SetResult();
        }
    }

    private void MarkDirty(RunningOperation operation)
    {
        _dirty[operation.Row.Id] = operation;
        _wakeFlush.Writer.TryWrite(true);
    }

    /// <summary>Waits for steps to end, then gives up the leases: what is left goes on at the next start.</summary>
    private async Task LetGoAsync()
    {
        try
        {
            await Task.WhenAll(_running.Values.Select(o => o.Completion)).WaitAsync(tools.Options.StopWithin, tools.Time);
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(2), tools.Time);
            await tools.Store.ReleaseAsync(deadline.Token);
        }
        catch (Exception e) when (e is TimeoutException or Refusal or OperationCanceledException)
        {
            LogNotReleased(tools.Logger, e.Message);
        }
    }

    /// <summary>Runs a turn again and again until the daemon stops; trouble is logged once and the next turn comes after a pause.</summary>
    private async Task ForeverAsync(Func<CancellationToken, Task> turn, CancellationToken ct)
    {
        for (var failures = 0; !ct.IsCancellationRequested;)
        {
            try
            {
                await turn(ct);
                failures = 0;
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                return;
            }
#pragma warning disable CA1031 // a loop that ends silently would leave operations lying; every error is logged and the loop goes on
            catch (Exception e)
            {
                if (failures++ == 0)
                {
                    LogTurnFailed(tools.Logger, e is Refusal ? null : e, e.Message);
                }

                await Task.Delay(tools.Options.Pause(Math.Min(failures, 3)), tools.Time, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
#pragma warning restore CA1031
        }
    }

    private async Task WaitAsync(Channel<bool> signal, TimeSpan atMost, CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var waited = signal.Reader.ReadAsync(limit.Token).AsTask();
        await Task.WhenAny(waited, Task.Delay(atMost, tools.Time, limit.Token));
        await limit.CancelAsync();
        ct.ThrowIfCancellationRequested();
    }

    private static Channel<bool> Signal() => Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    [LoggerMessage(Level = LogLevel.Warning, Message = "Running operations: {Reason} Tried again until it works")]
    private static partial void LogTurnFailed(ILogger logger, Exception? e, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Operations were not all let go of: {Reason}")]
    private static partial void LogNotReleased(ILogger logger, string reason);
}
