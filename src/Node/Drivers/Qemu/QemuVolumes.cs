using System.Globalization;
using System.Text.Json.Nodes;
using Gantry.Contracts;
using Gantry.Node.Images;
using Gantry.Node.Instances;
using Gantry.Node.Pools;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>
/// What QEMU is told of an instance's volumes, at its start and later. In a VM with PCI Express what is on virtio or nvme sits on a root port
/// of its own, because only what does can be pulled out again, and as many ports stand ready as it may have volumes.
/// </summary>
/// <param name="disks">As their pools say they are to be opened, by the volume's name.</param>
internal sealed class QemuVolumes(InstanceSpec spec, QemuPlatform platform, GantryRoot root, IReadOnlyDictionary<string, Disk> disks)
{
    public const int Ports = Limits.Volumes;
    public const string Scsi = "scsi";

    private const string Sata = "sata";
    private const string Seed = "gantry.seed"; // with a dot, which no volume's name has
    private const int SataPorts = 6;
    private const int FunctionsOfSlot = 8;

    // Below the ports of NICs, and out of the way of what QEMU places by itself, which begins with the lowest.
    private const int FirstPortSlot = 0x1c;

    private readonly IReadOnlyList<VolumeSpec> _volumes = VolumeSpec.WithPorts(WithSeed(spec));
    private readonly IReadOnlyList<string> _order = spec.BootOrder ?? [.. (spec.Volumes ?? []).Select(v => v.Name)];

    /// <summary>From 1; null for one that is not booted from. A name that a volume has too is the volume's.</summary>
    public int? BootIndexOfNic(string name) => _volumes.Any(v => v.Name == name) ? null : BootIndex(name);

    /// <summary>From 1; null for what is not booted from.</summary>
    private int? BootIndex(string name) => _order.Index().Where(o => o.Item == name).Select(o => (int?)o.Index + 1).FirstOrDefault();

    public IEnumerable<string> Compose(QemuFiles files)
    {
        foreach (var (bus, controller) in ((VolumeBus, string)[])[(VolumeBus.Scsi, $"virtio-scsi-{platform.Transport},id={Scsi}"), (VolumeBus.Sata, $"ahci,id={Sata}")])
        {
            if (_volumes.Any(v => v.Bus == bus))
            {
                yield return "-device";
                yield return controller;
            }
        }

        for (var port = 0; platform.HasPorts && port < Ports; port++)
        {
            // No room for I/O ports: there are too few of them for so many bridges, and what is plugged in here needs none.
            yield return "-device";
            yield return Number($"pcie-root-port,id={Port(port)},bus=pcie.0,addr={FirstPortSlot + (port / FunctionsOfSlot):x}.{port % FunctionsOfSlot},multifunction=on,chassis={QemuNics.Ports + port + 1},io-reserve=0");
        }

        foreach (var image in disks.Values.SelectMany(d => d.Layers).Select(l => l.Rbd).OfType<RbdImage>().DistinctBy(i => i.Secret))
        {
            yield return "-object";
            yield return new JsonObject { ["qom-type"] = "secret", ["id"] = image.Secret, ["format"] = "base64", ["file"] = files.AsPath(KeyPath(root, spec.Id, image)) }.ToJsonString();
        }

        foreach (var volume in _volumes)
        {
            var chain = ChainOf(volume);
            yield return "-object";
            yield return chain.GroupToAdd().ToJsonString();
            foreach (var (layer, node) in chain.LayersToAdd())
            {
                if (layer.Rbd is null)
                {
                    files.AddTo(layer);
                }

                yield return "-blockdev";
                yield return node.ToJsonString();
            }

            if (chain.HasMedium)
            {
                yield return "-blockdev";
                yield return chain.FilterToAdd().ToJsonString();
            }

            yield return "-device";
            yield return Line(Device(volume, chain.HasMedium, platform.HasPorts && IsOnPort(volume) && volume.Port < Ports ? volume.Port : null, BootIndex(volume.Name)));
        }
    }

    public QemuChain ChainOf(VolumeSpec volume) => volume is { Device: VolumeDevice.Disk, Generated: null } ? QemuChain.OfDisk(volume, disks[volume.Name]) : QemuChain.OfDisc(volume, spec, root);

    /// <summary>For <c>device_add</c>.</summary>
    /// <param name="port">The root port it goes on; null where it goes on none.</param>
    public JsonObject DeviceToAdd(VolumeSpec volume, int? port) => new(Device(volume, ChainOf(volume).HasMedium, port, null).Select(o => KeyValuePair.Create(o.Key, (JsonNode?)o.Value)));

    /// <summary>Where a key is for as long as QEMU is being started.</summary>
    public static string KeyPath(GantryRoot root, Id<Instance> id, RbdImage image) => $"{root.InstancesRun}/{id}/{image.Secret}";

    public static string DeviceId(string volume) => $"volume.{volume}";

    public static string Port(int number) => Number($"slot.{number}");

    public static bool IsOnPort(VolumeSpec volume) => volume.Bus is VolumeBus.Virtio or VolumeBus.Nvme;

    /// <summary>
    /// And the disc for cloud-init, where there is one and no drive of its own shows it. It is on the bus of the first disk, whose driver
    /// the guest has: Debian's cloud kernel knows no SATA, a microVM has none.
    /// </summary>
    private static IReadOnlyList<VolumeSpec> WithSeed(InstanceSpec spec)
    {
        var volumes = spec.Volumes ?? [];
        if (spec.CloudInit is null || volumes.Any(v => v.Generated == GeneratedDisc.CloudInit))
        {
            return volumes;
        }

        var bus = volumes.FirstOrDefault(v => v.Device == VolumeDevice.Disk)?.Bus switch
        {
            VolumeBus.Scsi => VolumeBus.Scsi,
            VolumeBus.Sata when volumes.Count(v => v.Bus == VolumeBus.Sata) < SataPorts => VolumeBus.Sata,
            _ => VolumeBus.Virtio,
        };
        var device = bus == VolumeBus.Virtio ? VolumeDevice.Disk : VolumeDevice.Cdrom;
        return [.. volumes, new(Seed, device, null, null, 0, bus, VolumeCache.Writeback, ReadOnly: true, Generated: GeneratedDisc.CloudInit)];
    }

    /// <summary>A guest is halted rather than told that its disk is broken: what is full or away may come back.</summary>
    private IEnumerable<(string Key, JsonValue Value)> Device(VolumeSpec volume, bool hasMedium, int? port, int? bootIndex)
    {
        var (driver, bus) = (volume.Bus, volume.Device) switch
        {
            (VolumeBus.Virtio, _) => ($"virtio-blk-{platform.Transport}", null),
            (VolumeBus.Scsi, VolumeDevice.Disk) => ("scsi-hd", $"{Scsi}.0"),
            (VolumeBus.Scsi, _) => ("scsi-cd", $"{Scsi}.0"),
            (VolumeBus.Sata, VolumeDevice.Disk) => ("ide-hd", Number($"{Sata}.{volume.Port}")),
            (VolumeBus.Sata, _) => ("ide-cd", Number($"{Sata}.{volume.Port}")),
            _ => ("nvme", null),
        };
        yield return ("driver", JsonValue.Create(driver));
        if ((port is { } number ? Port(number) : bus) is { } on)
        {
            yield return ("bus", JsonValue.Create(on));
        }

        if (volume is { Bus: VolumeBus.Scsi, Port: { } target })
        {
            yield return ("scsi-id", JsonValue.Create(target));
        }

        yield return ("id", JsonValue.Create(DeviceId(volume.Name)));
        if (hasMedium)
        {
            yield return ("drive", JsonValue.Create(volume.Name));
        }

        yield return ("serial", JsonValue.Create(volume.Name));
        if (bootIndex is { } index && hasMedium)
        {
            yield return ("bootindex", JsonValue.Create(index));
        }

        if (volume.Device == VolumeDevice.Cdrom)
        {
            yield break;
        }

        yield return ("write-cache", JsonValue.Create(volume.Cache == VolumeCache.Writethrough ? "off" : "on"));
        if (volume.Bus != VolumeBus.Nvme)
        {
            yield return ("werror", JsonValue.Create("stop"));
            yield return ("rerror", JsonValue.Create("stop"));
        }
    }

    private static string Line(IEnumerable<(string Key, JsonValue Value)> options) => string.Join(',', options.Select(o => o.Key == "driver" ? $"{o.Value}" : $"{o.Key}={o.Value}"));

    private static string Number(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
