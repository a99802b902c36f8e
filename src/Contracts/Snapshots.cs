namespace Gantry.Contracts;

/// <summary>An instance as it was at one instant: its disks, what its firmware and its TPM remembered, and its specification.</summary>
public sealed record Snapshot
{
    public required Id<Snapshot> Id { get; init; }

    /// <summary>1 to 80 of a-z, 0-9, '-' and '_'; once in an instance.</summary>
    public required string Name { get; init; }
    public string? Description { get; init; }
    public required Id<Instance> Instance { get; init; }

    /// <summary>Of the instance; told in the list of all.</summary>
    public string? InstanceName { get; init; }

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

    /// <summary>What would be free without it; null when its pools could not be asked. In the list of all: as it was measured last.</summary>
    public long? SizeBytes { get; init; }

    /// <summary>It is not deleted, by nobody, until this is lifted.</summary>
    public bool Protected { get; init; }

    /// <summary>Likewise until then.</summary>
    public DateTimeOffset? KeepUntil { get; init; }

    /// <summary>When it was restored or cloned last; null when it never was.</summary>
    public DateTimeOffset? LastUsedAt { get; init; }

    /// <summary>The schedule whose run took it, which may be gone; null where somebody asked for it.</summary>
    public Id<Schedule>? Schedule { get; init; }
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
public sealed record ChangeSnapshot(string? Name = null, string? Description = null, bool? Protected = null, DateTimeOffset? KeepUntil = null);

/// <summary>The body of <c>POST /instances/{instance}/snapshots/{snapshot}/restore</c>.</summary>
/// <param name="Stop">A running instance is stopped first, as if by pulling the plug; without it one is refused.</param>
/// <param name="Start">It is started afterwards. One that has memory goes on from there anyway.</param>
/// <param name="NoMemory">Memory that is in the snapshot is left out: the instance is stopped then, or boots.</param>
/// <param name="Pause">It goes on from its memory only when it is resumed.</param>
public sealed record RestoreSnapshot(bool Stop = false, bool Start = false, bool NoMemory = false, bool Pause = false);

/// <summary>What an operation <c>snapshot.verify</c> answers with.</summary>
/// <param name="Faults">What is missing, damaged or altered, in sentences; none when it is whole.</param>
public sealed record SnapshotVerdict(IReadOnlyList<string> Faults);

/// <summary>What <c>GET /instances/{instance}/snapshots/tree</c> answers with.</summary>
/// <param name="Current">The name of the snapshot the instance, as it is now, came after; null when it came after none.</param>
/// <param name="Roots">Those that came after none, the first taken first.</param>
/// <param name="SizeBytes">What all of them would free; null when the pools could not be asked.</param>
public sealed record SnapshotTree(IReadOnlyList<SnapshotBranch> Roots, int Count, string? Current = null, long? SizeBytes = null);

/// <param name="After">What came after it, the first taken first.</param>
public sealed record SnapshotBranch(Snapshot Snapshot, IReadOnlyList<SnapshotBranch> After);

/// <summary>What <c>GET /snapshots/statistics</c> answers with.</summary>
/// <param name="Bytes">What each would free, as it was measured last, added up.</param>
/// <param name="Unmeasured">How many have not been measured yet.</param>
/// <param name="AverageBytes">Of those that were measured; null when none was.</param>
/// <param name="Instances">Those with the most bytes first, at most 100.</param>
/// <param name="Schedules">Likewise, by the schedule whose runs took them.</param>
public sealed record SnapshotStatistics(
    int Count, long Bytes, int Unmeasured, int Protected, SnapshotLevels Levels, IReadOnlyList<SnapshotShare> Instances, IReadOnlyList<SnapshotShare> Pools,
    IReadOnlyList<SnapshotShare> Schedules, long? AverageBytes = null, Snapshot? Oldest = null, Snapshot? Newest = null, Snapshot? Largest = null);

/// <summary>How many snapshots reached which level.</summary>
/// <param name="Stopped">Those of instances that did not run, which have none.</param>
public sealed record SnapshotLevels(int Application, int Filesystem, int Crash, int Stopped);

/// <summary>A part of all snapshots.</summary>
/// <param name="Name">Of the instance, pool or schedule; its id when it is gone.</param>
public sealed record SnapshotShare(string Name, int Count, long Bytes);
