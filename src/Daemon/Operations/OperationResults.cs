using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gantry.Contracts;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Operations;

/// <summary>How every area's slow calls read their headers and answer.</summary>
internal static class OperationResults
{
    /// <summary>
    /// What a route answers that begins an operation: the one this caller began before with the same <c>Idempotency-Key</c>, whatever
    /// the world looks like since; else the one <paramref name="begin"/> begins. Waits as <c>?wait=</c> asks.
    /// </summary>
    /// <param name="body">The request's body, or what else makes it this request; part of what an idempotency key stands for.</param>
    public static async Task<IResult> BeginAsync(
        this Operations operations, HttpContext http, Caller caller, object? body, Func<BeginOptions, Task<Operation>> begin)
    {
        var wait = http.Request.Query["wait"].ToString() is { Length: > 0 } text
            ? int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) ? seconds : throw OperationErrors.WaitOutOfRange()
            : (int?)null;
        _ = WaitOf(wait);
        var options = BeginOptionsOf(http.Request, body);
        var begun = await operations.ReplayAsync(caller, options, http.RequestAborted) ?? await begin(options);
        return await operations.AnswerAsync(http, begun, wait);
    }

    /// <summary>
    /// 202 with the operation's URL while it is not finished, after at most <paramref name="waitSeconds"/>; 200 once it succeeded.
    /// </summary>
    /// <exception cref="Refusal">The operation's own when it failed within the wait; <c>operation.cancelled</c>; <c>request.wait_out_of_range</c></exception>
    public static async Task<IResult> AnswerAsync(this Operations operations, HttpContext http, Operation begun, int? waitSeconds)
    {
        var wait = WaitOf(waitSeconds);
        var operation = wait > TimeSpan.Zero && !begun.IsFinished() ? await operations.WaitAsync(http, begun.Id, wait) : begun;
        return operation switch
        {
            { State: OperationState.Failed, Error: { } error } => throw error.ToRefusal(),
            { State: OperationState.Cancelled } => throw OperationErrors.Cancelled(operation),
            _ => Of(operation),
        };
    }

    /// <summary>As <see cref="Operations.WaitAsync"/>, but a daemon that stops answers at once with the operation as it stands.</summary>
    public static async Task<Operation> WaitAsync(this Operations operations, HttpContext http, Id<Operation> id, TimeSpan atMost)
    {
        var stopping = http.RequestServices.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping);
        try
        {
            return await operations.WaitAsync(id, atMost, either.Token);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return await operations.FindAsync(id, http.RequestAborted);
        }
    }

    /// <summary>The operation as it stands: 200 when it has ended, else 202 and where to look.</summary>
    public static IResult Of(Operation operation) => new Answer(operation);

    /// <exception cref="Refusal"><c>request.wait_out_of_range</c></exception>
    public static TimeSpan WaitOf(int? seconds) =>
        seconds is null or (>= 0 and <= Limits.MaxWaitSeconds) ? TimeSpan.FromSeconds(seconds ?? 0) : throw OperationErrors.WaitOutOfRange();

    /// <summary><c>?queue=true</c> and <c>Idempotency-Key</c> of a request; the key stands for this method, path, query and body.</summary>
    public static BeginOptions BeginOptionsOf(HttpRequest request, object? body)
    {
        var queue = string.Equals(request.Query["queue"], "true", StringComparison.OrdinalIgnoreCase);
        if (!request.Headers.TryGetValue("Idempotency-Key", out var values))
        {
            return new(queue);
        }

        var key = values.ToString();
        if (key.Length is 0 or > Limits.IdempotencyKeyLength)
        {
            throw OperationErrors.IdempotencyKeyNotValid();
        }

        var query = string.Join('&', request.Query.Where(q => q.Key is not ("queue" or "wait")).OrderBy(q => q.Key, StringComparer.Ordinal).Select(q => $"{q.Key}={q.Value}"));
        var said = $"{request.Method} {request.Path}?{query}\n{JsonSerializer.Serialize(body, OperationJson.Options)}";
        return new(queue, key, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(said))));
    }

    private sealed class Answer(Operation operation) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            var response = httpContext.Response;
            response.StatusCode = operation.IsFinished() ? StatusCodes.Status200OK : StatusCodes.Status202Accepted;
            response.Headers.Location = $"{ApiClient.Base}/operations/{operation.Id}";
            return response.WriteAsJsonAsync(operation, WireJson.Default.Operation, cancellationToken: httpContext.RequestAborted);
        }
    }
}
