using Gantry.Contracts;

namespace Gantry.Node.Snapshots;

/// <summary>How a snapshot is to be taken.</summary>
/// <param name="Memory">With the guest's memory; of one that runs or is paused.</param>
/// <param name="Quiesce">Whether its guest is asked to come to rest first. One with memory needs no rest.</param>
public sealed record SnapshotWish(bool Memory = false, SnapshotQuiesce Quiesce = SnapshotQuiesce.Auto)
{
    public static SnapshotWish Default { get; } = new();
}
