using Gantry.Contracts;

namespace Gantry.Daemon.Operations;

internal static class OperationErrors
{
    public const string DatabaseUnavailable = "database.unavailable";

    public static Refusal NotFound(Id<Operation> id) =>
        Refusal.NotFound("operation.not_found", $"There is no operation {id}.", "`gantry operation list` shows those that are kept; old ones are removed.");

    public static Refusal TargetBusy(string targetName, Operation busy) =>
        new("operation.target_busy", 423, $"{targetName} is busy with {busy.Kind}.",
            $"Wait for operation {busy.Id}, cancel it, or ask again with queue=true to run after it.")
        { Operation = busy.Id };

    public static Refusal IdempotencyKeyReused(string key, Id<Operation> first) =>
        new("operation.idempotency_key_reused", 422, $"The idempotency key '{key}' was used for another request.",
            $"Use a new key for a new request; operation {first} has this one.")
        { Operation = first };

    public static Refusal IdempotencyKeyNotValid() =>
        Refusal.Invalid("operation.idempotency_key_not_valid", $"The Idempotency-Key is empty or longer than {Limits.IdempotencyKeyLength} characters.",
            "Send a UUID.");

    public static Refusal AlreadyFinished(Operation operation) =>
        Refusal.Conflict("operation.finished", $"{operation.Kind} of {operation.TargetName} has ended: {operation.State.ToString().ToLowerInvariant()}.",
            "There is nothing left to cancel.");

    public static Refusal PastReturn(Operation operation, string step) =>
        Refusal.Conflict("operation.past_return", $"{operation.Kind} of {operation.TargetName} is past the point of return ('{step}').",
            "It ends by itself; wait for it.");

    public static Refusal Cancelled(Operation operation) =>
        Refusal.Conflict("operation.cancelled", $"{operation.Kind} of {operation.TargetName} was cancelled.", "Ask again if it is still wanted.");

    public static Refusal Failed(string step, Exception e) =>
        new("operation.failed", 500, $"Unexpected trouble at '{step}': {e.Message}", "The daemon's log has the trace under this operation's id.", inner: e);

    public static Refusal UndoFailed(string step, Exception e, Problem? first) =>
        new("operation.undo_failed", 500,
            $"{(first is null ? "Cancelled" : first.Detail.TrimEnd('.'))}; then '{step}' could not be undone: {(e as Refusal)?.Message ?? e.Message}",
            "What this step and those before it made is left. Remove the cause and delete the target, which takes away what is left.", inner: e);

    public static Refusal UnknownState(string state) =>
        Refusal.Invalid("operation.unknown_state", $"'{state}' is not a state of an operation.", "queued, running, succeeded, failed, cancelling or cancelled.");

    public static Refusal CursorNotValid() =>
        Refusal.Invalid("request.cursor_not_valid", "The cursor is not one this list gave out.", "Take nextCursor as it came, or start without one.");

    public static Refusal LimitOutOfRange() =>
        Refusal.Invalid("request.limit_out_of_range", $"limit is 1 to {Limits.MaxPage}.", "Read on with nextCursor.");

    public static Refusal WaitOutOfRange() =>
        Refusal.Invalid("request.wait_out_of_range", $"wait is 0 to {Limits.MaxWaitSeconds} seconds.", "Wait again on the operation's own URL.");
}
