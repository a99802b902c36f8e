using Gantry.Contracts;

namespace Gantry.Daemon.Operations;

internal sealed partial class RunningOperation
{
    /// <summary>Writes down that from now on steps are undone, the one at <paramref name="begun"/> first. With nothing to undo that is the end.</summary>
    private async Task TurnAroundAsync(int begun, Problem? error)
    {
        var first = Undoable(begun);
        while (!await SaveAsync(new(
            first, Unwinding: true, first < 0 ? null : _steps[first].Name, first < 0 ? End : null,
            Row.State == OperationState.Cancelling ? null : error)))
        {
            // It failed and was cancelled at once: written as the cancel it is now.
        }
    }

    private async Task UnwindAsync()
    {
        for (var tries = 1; !Row.IsFinished;)
        {
            ThrowIfEnded();
            var at = Row.Position;
            var step = _steps[at];
            var next = Undoable(at - 1);
            var move = new Move(next, Unwinding: true, next < 0 ? null : _steps[next].Name, next < 0 ? End : null);
            try
            {
                if (step is DbStep db)
                {
                    await SaveAsync(move, transaction => AroundAsync(at, Moment.BeforeUndo, Moment.AfterUndo, () => db.Undo!(transaction, this, _stopping)));
                }
                else if (step is HostStep host)
                {
                    await AroundAsync(at, Moment.BeforeUndo, Moment.AfterUndo, () => host.Undo!(this, _stopping));
                    await SaveAsync(move);
                }

                tries = 1;
            }
            catch (Exception e) when (e is not LeaseLostException)
            {
                ThrowIfEnded();
                if (IsWeather(e) || tries < _tools.Options.UndoTries)
                {
                    await PauseAsync(step, e, IsWeather(e) ? tries : tries++);
                    continue;
                }

                // Earlier steps stay as they are: what they hold is what tells where the leftovers lie.
                LogUndoFailed(_tools.Logger, e, Row.Kind, Row.Id, step.Name);
                await SaveAsync(new(at, Unwinding: true, step.Name, OperationState.Failed,
                    Problem.From(OperationErrors.UndoFailed(step.Name, e, Row.ToOperation().Error), Row.RequestId)));
            }
        }
    }

    private OperationState End => Row.State == OperationState.Cancelling ? OperationState.Cancelled : OperationState.Failed;

    private int Undoable(int at)
    {
        while (at >= 0 && _steps[at] is HostStep { Undo: null } or DbStep { Undo: null })
        {
            at--;
        }

        return at;
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Kind} {Id}: '{Step}' could not be undone")]
    private static partial void LogUndoFailed(ILogger logger, Exception e, string kind, Guid id, string step);
}
