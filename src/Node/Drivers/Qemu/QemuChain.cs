using System.Text.Json.Nodes;
using Gantry.Contracts;
using Gantry.Node.Images;
using Gantry.Node.Instances;
using Gantry.Node.Pools;
using DiskFormat = Gantry.Node.Pools.DiskFormat;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>
/// The block nodes of a volume (https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html, BlockdevOptions): its layers, and over them a
/// filter of the volume's own name that holds what passes to its limits, so that these can change while it is used.
/// </summary>
/// <param name="Layers">The one that is written to first, what lies under it after it; none for a drive without a disc.</param>
internal sealed record QemuChain(VolumeSpec Volume, IReadOnlyList<QemuLayer> Layers)
{
    public bool HasMedium => Layers.Count > 0;

    /// <summary>QEMU reaches some of it by the node's network.</summary>
    public bool IsNetworked => Layers.Any(l => l.Rbd is not null);

    public static string GroupOf(string volume) => $"limit.{volume}";

    /// <param name="disk">As its pool says it is to be opened.</param>
    public static QemuChain OfDisk(VolumeSpec volume, Disk disk) => new(
        volume, [.. disk.Layers.Select((layer, place) => new QemuLayer(QemuLayer.NodeOf(volume.Name, layer.Path), layer.Path, layer.Format, place == 0 && !volume.ReadOnly, volume.Cache) { Rbd = layer.Rbd })]);

    /// <summary>Of a disc drive, or of a disc that a guest sees as a disk. Its layer is named by its file, so that another disc is another layer.</summary>
    public static QemuChain OfDisc(VolumeSpec volume, InstanceSpec spec, GantryRoot root) => new(volume, volume switch
    {
        { Path: { } path } => [Disc(volume, path, DiskFormat.Raw)],
        { Generated: GeneratedDisc.CloudInit } when spec.CloudInit is null => [],
        { Generated: { } generated } => [Disc(volume, GeneratedDiscs.PathOf(root, spec.Id, generated), DiskFormat.Raw)],
        { Image: { } image } => [Disc(volume, ImageFolders.Disk(root, image), DiskFormat.Qcow2)],
        _ => [],
    });

    /// <summary>For <c>object-add</c>.</summary>
    public JsonObject GroupToAdd() => new() { ["qom-type"] = "throttle-group", ["id"] = GroupOf(Volume.Name), ["limits"] = Limits() };

    /// <summary>For <c>blockdev-add</c>, once its layers are there.</summary>
    public JsonObject FilterToAdd() => new()
    {
        ["driver"] = "throttle",
        ["node-name"] = Volume.Name,
        ["read-only"] = !Layers[0].Writable,
        ["throttle-group"] = GroupOf(Volume.Name),
        ["file"] = Layers[0].Node,
    };

    /// <summary>For <c>blockdev-add</c>, the lowest first.</summary>
    public IEnumerable<(QemuLayer Layer, JsonObject ToAdd)> LayersToAdd() => Layers.Index().Reverse().Select(l => (l.Item, l.Item.ToAdd(l.Index + 1 < Layers.Count ? Layers[l.Index + 1].Node : null)));

    /// <summary>All four of them: 0 takes away one that was there.</summary>
    public JsonObject Limits() => new()
    {
        ["bps-read"] = Volume.Limits?.ReadBytesPerSecond ?? 0,
        ["bps-write"] = Volume.Limits?.WriteBytesPerSecond ?? 0,
        ["iops-read"] = Volume.Limits?.ReadOperationsPerSecond ?? 0,
        ["iops-write"] = Volume.Limits?.WriteOperationsPerSecond ?? 0,
    };

    private static QemuLayer Disc(VolumeSpec volume, string path, DiskFormat format) => new(
        QemuLayer.NodeOf(volume.Name, path), path, format, Writable: false, VolumeCache.Writeback);
}
