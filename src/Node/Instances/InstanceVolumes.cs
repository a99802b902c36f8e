using Gantry.Contracts;
using Gantry.Node.Images;
using Gantry.Node.Pools;

namespace Gantry.Node.Instances;

/// <summary>The disks of an instance's volumes in their pools, and what its folder keeps beside them. Each is there whole or not at all.</summary>
internal sealed class InstanceVolumes(GantryRoot root, NodePools pools, GeneratedDiscs discs)
{
    /// <summary>What the firmware remembers: boot entries, keys.</summary>
    public static string NvramOf(GantryRoot root, Id<Instance> id) => $"{root.Instances}/{id}/nvram";

    /// <summary>The folder of its TPM's state.</summary>
    public static string TpmOf(GantryRoot root, Id<Instance> id) => $"{root.Instances}/{id}/tpm";

    /// <summary>Makes those disks that are not there yet; what is there is kept. Discs of Gantry's own are made to say what they should.</summary>
    /// <exception cref="Refusal"><c>pool.*</c></exception>
    public async Task EnsureAsync(InstanceSpec spec, CancellationToken ct)
    {
        await TakeOverAsync(spec, ct);
        foreach (var volume in Disks(spec))
        {
            await pools.Of(volume.Pool).CreateAsync(new($"{spec.Id}", volume.Name), volume.SizeBytes, ImageOf(volume), ct);
        }

        discs.Ensure(spec);
    }

    /// <summary>Makes the disc for cloud-init say what it should.</summary>
    public void EnsureSeed(InstanceSpec spec) => discs.EnsureSeed(spec);

    /// <summary>Disks that Gantry kept in the instance's folder, before there were pools, go to the pool beside the instances. A guest that has them open does not notice.</summary>
    public async Task TakeOverAsync(InstanceSpec spec, CancellationToken ct)
    {
        foreach (var volume in Disks(spec).Where(v => v.Pool is null))
        {
            if ($"{root.Instances}/{spec.Id}/volumes/{volume.Name}.qcow2" is var file && File.Exists(file))
            {
                await pools.Local.AdoptAsync(new($"{spec.Id}", volume.Name), file, ImageOf(volume), ct);
            }
        }
    }

    /// <summary>Removes its disks from every pool it has some in.</summary>
    /// <exception cref="Refusal"><c>volume.in_use</c>, <c>pool.*</c></exception>
    public async Task RemoveAsync(Id<Instance> id, InstanceSpec? spec, CancellationToken ct)
    {
        foreach (var pool in Disks(spec).Select(v => v.Pool).Append(null).Distinct())
        {
            await pools.Of(pool).DeleteOwnerAsync($"{id}", ct);
        }
    }

    public static IEnumerable<VolumeSpec> Disks(InstanceSpec? spec) => (spec?.Volumes ?? []).Where(v => v.Device == VolumeDevice.Disk);

    private string? ImageOf(VolumeSpec volume) => volume.Image is { } image ? ImageFolders.Disk(root, image) : null;
}
