using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Daemon.Instances;

/// <summary>The settings that a planned or present instance amounts to, for another to be made with.</summary>
internal static class SettingsOf
{
    /// <summary>Without the addresses that were made of its id.</summary>
    public static InstanceSettings Plan(InstanceCreation.Input input, string? image) => From(input.Details.Machine!) with
    {
        Kind = input.Spec.Kind,
        Driver = input.Spec.Driver,
        Image = image,
        Cpus = input.Spec.Cpus,
        MemoryBytes = input.Spec.MemoryBytes,
        MaxCpus = input.Spec.MaxCpus,
        MaxMemoryBytes = input.Spec.MaxMemoryBytes,
        Description = input.Details.Description,
        Labels = input.Details.Labels,
        Boot = input.Details.Boot,
        AutoStart = input.Details.AutoStart,
        CloudInit = CloudInitPasswords.Shown(input.Spec.CloudInit?.Settings),
        Nics = input.Details.Machine!.Nics is not { } nics ? null : [.. nics.Select(n => n.Mac == MachinePlan.MacOf(input.Spec.Id, n.Name) ? n with { Mac = null } : n)],
    };

    /// <summary>Without what is its own: addresses of its NICs, the name of its Windows and its host name, room to grow that nobody asked for.</summary>
    /// <param name="cloudInit">Its own, with the hashes of passwords.</param>
    public static InstanceSettings Instance(Instance instance, CloudInit? cloudInit, HostFacts host) => From(instance) with
    {
        Kind = instance.Kind,
        Driver = instance.Driver,
        Image = instance.Image,
        Cpus = instance.Cpus,
        MemoryBytes = instance.MemoryBytes,
        MaxCpus = instance.MaxCpus == InstancePlan.DefaultMaxCpus(instance.Cpus, instance.Cpu, host) ? null : instance.MaxCpus,
        MaxMemoryBytes = instance.MaxMemoryBytes == InstancePlan.DefaultMaxMemory(instance.MemoryBytes, host) ? null : instance.MaxMemoryBytes,
        Description = instance.Description,
        Labels = instance.Labels,
        Boot = instance.Boot,
        AutoStart = instance.AutoStart,
        Nics = instance.Nics is null ? null : [.. instance.Nics.Select(n => n with { Mac = null, Address = null, Address6 = null })],
        Windows = instance.Windows is { } windows ? windows with { ComputerName = null } : null,
        CloudInit = cloudInit is null ? null : cloudInit with { Hostname = null, Fqdn = null, Nics = null, NetworkConfig = null },
    };

    /// <summary>What of the volumes comes from the image: the disk it brings along, where nobody named that, and its size.</summary>
    public static IReadOnlyList<Volume> VolumesOf(Image image, InstanceSettings shown, ImageFiles? files) =>
    [
        .. (shown.Volumes ?? []).Where(v => v.Image == image.Name && v.Device == VolumeDevice.Disk)
            .Select(v => new Volume { Name = v.Name, Image = v.Image, SizeBytes = files?.DiskBytes }),
    ];

    /// <summary>Drives for discs were once shown with a cache, which they do not take.</summary>
    private static InstanceSettings From(Machine machine) => new()
    {
        Architecture = machine.Architecture,
        Cpu = machine.Cpu,
        Memory = machine.Memory,
        Volumes = machine.Volumes is null ? null : [.. machine.Volumes.Select(v => v.Device == VolumeDevice.Cdrom ? v with { Cache = null } : v)],
        Nics = machine.Nics,
        Security = machine.Security,
        Clock = machine.Clock,
        Windows = machine.Windows,
    };
}
