using System.Text.Json;
using System.Text.Json.Serialization;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Pools;

/// <summary>What a layered pool has of one owner: the only truth about chains, written whole or not at all.</summary>
/// <param name="Disks">By name.</param>
internal sealed record OwnerRecord(IReadOnlyDictionary<string, DiskRecord> Disks)
{
    public const int Newest = 1;

    public static OwnerRecord Empty { get; } = new(new Dictionary<string, DiskRecord>());

    /// <summary>Raised when the meaning of a field changes; one newer than is known is refused.</summary>
    public int Version { get; init; } = Newest;

    public OwnerRecord With(string disk, DiskRecord record) => this with { Disks = new Dictionary<string, DiskRecord>(Disks) { [disk] = record } };

    public OwnerRecord Without(string disk) => Where(d => d.Key != disk);

    public OwnerRecord Where(Func<KeyValuePair<string, DiskRecord>, bool> isMeant) => this with { Disks = Disks.Where(isMeant).ToDictionary() };

    /// <returns>Empty when there is none.</returns>
    /// <exception cref="Refusal"><c>pool.damaged</c></exception>
    public static OwnerRecord Read(string path)
    {
        try
        {
            var record = JsonSerializer.Deserialize(File.ReadAllBytes(path), PoolJson.Default.OwnerRecord) ?? throw PoolErrors.Damaged(path, "it says null");
            return record.Version > Newest ? throw PoolErrors.Damaged(path, $"it was written by a newer Gantry (version {record.Version})") : record;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return Empty;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw PoolErrors.Damaged(path, e.Message);
        }
    }

    public void Write(string path) => AtomicFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(this, PoolJson.Default.OwnerRecord));
}

/// <param name="Base">What lies under the lowest layers; null for nothing.</param>
/// <param name="IsComing">It goes from one owner to another, and is there when its folder is.</param>
internal sealed record DiskRecord(
    DiskBase? Base, LayerTree Tree, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool IsComing = false);

/// <summary>An image's file, or a layer of another owner's disk.</summary>
internal sealed record DiskBase(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Image = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] BaseLayer? Layer = null);

internal sealed record BaseLayer(string Owner, string Disk, string Layer);
