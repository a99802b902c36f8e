using System.Diagnostics;
using Gantry.Contracts;

namespace Gantry.Daemon.Platform;

/// <summary>Every request has an id: the caller's <c>X-Request-Id</c>, or one made here. It is answered, logged and kept in operations and events.</summary>
internal static partial class RequestIds
{
    private const string Header = "X-Request-Id";

    public static string Of(HttpContext http) => http.TraceIdentifier;

    public static IApplicationBuilder UseRequestIds(this IApplicationBuilder app)
    {
        var logger = app.ApplicationServices.GetRequiredService<ILoggerFactory>().CreateLogger("Gantry.Requests");
        return app.Use(async (http, next) =>
        {
            var given = http.Request.Headers[Header].ToString();
            http.TraceIdentifier = IsUsable(given) ? given : Id<HttpContext>.New().ToString();
            http.Response.OnStarting(() =>
            {
                // Late, because a refusal clears what was set before.
                http.Response.Headers[Header] = http.TraceIdentifier;
                return Task.CompletedTask;
            });
            var began = Stopwatch.GetTimestamp();
            using (logger.BeginScope(new Dictionary<string, object> { ["requestId"] = http.TraceIdentifier }))
            {
                await next(http);

                // What reads and succeeds is not worth a line each; what changes or is refused is.
                var level = HttpMethods.IsGet(http.Request.Method) && http.Response.StatusCode < 400 ? LogLevel.Debug : LogLevel.Information;
                LogRequest(logger, level, http.Request.Method, http.Request.Path, http.Response.StatusCode, Stopwatch.GetElapsedTime(began).TotalMilliseconds, LocalPeers.NameOf(http));
            }
        });
    }

    [LoggerMessage(Message = "{Method} {Path} {Status} in {Milliseconds:0.0} ms for {Caller}")]
    private static partial void LogRequest(ILogger logger, LogLevel level, string method, string path, int status, double milliseconds, string? caller);

    private static bool IsUsable(string id) => id.Length is > 0 and <= 128 && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or ':');
}
