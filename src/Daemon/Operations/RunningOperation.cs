using Gantry.Contracts;
using Npgsql;

namespace Gantry.Daemon.Operations;

/// <summary>What all running operations of a daemon share.</summary>
internal sealed record OperationTools(
    OperationStore Store, OperationTypes Types, OperationOwner Owner, OperationOptions Options, Failpoints Failpoints, TimeProvider Time, ILogger Logger)
{
    /// <summary>Nothing runs before: the node has taken up its instances.</summary>
    public Task Ready { get; init; } = Task.CompletedTask;
}

/// <summary>
/// One operation at work in this daemon: forward through its table, or back. The row is moved only on top of what this
/// object last saw, so of two daemons that both believe they own it one stops; an answer that got lost with the
/// connection is found by reading the row again.
/// </summary>
internal sealed partial class RunningOperation : StepContext
{
    private readonly OperationTools _tools;
    private readonly CancellationTokenSource _interrupt;
    private readonly CancellationToken _stopping;
    private readonly TaskCompletionSource<Operation?> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private IReadOnlyList<Step> _steps = [];
    private volatile bool _lost;

    public RunningOperation(OperationRow row, OperationTools tools, Action<RunningOperation> dirty, CancellationToken stopping)
    {
        (Row, _tools, _stopping) = (row, tools, stopping);
        _interrupt = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        Notes = new(tools.Time, () => dirty(this));
        Operation = row.ToOperation();
    }

    public OperationRow Row { get; private set; }

    public Notes Notes { get; }

    public override Operation Operation { get; }

    /// <summary>The operation as it ended; null when this daemon let go of it before.</summary>
    public Task<Operation?> Completion => _completion.Task;

    public override void Report(Progress progress) => Notes.Report(progress);

    public override void Log(string text) => Notes.Log(text);

    public override void SetResult<T>(T result) => Notes.SetResult(result);

    /// <summary>Interrupts the step at work; the row says already that the operation is being cancelled.</summary>
    public void Cancel() => Interrupt();

    /// <summary>Another daemon has it now: stop, and touch nothing more.</summary>
    public void Lose()
    {
        _lost = true;
        Interrupt();
    }

    public async Task RunAsync()
    {
        try
        {
            _steps = _tools.Types.StepsOf(Row);
            if (!Row.Unwinding && await ForwardAsync() is { } stopped)
            {
                await TurnAroundAsync(stopped.Begun, stopped.Error);
            }

            await UnwindAsync();
        }
        catch (LeaseLostException)
        {
            LogLost(_tools.Logger, Row.Kind, Row.Id);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            LogStopped(_tools.Logger, Row.Kind, Row.Id, Row.Step);
        }
#pragma warning disable CA1031 // whatever it is, it must not end the daemon: the operation is claimed again when its lease ends
        catch (Exception e)
        {
            LogDropped(_tools.Logger, e, Row.Kind, Row.Id);
        }
#pragma warning restore CA1031
        finally
        {
            _interrupt.Dispose();
            _completion.TrySetResult(Row.IsFinished ? Row.ToOperation() : null);
        }
    }

    /// <summary>Runs the steps from the row's position on. Null when all are done; else how far they came, and why no further (null for a cancel).</summary>
    private async Task<(int Begun, Problem? Error)?> ForwardAsync()
    {
        var at = Row.Position;
        var begun = at < _steps.Count && _steps[at] is HostStep ? at : at - 1;
        var noReturn = _steps.TakeWhile(s => s is not HostStep { OnlyForward: true }).Count();
        for (var tries = 0; !Row.IsFinished;)
        {
            ThrowIfEnded();
            var step = at < _steps.Count ? _steps[at] : null;
            try
            {
                if (Row.State == OperationState.Cancelling)
                {
                    return (begun, null);
                }

                if (step is HostStep host)
                {
                    begun = at;
                    for (var run = 0; run < _tools.Failpoints.HostStepRuns; run++)
                    {
                        await _tools.Failpoints.AtAsync(Row.Kind, at, Moment.Before);
                        await host.Do(this, _interrupt.Token);
                        await _tools.Failpoints.AtAsync(Row.Kind, at, Moment.After);
                    }

                    at++;
                    if (at < _steps.Count && _steps[at] is DbStep)
                    {
                        continue; // one transaction writes down this step and does the next
                    }

                    await SaveAsync(Forward(at));
                }
                else if (step is DbStep db && await SaveAsync(Forward(at + 1), transaction => AroundAsync(at, Moment.Before, Moment.After, () => db.Do(transaction, this, _interrupt.Token))))
                {
                    begun = at++;
                }
                else if (step is null)
                {
                    await SaveAsync(Forward(at)); // an empty table, or a row that was resumed at its very end
                }

                tries = 0;
            }
            catch (Exception e) when (e is not LeaseLostException)
            {
                ThrowIfEnded();
                if (!IsWeather(e) && at < noReturn)
                {
                    if (!_interrupt.IsCancellationRequested)
                    {
                        LogStepFailed(_tools.Logger, e is Refusal ? null : e, Row.Kind, Row.Id, step!.Name, e.Message);
                        Log($"{step.Name}: {e.Message}");
                    }

                    return (begun, ProblemOf(step!, e));
                }

                await PauseAsync(step!, e, tries++);
            }
        }

        return null;
    }

    private Move Forward(int to) => to >= _steps.Count
        ? new(to, Unwinding: false, _steps.Count == 0 ? null : _steps[^1].Name, OperationState.Succeeded)
        : new(to, Unwinding: false, _steps[to].Name);

    /// <summary>Writes a move down, with a step's work in the same transaction. False when a cancel came first: nothing was changed then.</summary>
    private async Task<bool> SaveAsync(Move move, Func<NpgsqlTransaction, Task>? work = null)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                if (await _tools.Store.MoveAsync(Row, move, Notes, work) is { } moved)
                {
                    Row = moved;
                    return true;
                }
            }
            catch (Exception e) when (IsWeather(e))
            {
                await PauseAsync(null, e, tries);
            }

            // The row is not where it was, or the answer to the commit was lost: it tells which.
            var now = await ReadAsync();
            var seen = Row;
            Row = now;
            if (now.Unwinding == move.Unwinding && now.Position == move.To && (move.End is null || now.IsFinished))
            {
                return true;
            }

            if (now.State != seen.State)
            {
                return false;
            }

            if ((now.Position, now.Unwinding) != (seen.Position, seen.Unwinding))
            {
                throw new LeaseLostException();
            }
        }
    }

    private async Task<OperationRow> ReadAsync()
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                var now = await _tools.Store.FindAsync(Row.Id, CancellationToken.None);
                return now?.Incarnation == _tools.Owner.Incarnation ? now : throw new LeaseLostException();
            }
            catch (Refusal e) when (IsWeather(e))
            {
                await PauseAsync(null, e, tries);
            }
        }
    }

    private async Task AroundAsync(int step, Moment before, Moment after, Func<Task> work)
    {
        await _tools.Failpoints.AtAsync(Row.Kind, step, before);
        await work();
        await _tools.Failpoints.AtAsync(Row.Kind, step, after);
    }

    private async Task PauseAsync(Step? step, Exception e, int tries)
    {
        var pause = _tools.Options.Pause(IsWeather(e) ? Math.Min(tries, 3) : tries);
        LogTriedAgain(_tools.Logger, e is Refusal ? null : e, Row.Kind, Row.Id, step?.Name ?? "writing its position", e.Message, pause);
        if (step is not null)
        {
            Log($"{step.Name}: {e.Message} Tried again in {pause.TotalSeconds:0.#} s.");
        }

        await Task.Delay(pause, _tools.Time, _stopping);
        ThrowIfEnded();
    }

    private void ThrowIfEnded()
    {
        if (_lost)
        {
            throw new LeaseLostException();
        }

        _stopping.ThrowIfCancellationRequested();
    }

    private void Interrupt()
    {
        try
        {
            _interrupt.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It ended meanwhile.
        }
    }

    private Problem ProblemOf(Step step, Exception e) =>
        Problem.From(e as Refusal ?? OperationErrors.Failed(step.Name, e), Row.RequestId);

    /// <summary>The database is away, or two transactions met: tried again, never a failure of the operation.</summary>
    private static bool IsWeather(Exception e) =>
        e is Refusal { Code: OperationErrors.DatabaseUnavailable } or PostgresException { SqlState: PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure };

    private sealed class LeaseLostException : Exception;

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Kind} {Id} is another daemon's now; stopped working on it")]
    private static partial void LogLost(ILogger logger, string kind, Guid id);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Kind} {Id} stops at '{Step}' with the daemon and goes on when it is back")]
    private static partial void LogStopped(ILogger logger, string kind, Guid id, string? step);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Kind} {Id} was dropped by an unexpected error; it is claimed again when its lease ends")]
    private static partial void LogDropped(ILogger logger, Exception e, string kind, Guid id);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Kind} {Id} failed at '{Step}': {Reason}")]
    private static partial void LogStepFailed(ILogger logger, Exception? e, string kind, Guid id, string step, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Kind} {Id}, {Step}: {Reason} Tried again in {Pause}")]
    private static partial void LogTriedAgain(ILogger logger, Exception? e, string kind, Guid id, string step, string reason, TimeSpan pause);
}
