using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Node.Pools;

/// <summary>
/// What a pool in Ceph has of one owner, in one object beside the images, which is written whole or not at all: what it does not name is
/// left over from something that broke off.
/// </summary>
/// <param name="Pool">The pool's id.</param>
/// <param name="Disks">The image of each, by name.</param>
/// <param name="Snapshots">The image of each disk that is in it, by the snapshot's id, which is what the image's own snapshot is called.</param>
internal sealed record CephRecord(string Pool, IReadOnlyDictionary<string, string> Disks, IReadOnlyDictionary<string, IReadOnlyDictionary<string, string>> Snapshots)
{
    public const int Newest = 1;

    /// <summary>Raised when the meaning of a field changes; one newer than is known is refused.</summary>
    public int Version { get; init; } = Newest;

    public bool IsEmpty => Disks.Count == 0 && Snapshots.Count == 0;

    /// <summary>Every image it needs.</summary>
    public IEnumerable<string> Images => Disks.Values.Concat(Snapshots.Values.SelectMany(s => s.Values)).Distinct();

    public static CephRecord Empty(string pool) => new(pool, new Dictionary<string, string>(), new Dictionary<string, IReadOnlyDictionary<string, string>>());

    public bool HasSnapshotOf(string disk) => Snapshots.Values.Any(s => s.ContainsKey(disk));

    public CephRecord With(string disk, string image) => this with { Disks = new Dictionary<string, string>(Disks) { [disk] = image } };

    public CephRecord Without(string disk) => this with { Disks = Disks.Where(d => d.Key != disk).ToDictionary() };

    public CephRecord With(Id<Snapshot> snapshot, IReadOnlyDictionary<string, string> images) =>
        this with { Snapshots = new Dictionary<string, IReadOnlyDictionary<string, string>>(Snapshots) { [$"{snapshot}"] = images } };

    public CephRecord Without(Id<Snapshot> snapshot) => this with { Snapshots = Snapshots.Where(s => s.Key != $"{snapshot}").ToDictionary() };

    /// <param name="place">Where it was found, for people.</param>
    /// <exception cref="Refusal"><c>pool.damaged</c></exception>
    public static CephRecord Parse(string text, string place)
    {
        try
        {
            var record = JsonSerializer.Deserialize(text, PoolJson.Default.CephRecord) ?? throw PoolErrors.Damaged(place, "it says null");
            return record.Version > Newest ? throw PoolErrors.Damaged(place, $"it was written by a newer Gantry (version {record.Version})") : record;
        }
        catch (JsonException e)
        {
            throw PoolErrors.Damaged(place, e.Message);
        }
    }

    public string Write() => JsonSerializer.Serialize(this, PoolJson.Default.CephRecord);
}
