using Gantry.Contracts;

namespace Gantry.Node.Snapshots;

/// <summary>How a snapshot is to be taken.</summary>
/// <param name="Memory">With the guest's memory; of one that runs or is paused.</param>
/// <param name="IfAny">One that is stopped has none, and is no reason to refuse.</param>
/// <param name="Quiesce">Whether its guest is asked to come to rest first. One with memory needs no rest.</param>
public sealed record SnapshotWish(bool Memory = false, SnapshotQuiesce Quiesce = SnapshotQuiesce.Auto, bool IfAny = false)
{
    public static SnapshotWish Default { get; } = new();
}
