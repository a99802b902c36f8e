using System.Globalization;
using System.Text.Json.Nodes;
using Gantry.Contracts;
using Gantry.Node.Instances;
using Gantry.Node.Networks;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>
/// What QEMU is told of NICs, at its start and later. In a VM with PCI Express each sits on a root port of its own, because only what
/// does can be pulled out again, and as many ports stand ready as it may have NICs.
/// </summary>
internal sealed class QemuNics(InstanceSpec spec, QemuPlatform platform)
{
    public const int Ports = Limits.Nics;

    // Out of the way of what QEMU places by itself, which begins with the lowest.
    private const string PortAddress = "1e";

    public static string Device(string nic) => $"nic.{nic}";

    public static string Netdev(string nic) => $"net.{nic}";

    public static string Port(int number) => Number($"plug.{number}");

    public IEnumerable<string> Compose(QemuVolumes volumes, QemuFiles files)
    {
        for (var port = 0; platform.HasPorts && port < Ports; port++)
        {
            yield return "-device";
            yield return Number($"pcie-root-port,id={Port(port)},bus=pcie.0,addr={PortAddress}.{port},multifunction=on,chassis={port + 1}");
        }

        foreach (var (number, nic) in NicSpec.WithPorts(spec.Nics ?? []).Index())
        {
            yield return "-netdev";
            yield return nic.Network is null
                ? Number($"hubport,id={Netdev(nic.Name)},hubid={number}")
                : Number($"tap,id={Netdev(nic.Name)},fd={files.Tap(NetworkNames.Tap(spec.Id, nic.Name))},vhost=off");
            var place = platform.HasPorts && nic.Port < Ports ? $",bus={Port(nic.Port.Value)}" : "";
            var boot = volumes.BootIndexOfNic(nic.Name) is { } index ? Number($",bootindex={index}") : platform.IsMicrovm ? "" : ",romfile=";
            yield return "-device";
            yield return $"{Model(nic)},id={Device(nic.Name)},netdev={Netdev(nic.Name)},mac={nic.Mac}{place}{boot}";
        }
    }

    /// <summary>For <c>netdev_add</c>.</summary>
    /// <param name="descriptor">The name it was handed over by; null for a NIC on no network.</param>
    public static JsonObject NetdevToAdd(NicSpec nic, string? descriptor) => descriptor is null
        ? new() { ["type"] = "hubport", ["id"] = Netdev(nic.Name), ["hubid"] = Limits.Nics + (nic.Port ?? 0) }
        : new() { ["type"] = "tap", ["id"] = Netdev(nic.Name), ["fd"] = descriptor, ["vhost"] = false };

    /// <summary>For <c>device_add</c>.</summary>
    public JsonObject DeviceToAdd(NicSpec nic, int? port)
    {
        var device = new JsonObject { ["driver"] = Model(nic), ["id"] = Device(nic.Name), ["netdev"] = Netdev(nic.Name), ["mac"] = nic.Mac, ["romfile"] = "" };
        if (port is { } number)
        {
            device["bus"] = Port(number);
        }

        return device;
    }

    private string Model(NicSpec nic) => nic.Model is null or NicModel.Virtio ? $"virtio-net-{platform.Transport}" : nic.Model.Value.ToString().ToLowerInvariant();

    private static string Number(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
