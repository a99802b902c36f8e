using Gantry.Contracts;

namespace Gantry.Daemon.Platform;

/// <summary>Every request has an id: the caller's <c>X-Request-Id</c>, or one made here. It is answered, logged and kept in operations and events.</summary>
internal static class RequestIds
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
            http.Response.Headers[Header] = http.TraceIdentifier;
            using (logger.BeginScope(new Dictionary<string, object> { ["requestId"] = http.TraceIdentifier }))
            {
                await next(http);
            }
        });
    }

    private static bool IsUsable(string id) => id.Length is > 0 and <= 128 && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or ':');
}
