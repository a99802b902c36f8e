using Gantry.Contracts;
using Gantry.Node.Pools;

namespace Gantry.Node.Instances;

/// <summary>The disks of an instance, as their pools say they are to be opened.</summary>
internal sealed class InstanceDisks(NodeContext node)
{
    /// <summary>All of its disks, by the volume's name.</summary>
    /// <exception cref="Refusal"><c>volume.missing</c>, <c>volume.damaged</c>, <c>pool.unknown</c></exception>
    public async Task<IReadOnlyDictionary<string, Disk>> FindAsync(InstanceSpec spec, CancellationToken ct)
    {
        var disks = new Dictionary<string, Disk>();
        foreach (var volume in InstanceVolumes.Disks(spec))
        {
            disks[volume.Name] = await FindAsync(spec, volume, ct);
        }

        return disks;
    }

    public Task<Disk> FindAsync(InstanceSpec spec, VolumeSpec volume, CancellationToken ct) => PoolOf(volume).FindAsync(NameOf(spec.Id, volume.Name), ct);

    public IPool PoolOf(VolumeSpec volume) => node.Pools.Of(volume.Pool);

    /// <summary>Its disks are its own.</summary>
    public static DiskName NameOf(Id<Instance> id, string volume) => new(id.ToString(), volume);
}
