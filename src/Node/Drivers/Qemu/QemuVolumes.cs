using System.Globalization;
using System.Text.Json.Nodes;
using Gantry.Contracts;
using Gantry.Node.Images;
using Gantry.Node.Instances;
using Gantry.Node.Pools;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>
/// The block nodes and devices of an instance's volumes. Formats are always given, never probed, and what a header says of
/// other files is never followed: the whole chain stands on the command line
/// (https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html, BlockdevOptions).
/// </summary>
/// <param name="disks">Those of its volumes that are disks, by the volumes' names.</param>
internal sealed class QemuVolumes(InstanceSpec spec, QemuPlatform platform, GantryRoot root, QemuFiles files, IReadOnlyDictionary<string, Disk> disks)
{
    private const string Scsi = "scsi";
    private const string Sata = "sata";

    private readonly IReadOnlyList<VolumeSpec> _volumes = spec.Volumes ?? [];
    private readonly IReadOnlyList<string> _order = spec.BootOrder ?? [.. (spec.Volumes ?? []).Select(v => v.Name)];

    /// <summary>From 1; null for what is not booted from.</summary>
    public int? BootIndex(string name) => _order.Index().Where(o => o.Item == name).Select(o => (int?)o.Index + 1).FirstOrDefault();

    public IEnumerable<string> Compose()
    {
        foreach (var (bus, controller) in ((VolumeBus, string)[])[(VolumeBus.Scsi, $"virtio-scsi-{platform.Transport},id={Scsi}"), (VolumeBus.Sata, $"ahci,id={Sata}")])
        {
            if (_volumes.Any(v => v.Bus == bus))
            {
                yield return "-device";
                yield return controller;
            }
        }

        var port = 0;
        foreach (var volume in _volumes)
        {
            if (volume.Limits is { } limits)
            {
                yield return "-object";
                yield return new JsonObject { ["qom-type"] = "throttle-group", ["id"] = $"limit.{volume.Name}", ["limits"] = Limits(limits) }.ToJsonString();
            }

            if (HasMedium(volume))
            {
                yield return "-blockdev";
                yield return (volume.Limits is null ? Node(volume, volume.Name) : new JsonObject
                {
                    ["driver"] = "throttle",
                    ["node-name"] = volume.Name,
                    ["throttle-group"] = $"limit.{volume.Name}",
                    ["file"] = Node(volume, $"{volume.Name}.disk"),
                }).ToJsonString();
            }

            yield return "-device";
            yield return Device(volume, volume.Bus == VolumeBus.Sata ? port++ : 0);
        }
    }

    public static string DeviceId(string volume) => $"volume.{volume}";

    /// <summary>An empty drive for discs has none.</summary>
    private static bool HasMedium(VolumeSpec volume) => volume.Device == VolumeDevice.Disk || (volume.Image ?? (object?)volume.Path ?? volume.Generated) is not null;

    private JsonObject Node(VolumeSpec volume, string name) => volume switch
    {
        { Device: VolumeDevice.Cdrom, Path: { } path } => Disc(volume, path, name),
        { Device: VolumeDevice.Cdrom, Generated: { } generated } => Disc(volume, GeneratedDiscs.PathOf(root, spec.Id, generated), name),
        { Device: VolumeDevice.Cdrom, Image: { } image } => Image(image, name),
        _ => Layer(volume, disks[volume.Name].Layers, 0, name),
    };

    /// <summary>One layer and all under it.</summary>
    private JsonObject Layer(VolumeSpec volume, IReadOnlyList<DiskLayer> layers, int at, string name)
    {
        var (layer, isTop) = (layers[at], at == 0);
        var node = new JsonObject
        {
            ["driver"] = layer.Format == Pools.DiskFormat.Raw ? "raw" : "qcow2",
            ["node-name"] = name,
            ["read-only"] = !isTop || volume.ReadOnly,
        };
        if (isTop)
        {
            node["discard"] = "unmap";
            node["detect-zeroes"] = "unmap";
            node["cache"] = new JsonObject { ["direct"] = volume.Cache == VolumeCache.None, ["no-flush"] = false };
        }

        node["file"] = File(layer.Path, isTop && !volume.ReadOnly, isTop ? $"{volume.Name}.file" : $"{name}.file");
        if (layer.Format == Pools.DiskFormat.Qcow2)
        {
            node["backing"] = at + 1 < layers.Count ? Layer(volume, layers, at + 1, $"{volume.Name}.{layers[at + 1].Name}") : null;
        }

        return node;
    }

    private JsonObject Disc(VolumeSpec volume, string path, string name) => new()
    {
        ["driver"] = "raw",
        ["node-name"] = name,
        ["read-only"] = true,
        ["file"] = File(path, writable: false, $"{volume.Name}.file"),
    };

    private JsonObject Image(Id<Image> image, string name) => new()
    {
        ["driver"] = "qcow2",
        ["node-name"] = name,
        ["read-only"] = true,
        ["file"] = File(ImageFolders.Disk(root, image), writable: false, $"{name}.file"),
        ["backing"] = null,
    };

    private JsonObject File(string path, bool writable, string name) => new()
    {
        ["driver"] = "file",
        ["node-name"] = name,
        ["filename"] = files.AsSet(path, writable),
        ["read-only"] = !writable,
    };

    /// <summary>A guest is halted rather than told that its disk is broken: what is full or away may come back.</summary>
    private string Device(VolumeSpec volume, int port)
    {
        var options = new List<string?>
        {
            (volume.Bus, volume.Device) switch
            {
                (VolumeBus.Virtio, _) => $"virtio-blk-{platform.Transport}",
                (VolumeBus.Scsi, VolumeDevice.Disk) => $"scsi-hd,bus={Scsi}.0",
                (VolumeBus.Scsi, _) => $"scsi-cd,bus={Scsi}.0",
                (VolumeBus.Sata, VolumeDevice.Disk) => Number($"ide-hd,bus={Sata}.{port}"),
                (VolumeBus.Sata, _) => Number($"ide-cd,bus={Sata}.{port}"),
                _ => "nvme",
            },
            $"id={DeviceId(volume.Name)}",
            HasMedium(volume) ? $"drive={volume.Name}" : null,
            $"serial={volume.Name}",
            BootIndex(volume.Name) is { } index && HasMedium(volume) ? Number($"bootindex={index}") : null,
            volume.Device == VolumeDevice.Cdrom ? null : $"write-cache={(volume.Cache == VolumeCache.Writethrough ? "off" : "on")}",
            volume.Bus == VolumeBus.Nvme || volume.Device == VolumeDevice.Cdrom ? null : "werror=stop,rerror=stop",
        };
        return string.Join(',', options.OfType<string>());
    }

    private static JsonObject Limits(VolumeLimits limits)
    {
        var all = new JsonObject();
        foreach (var (name, value) in ((string, long?)[])
            [("bps-read", limits.ReadBytesPerSecond), ("bps-write", limits.WriteBytesPerSecond), ("iops-read", limits.ReadOperationsPerSecond), ("iops-write", limits.WriteOperationsPerSecond)])
        {
            if (value is { } most)
            {
                all[name] = most;
            }
        }

        return all;
    }

    private static string Number(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
