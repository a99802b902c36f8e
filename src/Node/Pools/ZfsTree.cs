namespace Gantry.Node.Pools;

/// <summary>What stands on what in a pool of ZFS.</summary>
/// <param name="lines">Of <c>zfs list -o name,origin,defer_destroy</c>; the snapshots of a data set in the order they were made.</param>
internal sealed class ZfsTree(string source, IReadOnlyList<string[]> lines)
{
    public IReadOnlyList<ZfsSet> Sets { get; } = [.. lines.Where(l => !l[0].Contains('@', StringComparison.Ordinal)).Select(l => new ZfsSet(l[0], l[1]))];

    public IReadOnlyList<ZfsSnapshot> Snapshots { get; } =
        [.. lines.Select(l => (Name: l[0].Split('@'), Going: l[2])).Where(l => l.Name.Length == 2).Select(l => new ZfsSnapshot(l.Name[0], l.Name[1], l.Going is "on" or "yes"))];

    public IReadOnlyList<ZfsSnapshot> SnapshotsOf(string set) => [.. Snapshots.Where(s => s.Set == set)];

    /// <summary>The owner's own, its disks and their branches.</summary>
    public bool IsOf(string set, string owner) => set == $"{source}/{owner}" || DiskOf(set)?.Owner == owner;

    /// <summary>Which data set has a disk's snapshot: the disk's own, or a branch of it.</summary>
    public string? Holding(string owner, string disk, string snapshot) =>
        Snapshots.FirstOrDefault(s => s.Name == snapshot && DiskOf(s.Set) == new DiskName(owner, disk))?.Set;

    /// <summary>The disks that are clones of snapshots of a disk, as <c>owner/disk</c>.</summary>
    /// <param name="isTie">Told the disk with the snapshot, the snapshot's name, and the clone.</param>
    public IEnumerable<DiskName> Ties(Func<DiskName, string, DiskName, bool> isTie) =>
        from set in Sets
        where set.Origin.Contains('@', StringComparison.Ordinal)
        let origin = set.Origin.Split('@')
        let parent = DiskOf(origin[0])
        let clone = DiskOf(set.Name)
        where parent is not null && clone is not null && parent != clone && isTie(parent.Value, origin[1], clone.Value)
        select clone.Value;

    /// <summary>Whose data set it is, or branch; null for what is no disk's.</summary>
    public DiskName? DiskOf(string set) => set.StartsWith($"{source}/", StringComparison.Ordinal) ? set[(source.Length + 1)..].Split('/') switch
    {
        ["gantry-branches", var branch] when branch.Split('.') is [var owner, var disk, _] => new DiskName(owner, disk),
        [var owner, var disk] when !owner.StartsWith("gantry-", StringComparison.Ordinal) => new DiskName(owner, disk),
        _ => null,
    } : null;
}

/// <param name="Origin">The snapshot it is a clone of; <c>-</c> for none.</param>
internal sealed record ZfsSet(string Name, string Origin);

/// <param name="IsGoing">It is destroyed already, and there until what stands on it is.</param>
internal sealed record ZfsSnapshot(string Set, string Name, bool IsGoing);
