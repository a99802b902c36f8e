namespace Gantry.Contracts;

/// <summary>An instance as it was at one instant: its disks, what its firmware and its TPM remembered, and its specification.</summary>
public sealed record Snapshot
{
    public required Id<Snapshot> Id { get; init; }

    /// <summary>1 to 80 of a-z, 0-9, '-' and '_'; once in an instance.</summary>
    public required string Name { get; init; }
    public string? Description { get; init; }
    public required Id<Instance> Instance { get; init; }

    /// <summary>The name of the snapshot it came after; null for one that came after none.</summary>
    public string? Parent { get; init; }

    /// <summary>The instance, as it is now, came after this one.</summary>
    public bool Current { get; init; }

    /// <summary>What the instance was then: running, paused or stopped.</summary>
    public required InstanceState State { get; init; }

    /// <summary>How much its guest had a part in it; null when none ran.</summary>
    public SnapshotLevel? Level { get; init; }

    /// <summary>What its memory takes, in bytes; null when it has none.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>What would be free without it; null when its pools could not be asked.</summary>
    public long? SizeBytes { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required string Etag { get; init; }
}

public enum SnapshotLevel
{
    /// <summary>The guest's programs had written down what they were at, or their memory is in it.</summary>
    Application = 1,

    /// <summary>The guest's file systems were at rest.</summary>
    Filesystem = 2,

    /// <summary>As after a power cut: what the guest had flushed is there.</summary>
    Crash = 3,
}

/// <summary>Whether a guest that runs is asked, through the QEMU guest agent in it, to bring its file systems to rest first.</summary>
public enum SnapshotQuiesce
{
    /// <summary>Where an agent answers; else the snapshot is taken as it is.</summary>
    Auto = 1,

    /// <summary>Without that there is no snapshot.</summary>
    Required = 2,

    /// <summary>It is not asked.</summary>
    Off = 3,
}

/// <summary>The body of <c>POST /instances/{instance}/snapshots</c>.</summary>
/// <param name="Memory">With what the guest has in memory, so that it can go on from there. It is halted while that is written.</param>
/// <param name="Quiesce"><c>auto</c> when left out. One with memory needs no rest.</param>
public sealed record CreateSnapshot(string Name, string? Description = null, bool Memory = false, SnapshotQuiesce? Quiesce = null);

/// <summary>What <c>PATCH</c> can change of a snapshot, as a JSON merge patch (RFC 7396).</summary>
public sealed record ChangeSnapshot(string? Name = null, string? Description = null);

/// <summary>The body of <c>POST /instances/{instance}/snapshots/{snapshot}/restore</c>.</summary>
/// <param name="Stop">A running instance is stopped first, as if by pulling the plug; without it one is refused.</param>
/// <param name="Start">It is started afterwards. One that has memory goes on from there anyway.</param>
/// <param name="NoMemory">Memory that is in the snapshot is left out: the instance is stopped then, or boots.</param>
/// <param name="Pause">It goes on from its memory only when it is resumed.</param>
public sealed record RestoreSnapshot(bool Stop = false, bool Start = false, bool NoMemory = false, bool Pause = false);

/// <summary>What an operation <c>snapshot.verify</c> answers with.</summary>
/// <param name="Faults">What is missing, damaged or altered, in sentences; none when it is whole.</param>
public sealed record SnapshotVerdict(IReadOnlyList<string> Faults);
