using Gantry.Contracts;

namespace Gantry.Daemon.Pools;

/// <summary>A volume that belongs to no instance, as it is kept.</summary>
/// <param name="Pool">Null for the one beside the node's instances.</param>
/// <param name="Instance">That it is on its way to or from, by name.</param>
internal sealed record StoredVolume(
    Id<PoolVolume> Id, Id<Pool>? Pool, string Name, string? Description, long SizeBytes, Id<Image>? Image, string? ImageName, PoolVolumeState State, string? Instance,
    DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt, long Version)
{
    public string Etag => $"\"{Version}\"";

    public PoolVolume ToWire(string pool) => new()
    {
        Id = Id,
        Name = Name,
        Pool = pool,
        SizeBytes = SizeBytes,
        Image = ImageName,
        Description = Description,
        State = State,
        Instance = Instance,
        CreatedAt = CreatedAt,
        UpdatedAt = UpdatedAt,
        Etag = Etag,
    };
}
