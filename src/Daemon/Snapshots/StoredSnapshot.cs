using Gantry.Contracts;

namespace Gantry.Daemon.Snapshots;

/// <summary>A snapshot as it is kept.</summary>
/// <param name="Parent">The name of the one it came after.</param>
/// <param name="Sha256">Of the node's record of it; null while it is being taken.</param>
internal sealed record StoredSnapshot(
    Id<Snapshot> Id, Id<Instance> Instance, string Name, string? Description, string? Parent, bool Current, InstanceState State, SnapshotLevel? Level, string? Sha256,
    bool IsReady, DateTimeOffset CreatedAt, long Version, long? MemoryBytes)
{
    /// <summary>Nobody deletes it until that is lifted.</summary>
    public bool Protected { get; init; }

    /// <summary>Likewise until then.</summary>
    public DateTimeOffset? KeepUntil { get; init; }

    /// <summary>When it was restored or cloned last.</summary>
    public DateTimeOffset? LastUsedAt { get; init; }

    public Id<Schedule>? Schedule { get; init; }

    /// <summary>Of its instance; null where that is known anyway.</summary>
    public string? InstanceName { get; init; }

    /// <summary>What would be free without it, as it was measured last.</summary>
    public long? MeasuredBytes { get; init; }

    public bool IsKept(DateTimeOffset now) => Protected || KeepUntil > now;

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
        Protected = Protected,
        KeepUntil = KeepUntil,
        LastUsedAt = LastUsedAt,
        Schedule = Schedule,
        InstanceName = InstanceName,
        CreatedAt = CreatedAt,
        Etag = Etag,
    };
}
