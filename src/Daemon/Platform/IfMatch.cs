namespace Gantry.Daemon.Platform;

/// <summary>The header by which a caller says which state of a thing they mean to change (RFC 9110, section 13.1.1).</summary>
internal static class IfMatch
{
    /// <summary>Also when the caller does not say.</summary>
    public static bool Fits(HttpContext http, string etag) => http.Request.Headers.IfMatch is not [var read, ..] || read == "*" || read == etag;
}
