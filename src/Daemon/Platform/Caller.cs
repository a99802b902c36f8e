using Gantry.Contracts;

namespace Gantry.Daemon.Platform;

/// <summary>Who asks, and under which request id: bound from the HTTP request, kept in operations and events.</summary>
internal sealed record Caller(string Name, string? RequestId)
{
    /// <summary>The daemon itself.</summary>
    public static Caller System { get; } = new("system", null);

    public static Caller Of(Operation operation) => new(operation.CreatedBy, operation.RequestId);

    public static ValueTask<Caller?> BindAsync(HttpContext http) => new(new Caller(LocalPeers.NameOf(http) ?? "nobody", RequestIds.Of(http)));
}
