using System.Text.Json.Serialization;

namespace Gantry.Contracts;

/// <summary>A place where volumes lie.</summary>
public sealed record Pool
{
    public required Id<Pool> Id { get; init; }
    public required string Name { get; init; }
    public string? Description { get; init; }
    public required PoolKind Kind { get; init; }

    /// <summary>Where it is: a directory of the node, or for <c>zfs</c> a data set. Null for <c>local</c>, which is beside the instances and always there.</summary>
    public string? Source { get; init; }
    public required PoolStatus Status { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required string Etag { get; init; }
}

/// <summary>The body of <c>POST /pools</c>.</summary>
public sealed record CreatePool
{
    /// <summary>1 to 63 of a-z, 0-9 and '-'.</summary>
    public required string Name { get; init; }
    public required PoolKind Kind { get; init; }

    /// <summary>An absolute path, or for <c>zfs</c> a data set such as <c>tank/gantry</c>. It is empty, not there yet, or was a pool of this kind before.</summary>
    public required string Source { get; init; }
    public string? Description { get; init; }
}

public enum PoolKind
{
    /// <summary>A directory with a qcow2 file for each volume and snapshot.</summary>
    Dir = 1,

    /// <summary>A data set of ZFS with one of its own for each instance, and raw files in these.</summary>
    Zfs = 2,

    /// <summary>A directory of a Btrfs with a subvolume for each instance, and raw files in these.</summary>
    Btrfs = 3,
}

/// <summary>How a pool was found last.</summary>
/// <param name="Healthy">Volumes can be made in it and opened.</param>
/// <param name="Message">What is wrong with it; null when nothing is.</param>
/// <param name="TotalBytes">Of the file system or ZFS pool it is part of, which others may use too; null when it could not be asked.</param>
/// <param name="FreeBytes">Likewise.</param>
public sealed record PoolStatus(
    bool Healthy,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Message = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] long? TotalBytes = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] long? FreeBytes = null);
