using System.Text.Json.Serialization;
using Gantry.Contracts;

namespace Gantry.Node.Snapshots;

/// <summary>What a node knows of a snapshot, kept as <c>snapshot.json</c> in its folder. It is written last: where it is, the snapshot is whole.</summary>
/// <param name="State">What the instance was then.</param>
/// <param name="Disks">Those that are in it.</param>
/// <param name="Files">The SHA-256 of each file beside it, by its path in the folder.</param>
public sealed record SnapshotRecord(
    Id<Snapshot> Id, Id<Instance> Instance, DateTimeOffset TakenAt, InstanceState State, IReadOnlyList<SnapshotDisk> Disks, IReadOnlyDictionary<string, string> Files)
{
    public const int Newest = 1;

    /// <summary>Raised when the meaning of a field changes; one newer than is known is refused.</summary>
    public int Version { get; init; } = Newest;
}

/// <summary>A disk of a snapshot, as large as it was then.</summary>
/// <param name="Pool">Where it lies; null for the pool beside the instances.</param>
public sealed record SnapshotDisk(string Volume, long SizeBytes, Id<Pool>? Pool = null);

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
