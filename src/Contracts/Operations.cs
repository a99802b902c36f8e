using System.Text.Json;

namespace Gantry.Contracts;

/// <summary>A slow change: durable, finished after a crash, undone when it fails or is cancelled.</summary>
public sealed record Operation
{
    public required Id<Operation> Id { get; init; }

    /// <summary><c>instance.start</c> and the like.</summary>
    public required string Kind { get; init; }

    /// <summary>What it changes, as a path: <c>instances/{id}</c>.</summary>
    public required string Target { get; init; }

    /// <summary>The name its target had when it was asked for.</summary>
    public required string TargetName { get; init; }
    public required OperationState State { get; init; }

    /// <summary>The step it is at, or was at when it ended.</summary>
    public string? Step { get; init; }
    public Progress? Progress { get; init; }
    public JsonElement? Result { get; init; }
    public Problem? Error { get; init; }
    public required string CreatedBy { get; init; }
    public string? RequestId { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public DateTimeOffset? StartedAt { get; init; }
    public DateTimeOffset? FinishedAt { get; init; }

    public bool IsFinished() => State is OperationState.Succeeded or OperationState.Failed or OperationState.Cancelled;
}

/// <summary>Numbers are stored and never change (a golden test holds them).</summary>
public enum OperationState
{
    Queued = 1,
    Running = 2,
    Succeeded = 3,
    Failed = 4,
    Cancelling = 5,
    Cancelled = 6,
}

/// <param name="Stage">What is going on, for people: <c>unpack kernel</c>.</param>
/// <param name="Percent">0 to 100, where it can be known.</param>
public sealed record Progress(
    string Stage, double? Percent = null, long? Bytes = null, long? TotalBytes = null, double? BytesPerSecond = null, double? SecondsLeft = null);

public sealed record OperationLogLine(DateTimeOffset Time, string Text);

public sealed record OperationLog(IReadOnlyList<OperationLogLine> Items);
