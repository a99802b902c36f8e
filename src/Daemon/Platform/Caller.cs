namespace Gantry.Daemon.Platform;

/// <summary>Who asks, and under which request id: bound from the HTTP request, kept in operations and events.</summary>
internal sealed record Caller(string Name, string? RequestId)
{
    public static Caller System { get; } = new("system", null);

    public static ValueTask<Caller> BindAsync(HttpContext http) => new((Caller?)http.Items[typeof(Caller)] ?? System);
}
