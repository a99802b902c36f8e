using System.Text.Json.Serialization;
using Gantry.Contracts;
using Gantry.Node.Drivers;

namespace Gantry.Node.Snapshots;

/// <summary>What a node knows of a snapshot, kept as <c>snapshot.json</c> in its folder. It is written last: where it is, the snapshot is whole.</summary>
/// <param name="State">What the instance was then.</param>
/// <param name="Disks">Those that are in it.</param>
/// <param name="Files">The SHA-256 of each file beside it, by its path in the folder.</param>
public sealed record SnapshotRecord(
    Id<Snapshot> Id, Id<Instance> Instance, DateTimeOffset TakenAt, InstanceState State, IReadOnlyList<SnapshotDisk> Disks, IReadOnlyDictionary<string, string> Files)
{
    public const int Newest = 1;

    /// <summary>How much its guest had a part in it; null when none ran, and in records of before there was a choice.</summary>
    public SnapshotLevel? Level { get; init; }

    /// <summary>Why its guest was not brought to rest where that was to be tried; null when it was, or was not to be.</summary>
    public string? NotQuiesced { get; init; }

    /// <summary>Why the guest's file systems may be at rest still; null when they are not.</summary>
    public string? NotThawed { get; init; }

    /// <summary>Null when it has none.</summary>
    public KeptMemory? Memory { get; init; }

    /// <summary>Raised when the meaning of a field changes; one newer than is known is refused.</summary>
    public int Version { get; init; } = Newest;
}

/// <summary>A disk of a snapshot, as large as it was then.</summary>
/// <param name="Pool">Where it lies; null for the pool beside the instances.</param>
public sealed record SnapshotDisk(string Volume, long SizeBytes, Id<Pool>? Pool = null);

/// <summary>The memory in a snapshot.</summary>
/// <param name="Bytes">Of its file.</param>
/// <param name="Machine">What has to be like it to go on from there.</param>
public sealed record KeptMemory(long Bytes, SavedMachine Machine);

/// <summary>What would be free without a snapshot.</summary>
/// <param name="BesideBytes">In its folder.</param>
/// <param name="Pools">In each pool it has disks in; null for the pool beside the instances.</param>
public sealed record SnapshotSpace(long BesideBytes, IReadOnlyList<(Id<Pool>? Pool, long Bytes)> Pools)
{
    public long Bytes => BesideBytes + Pools.Sum(p => p.Bytes);
}

/// <param name="Sha256">Of the record's file.</param>
public sealed record TakenSnapshot(SnapshotRecord Record, string Sha256);

[JsonSourceGenerationOptions(System.Text.Json.JsonSerializerDefaults.Web, UseStringEnumConverter = true, WriteIndented = true,
    RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(SnapshotRecord))]
internal sealed partial class SnapshotJson : JsonSerializerContext;
