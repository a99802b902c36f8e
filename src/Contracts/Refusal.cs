namespace Gantry.Contracts;

/// <summary>
/// An expected "no": what was refused, why, and what to do about it. The daemon maps it to one problem document
/// (RFC 9457), the clients rebuild it from there, so the same sentence is read in a log, in JSON and on a terminal.
/// </summary>
/// <param name="code">Stable and lower case, <c>area.reason</c>; clients match on it.</param>
/// <param name="status">The HTTP status it maps to.</param>
/// <param name="message">What happened, naming the thing and the value.</param>
/// <param name="hint">What to do about it.</param>
public sealed class Refusal(string code, int status, string message, string hint, IReadOnlyList<Fault>? faults = null, Exception? inner = null)
    : Exception(message, inner)
{
    public string Code { get; } = code;

    public int Status { get; } = status;

    public string Hint { get; } = hint;

    /// <summary>Every fault of a body that was refused whole; empty otherwise.</summary>
    public IReadOnlyList<Fault> Faults { get; } = faults ?? [];

    /// <summary>Seconds after which trying again makes sense, where that is known.</summary>
    public int? RetryAfterSeconds { get; init; }

    /// <summary>The operation that stands in the way, for a target that is busy.</summary>
    public Id<Operation>? Operation { get; init; }

    public static Refusal Malformed(string code, string message, string hint) => new(code, 400, message, hint);
    public static Refusal NotFound(string code, string message, string hint) => new(code, 404, message, hint);
    public static Refusal Conflict(string code, string message, string hint) => new(code, 409, message, hint);
    public static Refusal Invalid(string code, string message, string hint) => new(code, 422, message, hint);
    public static Refusal Unavailable(string code, string message, string hint) => new(code, 503, message, hint);
}

/// <summary>One thing wrong with a body: where (a JSON path such as <c>$.boot.kernel</c>) and what.</summary>
public sealed record Fault(string Path, string Message);

/// <summary>A refusal on the wire: <c>application/problem+json</c>.</summary>
public sealed record Problem
{
    public required string Type { get; init; }
    public required string Title { get; init; }
    public required int Status { get; init; }
    public required string Code { get; init; }
    public required string Detail { get; init; }
    public string? Hint { get; init; }
    public string? RequestId { get; init; }
    public IReadOnlyList<Fault>? Errors { get; init; }
    public Id<Operation>? Operation { get; init; }
    public int? RetryAfterSeconds { get; init; }

    public static Problem From(Refusal refusal, string? requestId) => new()
    {
        Type = "about:blank",
        Title = TitleOf(refusal.Status),
        Status = refusal.Status,
        Code = refusal.Code,
        Detail = refusal.Message,
        Hint = refusal.Hint,
        RequestId = requestId,
        Errors = refusal.Faults is { Count: > 0 } faults ? faults : null,
        Operation = refusal.Operation,
        RetryAfterSeconds = refusal.RetryAfterSeconds,
    };

    public Refusal ToRefusal() =>
        new(Code, Status, Detail, Hint ?? "", Errors) { Operation = Operation, RetryAfterSeconds = RetryAfterSeconds };

    private static string TitleOf(int status) => status switch
    {
        400 => "Malformed request",
        401 => "Sign-in required",
        403 => "Not allowed",
        404 => "Not found",
        405 => "Method not allowed",
        409 => "Conflict",
        412 => "Changed meanwhile",
        413 => "Body too large",
        415 => "Media type not supported",
        422 => "Not valid",
        423 => "Busy",
        429 => "Too many requests",
        503 => "Not available now",
        504 => "Timed out",
        _ => "Failed",
    };
}
