using Gantry.Contracts;

namespace Gantry.Node.Pools;

/// <summary>What there is of a pool in LVM, at one moment.</summary>
/// <param name="Pool">The thin pool itself; null when there is none of its name.</param>
/// <param name="Volumes">This pool's.</param>
/// <param name="Others">How many volumes the thin pool has in all.</param>
/// <param name="Restores">Those that are not ended.</param>
internal sealed record LvmState(LvmThinPool? Pool, IReadOnlyList<LvmVolume> Volumes, int Others, IReadOnlyList<LvmRestore> Restores)
{
    public LvmVolume? DiskOf(DiskName disk) => Volumes.FirstOrDefault(v => v.IsDisk && v.Tag(LvmVolume.Making) is null && v.Disk == disk);

    public IEnumerable<LvmVolume> DisksOf(string owner) => Volumes.Where(v => v.IsDisk && v.Tag(LvmVolume.Making) is null && v.Owner == owner);

    /// <summary>The volumes of a snapshot, as long as it is one: from the last step of its making to the first of its end.</summary>
    public IReadOnlyList<LvmVolume> SnapshotOf(string owner, string snapshot) =>
        Volumes.Where(v => v.Owner == owner && v.Snapshot == snapshot).ToList() is var all && all.Any(v => v.Tag(LvmVolume.Whole) is not null) ? all : [];

    public IEnumerable<string> SnapshotsOf(string owner) => Volumes.Where(v => v.Owner == owner && v.Tag(LvmVolume.Whole) is not null).Select(v => v.Snapshot!).Distinct();

    /// <summary>What calls that broke off left of an owner.</summary>
    public IReadOnlyList<LvmVolume> LeftOf(string owner)
    {
        var whole = SnapshotsOf(owner).ToHashSet();
        return [.. Volumes.Where(v => v.Owner == owner && (v.Tag(LvmVolume.Making) is not null || (v.Snapshot is { } snapshot && !whole.Contains(snapshot))))];
    }
}

/// <param name="Mark">Which pool it is; null for none.</param>
/// <param name="Zeroes">A block is zeroed before it is handed out.</param>
/// <param name="DataPercent">How full it is; null while it is not active.</param>
/// <param name="MetadataPercent">How full the part is that says where everything lies.</param>
/// <param name="Health">A word when something is wrong (lvs(8), <c>lv_health_status</c>).</param>
/// <param name="FailsWhenFull">What is written to a full pool fails at once.</param>
internal sealed record LvmThinPool(bool IsThinPool, string? Mark, long SizeBytes, long ExtentBytes, bool Zeroes, double? DataPercent, double? MetadataPercent, string Health, bool FailsWhenFull)
{
    /// <summary>Volumes consist of whole extents.</summary>
    public long RoundUp(long bytes) => (bytes + ExtentBytes - 1) / ExtentBytes * ExtentBytes;
}

/// <param name="Path">Its device, while it is active.</param>
/// <param name="ThinId">Its number in the thin pool.</param>
/// <param name="Tags">Those of Gantry, without the prefix.</param>
internal sealed record LvmVolume(string Name, long SizeBytes, string Path, bool IsActive, string ThinId, IReadOnlyDictionary<string, string> Tags)
{
    public const string Prefix = "gantry.";

    /// <summary>Tags of what is not ready yet, of a snapshot that is, of which restore has made a disk, and of how many a snapshot has.</summary>
    public const string Making = "making", Whole = "whole", By = "by", Of = "of", Image = "image", Ready = "ready";

    public string? Owner => Tag("owner");

    public string? Snapshot => Tag("snapshot");

    public DiskName? Disk => Owner is { } owner && Tag("disk") is { } disk ? new(owner, disk) : null;

    public bool IsDisk => Disk is not null && Snapshot is null;

    public string? Tag(string key) => Tags.GetValueOrDefault(key);
}

/// <summary>A restore that was begun: a tag of the volume group, so that it is there at one instant and gone at one.</summary>
/// <param name="By">Once in a pool: what its new disks are marked with.</param>
internal sealed record LvmRestore(string Owner, string Snapshot, string By)
{
    public string TagIn(string pool) => $"{LvmVolume.Prefix}restoring={pool}/{Owner}/{Snapshot}/{By}";

    public static LvmRestore? TryParse(string pool, string tag) =>
        tag.StartsWith($"{LvmVolume.Prefix}restoring={pool}/", StringComparison.Ordinal) && tag.Split('/') is [_, var owner, var snapshot, var by]
            && Id<Snapshot>.TryParse(snapshot, null, out _) ? new(owner, snapshot, by) : null;
}
