namespace Gantry.Contracts;

/// <summary>A disk as its pool's list shows it: one that belongs to no instance, or to one.</summary>
public sealed record PoolVolume
{
    /// <summary>Null for one of an instance, which is named by that and its name there.</summary>
    public Id<PoolVolume>? Id { get; init; }

    /// <summary>1 to 63 of a-z, 0-9 and '-'; once in a pool among those that belong to none. That of an instance's is once in the instance.</summary>
    public required string Name { get; init; }

    /// <summary>By name.</summary>
    public required string Pool { get; init; }
    public required long SizeBytes { get; init; }

    /// <summary>The image it began as, by name.</summary>
    public string? Image { get; init; }
    public string? Description { get; init; }
    public required PoolVolumeState State { get; init; }

    /// <summary>The instance it belongs to, or is on its way to or from, by name.</summary>
    public string? Instance { get; init; }

    /// <summary>Null for one of an instance, as all below.</summary>
    public DateTimeOffset? CreatedAt { get; init; }
    public DateTimeOffset? UpdatedAt { get; init; }
    public string? Etag { get; init; }
}

public enum PoolVolumeState
{
    Creating = 1,

    /// <summary>It belongs to none, and can be attached, changed and deleted.</summary>
    Available = 2,
    Attaching = 3,

    /// <summary>It belongs to an instance.</summary>
    Attached = 4,
    Detaching = 5,

    /// <summary>It is being made larger, or named otherwise.</summary>
    Changing = 6,
    Deleting = 7,
}

/// <summary>The body of <c>POST /pools/{pool}/volumes</c>.</summary>
/// <param name="SizeBytes">As large as its image when left out, or 10 GiB.</param>
/// <param name="Image">What it begins as; empty when left out.</param>
public sealed record CreatePoolVolume(string Name, long? SizeBytes = null, string? Image = null, string? Description = null);

/// <summary>What <c>PATCH /pools/{pool}/volumes/{volume}</c> can change, as a JSON merge patch (RFC 7396).</summary>
/// <param name="SizeBytes">No smaller than it is.</param>
public sealed record ChangePoolVolume(string Name, long? SizeBytes = null, string? Description = null);

/// <summary>The body of <c>POST /instances/{instance}/volumes</c>: one that is made, or one that is there and belongs to none.</summary>
public sealed record AddVolume : Volume
{
    /// <summary>
    /// Of the volume in <see cref="Contracts.Volume.Pool"/> that is attached, the name there or the id. Its size and what is in it are its own; null for a new one.
    /// </summary>
    public string? Volume { get; init; }
}

/// <summary>The body of <c>POST /instances/{instance}/volumes/{volume}/detach</c>; may be left out.</summary>
/// <param name="Name">What it is called in its pool from then on; as in the instance when left out.</param>
public sealed record DetachVolume(string? Name = null);
