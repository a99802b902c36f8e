using Gantry.Contracts;

namespace Gantry.Daemon.Snapshots;

/// <summary>A snapshot as it is kept.</summary>
/// <param name="Parent">The name of the one it came after.</param>
/// <param name="Sha256">Of the node's record of it; null while it is being taken.</param>
internal sealed record StoredSnapshot(
    Id<Snapshot> Id, Id<Instance> Instance, string Name, string? Description, string? Parent, bool Current, InstanceState State, SnapshotLevel? Level, string? Sha256,
    bool IsReady, DateTimeOffset CreatedAt, long Version, long? MemoryBytes)
{
    public string Etag => $"\"{Version}\"";

    public Snapshot ToWire(long? sizeBytes) => new()
    {
        Id = Id,
        Name = Name,
        Description = Description,
        Instance = Instance,
        Parent = Parent,
        Current = Current,
        State = State,
        Level = Level,
        MemoryBytes = MemoryBytes,
        SizeBytes = sizeBytes,
        CreatedAt = CreatedAt,
        Etag = Etag,
    };
}
