using System.Security.Cryptography;
using Gantry.Contracts;
using Gantry.Daemon.Images;
using Gantry.Daemon.Pools;
using Gantry.Node;
using Gantry.Node.Images;
using Gantry.Node.Instances;

namespace Gantry.Daemon.Instances;

/// <summary>A machine's volumes and NICs with all that was left out filled in: what the node makes of them is settled here, once.</summary>
internal sealed class MachinePlan(ImageStore images, PoolStore pools, LocalNode node)
{
    /// <summary>The disk an instance of an image with a disk has, whether it is named or not.</summary>
    public const string RootVolume = "root";

    /// <summary>With the disk of the instance's own image in the first place, unless it is named elsewhere.</summary>
    /// <param name="image">Null when it is made from none, or from one that has no disk.</param>
    public static IReadOnlyList<Volume> WithRoot(IReadOnlyList<Volume>? wanted, Image? image)
    {
        var volumes = wanted ?? [];
        return image is null || volumes.Any(v => v.Image == image.Name && v.Device != VolumeDevice.Cdrom) ? volumes
            : volumes.Any(v => v.Name == RootVolume) ? [.. volumes.Select(v => v.Name == RootVolume ? v with { Image = image.Name } : v)]
            : [new Volume { Name = RootVolume, Image = image.Name }, .. volumes];
    }

    /// <exception cref="Refusal"><c>image.unknown</c>, <c>image.not_ready</c>, <c>pool.unknown</c>, <c>volume.image_has_no_disk</c>, <c>volume.too_small</c></exception>
    public async Task<IReadOnlyList<VolumeSpec>> ResolveAsync(IReadOnlyList<Volume> volumes, CancellationToken ct)
    {
        var resolved = new List<VolumeSpec>();
        foreach (var volume in volumes)
        {
            var image = volume.Image is null ? null : await images.GetReadyAsync(volume.Image, ct);
            var pool = volume.Device == VolumeDevice.Cdrom ? null : await pools.GetReadyAsync(volume.Pool, ct);
            resolved.Add(Resolve(volume, image) with { Pool = pool?.OnNode });
        }

        return resolved;
    }

    /// <summary>As they are now, to be shown.</summary>
    public static IReadOnlyList<Volume> Shown(IReadOnlyList<Volume> wanted, IReadOnlyList<VolumeSpec> resolved) =>
    [
        .. wanted.Zip(resolved, (volume, spec) => volume with
        {
            Device = spec.Device,
            Pool = spec.Device == VolumeDevice.Cdrom ? null : volume.Pool ?? StoredPool.Local,
            SizeBytes = spec.Device == VolumeDevice.Cdrom ? null : spec.SizeBytes,
            Bus = spec.Bus,
            Cache = spec.Device == VolumeDevice.Cdrom ? null : spec.Cache,
            ReadOnly = spec.ReadOnly,
        }),
    ];

    /// <summary>The same for the same instance and name, for ever: systems hang licences and names of interfaces on it.</summary>
    internal static string MacOf(Id<Instance> id, string nic)
    {
        var hash = SHA256.HashData(System.Text.Encoding.UTF8.GetBytes($"{id}/{nic}"));
        return $"52:54:00:{hash[0]:x2}:{hash[1]:x2}:{hash[2]:x2}";
    }

    /// <summary>One that is there already, as an instance is to have it.</summary>
    public static VolumeSpec Attached(Volume wanted, StoredVolume volume) => SpecOf(wanted, volume.Image, volume.SizeBytes) with { Pool = volume.Pool };

    private VolumeSpec Resolve(Volume volume, Image? image) => SpecOf(volume, image?.Id, VolumeSize.Of(volume.Name, volume.SizeBytes, image, node));

    private static VolumeSpec SpecOf(Volume volume, Id<Image>? image, long sizeBytes)
    {
        var disc = volume.Device == VolumeDevice.Cdrom;
        return new(
            volume.Name, volume.Device ?? VolumeDevice.Disk, image, volume.Path,
            disc ? 0 : sizeBytes,
            volume.Bus ?? (disc ? VolumeBus.Sata : VolumeBus.Virtio),
            volume.Cache ?? VolumeCache.Writeback,
            disc || volume.ReadOnly == true,
            volume.Limits,
            volume.Generated);
    }
}
