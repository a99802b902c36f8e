using Gantry.Contracts;

namespace Gantry.Daemon.Instances;

/// <summary>What a clone stands on, or is being copied from.</summary>
/// <param name="Own">The snapshot was taken for this clone alone: it is in no list, and goes with the tie.</param>
/// <param name="Linked">It stands on it; else it is being copied from it.</param>
internal sealed record CloneTie(Id<Instance> Source, Id<Snapshot> Snapshot, bool Own, bool Linked);
