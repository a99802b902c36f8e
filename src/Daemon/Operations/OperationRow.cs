using System.Text.Json;
using Gantry.Contracts;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Operations;

/// <summary>An operation as it lies in the table; more than the wire shows.</summary>
/// <param name="Input">Null where it was not read: it may be a megabyte, and only who runs the steps needs it.</param>
internal sealed record OperationRow(
    Guid Id, string Kind, string Target, string TargetName, OperationState State, string? Owner, Guid? Incarnation, int Position,
    bool Unwinding, string? Step, string? Input, string? Progress, string? Result, string? Error, string CreatedBy, string? RequestId,
    string? RequestHash, DateTime CreatedAt, DateTime? StartedAt, DateTime? FinishedAt)
{
    public const string Columns = $"{First}, null as input, {Last}";

    public const string ColumnsWithInput = $"{First}, input, {Last}";

    // In the order of the constructor, which Dapper demands.
    private const string First =
        """
        id, kind, target, target_name as TargetName, state, owner, incarnation, position,
        unwinding, step
        """;

    private const string Last =
        """
        progress, result, error, created_by as CreatedBy, request_id as RequestId,
        request_hash as RequestHash, created_at as CreatedAt, started_at as StartedAt, finished_at as FinishedAt
        """;

    public bool IsFinished => FinishedAt is not null;

    public Operation ToOperation() => new()
    {
        Id = new(Id),
        Kind = Kind,
        Target = Target,
        TargetName = TargetName,
        State = State,
        Step = Step,
        Progress = Progress is null ? null : JsonSerializer.Deserialize(Progress, WireJson.Default.Progress),
        Result = Result is null ? null : JsonElement.Parse(Result),
        Error = Error is null ? null : JsonSerializer.Deserialize(Error, WireJson.Default.Problem),
        CreatedBy = CreatedBy,
        RequestId = RequestId,
        CreatedAt = CreatedAt,
        StartedAt = StartedAt,
        FinishedAt = FinishedAt,
    };
}

/// <summary>Which daemon works on an operation.</summary>
/// <param name="Node">The machine whose operations it may run.</param>
/// <param name="Daemon">Stays the same when the daemon is restarted; no two that run at once share it.</param>
/// <param name="Incarnation">This run of it. Operations of an earlier one are taken up at once.</param>
internal sealed record OperationOwner(string Node, string Daemon, Guid Incarnation)
{
    /// <summary>A root has one daemon at a time (its lock sees to that), so the node's id serves for both.</summary>
    public static OperationOwner Of(NodeIdentity node) => new($"{node.Id}", $"{node.Id}", Guid.CreateVersion7());
}

/// <summary>How operations are run; the defaults are the product's, tests are less patient.</summary>
internal sealed record OperationOptions
{
    /// <summary>How many run at once in this daemon; more are queued.</summary>
    public int Concurrency { get; init; } = 64;
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(30);
    public TimeSpan RenewEvery { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How often to look for what nothing in this process woke us for: queued by, or lost by, another daemon.</summary>
    public TimeSpan LookEvery { get; init; } = TimeSpan.FromSeconds(5);
    public TimeSpan ProgressEvery { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How often an undo is tried before the operation ends with what is left.</summary>
    public int UndoTries { get; init; } = 5;

    /// <summary>Between tries: doubled each time, up to <see cref="LongestPause"/>.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromMilliseconds(250);
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How long a stopping daemon waits for steps to let go.</summary>
    public TimeSpan StopWithin { get; init; } = TimeSpan.FromSeconds(20);

    public TimeSpan Pause(int attempt) =>
        TimeSpan.FromTicks(Math.Min(LongestPause.Ticks, FirstPause.Ticks << Math.Min(attempt, 20)));
}
