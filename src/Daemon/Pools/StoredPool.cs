using Gantry.Contracts;

namespace Gantry.Daemon.Pools;

/// <summary>A pool as it is kept.</summary>
/// <param name="Source">Null for the node's own.</param>
internal sealed record StoredPool(Id<Pool> Id, string Name, PoolKind Kind, string? Source, string? Description, bool IsReady, DateTimeOffset CreatedAt, long Version)
{
    /// <summary>What every node has beside its instances.</summary>
    public const string Local = "local";

    public bool IsLocal => Source is null;

    /// <summary>As the node calls it.</summary>
    public Id<Pool>? OnNode => IsLocal ? null : Id;

    public Pool ToWire(PoolStatus status) => new()
    {
        Id = Id,
        Name = Name,
        Kind = Kind,
        Source = Source,
        Description = Description,
        Status = status,
        CreatedAt = CreatedAt,
        Etag = $"\"{Version}\"",
    };
}
