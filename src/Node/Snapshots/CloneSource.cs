using Gantry.Contracts;

namespace Gantry.Node.Snapshots;

/// <summary>What a clone is made of.</summary>
/// <param name="Sha256">Of the snapshot's record; null where nobody knows.</param>
/// <param name="Linked">The clone's disks keep only what differs.</param>
/// <param name="CopyTpm">The clone's TPM remembers what the one in the snapshot does; else it is a new one.</param>
public sealed record CloneSource(Id<Instance> Instance, Id<Snapshot> Snapshot, string? Sha256, bool Linked, bool CopyTpm);
