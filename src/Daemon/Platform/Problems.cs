using Gantry.Contracts;
using Microsoft.AspNetCore.Diagnostics;

namespace Gantry.Daemon.Platform;

/// <summary>The one place a "no" becomes HTTP: refusals as they are, anything else a 500 with the request id and nothing of its inside.</summary>
internal sealed partial class Problems(ILogger<Problems> logger) : IExceptionHandler
{
    public async ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
    {
        if (httpContext.RequestAborted.IsCancellationRequested)
        {
            httpContext.Response.StatusCode = 499;
            return true;
        }

        await WriteAsync(httpContext, exception switch
        {
            Refusal refusal => refusal,
            BadHttpRequestException bad => Malformed(bad),
            _ => Bug(exception),
        });
        return true;
    }

    /// <summary>For answers that carry a status and no body: no such route, a method it does not have.</summary>
    public static Task WriteStatusAsync(HttpContext http) => WriteAsync(http, http.Response.StatusCode switch
    {
        401 => new Refusal("auth.required", 401, "Sign in to use this route.", "Use the Unix socket on the node itself; there are no users yet."),
        404 => Refusal.NotFound("route.unknown", $"There is no {http.Request.Path}.", "GET /api/v1/openapi.json lists what there is."),
        405 => new Refusal("route.method", 405, $"{http.Request.Path} does not answer {http.Request.Method}.", $"It answers {http.Response.Headers.Allow}."),
        415 => new Refusal("request.media_type", 415, "The body is not marked as what this route takes.", "Send it with Content-Type: application/json, or application/octet-stream to upload."),
        var status => new Refusal("request.refused", status, $"The request was refused with {status}.", "GET /api/v1/openapi.json says what each route takes."),
    });

    private static Task WriteAsync(HttpContext http, Refusal refusal)
    {
        http.Response.StatusCode = refusal.Status;
        if (refusal.RetryAfterSeconds is { } seconds)
        {
            http.Response.Headers.RetryAfter = $"{seconds}";
        }

        return http.Response.WriteAsJsonAsync(Problem.From(refusal, RequestIds.Of(http)), WireJson.Default.Problem, "application/problem+json");
    }

    private static Refusal Malformed(BadHttpRequestException bad) => bad.StatusCode == StatusCodes.Status413PayloadTooLarge
        ? new Refusal("request.too_large", 413, $"The body is larger than {Limits.BodyBytes} bytes.", "Send less at once.")
        : new Refusal("request.malformed", 400, bad.Message, "GET /api/v1/openapi.json says what each route takes.");

    private Refusal Bug(Exception exception)
    {
        LogBug(logger, exception);
        return new Refusal("internal", 500, "Something went wrong that should not have.", "The daemon's log has the details under this request id; please report them.");
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A request failed unexpectedly")]
    private static partial void LogBug(ILogger logger, Exception exception);
}
