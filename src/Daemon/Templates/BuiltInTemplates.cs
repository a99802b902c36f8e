using Gantry.Contracts;
using Gantry.Daemon.Instances;

namespace Gantry.Daemon.Templates;

/// <param name="Base">Another one, whose settings it changes.</param>
internal sealed record BuiltInTemplate(Id<Template> Id, string Name, string Description, InstanceSettings Settings, string? Base = null, LeastSize? Least = null);

/// <summary>The templates that are part of Gantry.</summary>
internal static class BuiltInTemplates
{
    private const long GiB = 1L << 30;

    private static readonly Volume Root = new() { Name = MachinePlan.RootVolume };

    public static IReadOnlyDictionary<string, BuiltInTemplate> All { get; } = ((BuiltInTemplate[])
    [
        new(Of(1), "linux", "A Linux server: give it an image.", new()
        {
            Kind = InstanceKind.Vm,
            Cpus = 1,
            MemoryBytes = GiB,
            Nics = [new() { Name = "eth0", Model = NicModel.Virtio }],
        }),
        new(Of(2), "linux-microvm", "A small Linux that starts at once: give it an image with a kernel.", new()
        {
            Kind = InstanceKind.Microvm,
            Cpus = 1,
            MemoryBytes = 128 * Limits.MiB,
            Boot = new() { Firmware = Firmware.Direct },
            Nics = [new() { Name = "eth0", Model = NicModel.Virtio }],
        }),
        new(Of(3), "windows", "Windows 10, 11 or Server, installed from its medium; disk and network card as its setup knows them.", new()
        {
            Kind = InstanceKind.Vm,
            Architecture = Architecture.X86_64,
            Cpus = 2,
            MemoryBytes = 4 * GiB,
            Cpu = new() { HyperV = true },
            Boot = new() { Firmware = Firmware.Uefi, Order = ["install", Root.Name] },
            Security = new() { SecureBoot = true, Tpm = true },
            Clock = ClockBase.Localtime,
            Volumes =
            [
                Root with { SizeBytes = 64 * GiB, Bus = VolumeBus.Sata },
                Drive("install"), Drive("drivers"), Drive("answers") with { Generated = GeneratedDisc.WindowsAnswers },
            ],
            Nics = [new() { Name = "eth0", Model = NicModel.E1000e }],
            Windows = new(),
        }, Least: new(2, GiB)),
        new(Of(4), "windows-virtio", "As windows, faster: its setup needs the disc with the drivers.", new()
        {
            Volumes = [Root with { Bus = VolumeBus.Virtio }],
            Nics = [new() { Name = "eth0", Model = NicModel.Virtio }],
        }, Base: "windows"),
    ]).ToDictionary(t => t.Name);

    /// <summary>What it and those below it say, the strongest first; nothing for a name that is none of them.</summary>
    public static IEnumerable<SettingsLayer> Layers(string? name)
    {
        for (; name is not null && All.TryGetValue(name, out var template); name = template.Base)
        {
            yield return new($"built-in {name}", template.Settings, template.Least);
        }
    }

    private static Volume Drive(string name) => new() { Name = name, Device = VolumeDevice.Cdrom };

    private static Id<Template> Of(byte number) => new(new Guid(0x6761_6e74, 0x7279, 0x8000, 0x80, 0, 0, 0, 0, 0, 0, number));
}
