using System.Globalization;
using System.Text.Json;
using Gantry.Contracts;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Operations;

/// <summary>The area's front: begins, finds, awaits and cancels slow changes.</summary>
internal sealed class Operations(OperationStore store, OperationRunner runner, OperationTools tools)
{
    /// <summary>
    /// Starts a slow change; it is durable when this returns. The same idempotency key from the same caller gives the first operation again.
    /// </summary>
    /// <param name="target">What it changes, as a path: <c>instances/{id}</c>. One operation at a time changes a target.</param>
    /// <exception cref="Refusal"><c>operation.target_busy</c> (423), <c>operation.idempotency_key_reused</c> (422)</exception>
    public async Task<Operation> BeginAsync<TInput>(
        OperationType<TInput> type, TInput input, string target, string targetName, Caller caller, BeginOptions options, CancellationToken ct)
    {
        var text = JsonSerializer.Serialize(input, OperationJson.Options);
        var first = type.Steps(input) is [var step, ..] ? step.Name : null;
        for (var tries = 0; ; tries++)
        {
            ct.ThrowIfCancellationRequested();
            var claimed = runner.TryReserve();
            OperationRow? row = null;
            try
            {
                row = await store.InsertAsync(new(
                    Id<Operation>.New().Value, type.Kind, target, targetName, first, text, caller.Name, caller.RequestId,
                    options.IdempotencyKey, options.RequestHash, options.Queue, claimed));
            }
            finally
            {
                if (claimed && row?.State != OperationState.Running)
                {
                    runner.Release();
                }
            }

            if (row is { State: OperationState.Running })
            {
                runner.Run(row);
                return row.ToOperation();
            }

            if (row is not null)
            {
                runner.Wake();
                return row.ToOperation();
            }

            if (await ReplayAsync(caller, options, ct) is { } replayed)
            {
                return replayed;
            }

            // What stood in the way may have ended since, or two began at once: then ask again.
            if (await store.FindBusyAsync(target, ct) is { } busy && (!options.Queue || tries == 10))
            {
                throw OperationErrors.TargetBusy(targetName, busy.ToOperation());
            }
        }
    }

    /// <summary>
    /// The operation this caller began before with the same idempotency key; null without a key or at its first use.
    /// Asked before a request is checked against a world that the first one already changed.
    /// </summary>
    /// <exception cref="Refusal"><c>operation.idempotency_key_reused</c></exception>
    public async Task<Operation?> ReplayAsync(Caller caller, BeginOptions options, CancellationToken ct)
    {
        if (options.IdempotencyKey is not { } key || await store.FindByKeyAsync(caller.Name, key, ct) is not { } first)
        {
            return null;
        }

        return first.RequestHash == options.RequestHash ? first.ToOperation() : throw OperationErrors.IdempotencyKeyReused(key, new(first.Id));
    }

    /// <exception cref="Refusal"><c>operation.not_found</c></exception>
    public async Task<Operation> FindAsync(Id<Operation> id, CancellationToken ct) => (await RowAsync(id, ct)).ToOperation();

    /// <summary>Newest first.</summary>
    /// <param name="target">A target's path or name.</param>
    public async Task<Page<Operation>> ListAsync(OperationState? state, string? target, int limit, string? cursor, CancellationToken ct)
    {
        var rows = await store.ListAsync(state, target, limit + 1, cursor is null ? null : OperationCursor.Parse(cursor), ct);
        return new(
            [.. rows.Take(limit).Select(r => r.ToOperation())],
            rows.Count > limit ? OperationCursor.After(rows[limit - 1]) : null);
    }

    /// <summary>The operation as it ended, as soon as it does; or as it stands when the time is over. Whichever daemon runs it.</summary>
    public async Task<Operation> WaitAsync(Id<Operation> id, TimeSpan atMost, CancellationToken ct)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var over = Task.Delay(atMost, tools.Time, limit.Token);
        try
        {
            while (true)
            {
                var claim = runner.NextClaim;
                if (runner.Find(id.Value) is { } running)
                {
                    await Task.WhenAny(running.Completion, over);
                    if (running.Completion is { IsCompletedSuccessfully: true, Result: { } ended })
                    {
                        return ended;
                    }
                }

                var row = await RowAsync(id, ct);
                if (row.IsFinished || over.IsCompleted)
                {
                    ct.ThrowIfCancellationRequested();
                    return row.ToOperation();
                }

                await Task.WhenAny(claim, over, Task.Delay(TimeSpan.FromSeconds(1), tools.Time, limit.Token));
            }
        }
        finally
        {
            await limit.CancelAsync();
        }
    }

    /// <summary>Asks for its end: a queued one ends at once, a running one is undone from where it is. Asking twice is as once.</summary>
    /// <exception cref="Refusal"><c>operation.not_found</c>, <c>operation.finished</c>, <c>operation.past_return</c></exception>
    public async Task<Operation> CancelAsync(Id<Operation> id, CancellationToken ct)
    {
        while (true)
        {
            var row = await store.FindWithInputAsync(id.Value, ct) ?? throw OperationErrors.NotFound(id);
            if (row.IsFinished)
            {
                throw OperationErrors.AlreadyFinished(row.ToOperation());
            }

            if (row.Unwinding || row.State == OperationState.Cancelling)
            {
                return row.ToOperation();
            }

            if (row.State == OperationState.Running
                && tools.Types.StepsOf(row).Take(row.Position + 1).FirstOrDefault(s => s is HostStep { OnlyForward: true }) is { } step)
            {
                throw OperationErrors.PastReturn(row.ToOperation(), step.Name);
            }

            if (await store.CancelAsync(row, ct) is { } asked)
            {
                runner.Find(id.Value)?.Cancel();
                runner.Wake(); // who queued behind a cancelled one may be next
                return asked.ToOperation();
            }
        }
    }

    public async Task<OperationLog> LogAsync(Id<Operation> id, CancellationToken ct)
    {
        await RowAsync(id, ct);
        return await store.LogAsync(id.Value, ct);
    }

    private async Task<OperationRow> RowAsync(Id<Operation> id, CancellationToken ct) =>
        await store.FindAsync(id.Value, ct) ?? throw OperationErrors.NotFound(id);
}

/// <param name="Queue">Wait behind a busy target rather than be refused.</param>
/// <param name="RequestHash">Tells whether a second use of the key is the same request.</param>
internal sealed record BeginOptions(bool Queue = false, string? IdempotencyKey = null, string? RequestHash = null)
{
    public static BeginOptions Default { get; } = new();

    /// <summary>For one of several operations that a single request begins.</summary>
    public BeginOptions For(string name) => IdempotencyKey is null ? this : this with { IdempotencyKey = $"{IdempotencyKey}/{name}" };
}

internal static class OperationCursor
{
    public static string After(OperationRow row) => string.Create(CultureInfo.InvariantCulture, $"{row.CreatedAt.Ticks:x}-{row.Id:N}");

    public static (DateTime CreatedAt, Guid Id) Parse(string cursor) =>
        cursor.Split('-') is [var ticks, var id]
        && long.TryParse(ticks, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var number)
        && number >= 0 && number <= DateTime.MaxValue.Ticks
        && Guid.TryParseExact(id, "N", out var guid)
            ? (new DateTime(number, DateTimeKind.Utc), guid)
            : throw OperationErrors.CursorNotValid();
}
