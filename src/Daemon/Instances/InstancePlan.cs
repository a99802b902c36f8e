using Gantry.Contracts;
using Gantry.Daemon.Config;
using Gantry.Daemon.Images;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Gantry.Node.Host;
using Gantry.Node.Images;
using Gantry.Node.Instances;

namespace Gantry.Daemon.Instances;

/// <summary>From what was asked for to what the node is told: the image's and the configured defaults filled in, and checked on the node.</summary>
internal sealed class InstancePlan(ImageStore images, LocalNode node, MachinePlan machines, GantryConfig config)
{
    private const long DefaultVmMemory = 512 * Limits.MiB;
    private const long DefaultMicrovmMemory = 128 * Limits.MiB;
    private const int MostDefaultCpus = 64;

    // A guest with room for more memory sets 64 MiB aside for devices that cannot reach it: too much of a small one's.
    private const long LeastMemoryWithRoom = 1024 * Limits.MiB;

    public HostFacts Host => node.Host;

    /// <exception cref="Refusal">The image is unknown or not ready, a file is missing, the driver cannot run it here.</exception>
    public async Task<InstanceCreation.Input> ResolveAsync(CreateInstance wanted, CancellationToken ct)
    {
        var boot = wanted.Boot ?? new Boot();
        var image = wanted.Image is null ? null : await images.GetReadyAsync(wanted.Image, ct);
        var files = image is null ? null : node.ImageFiles(image.Id);
        var kind = wanted.Kind ?? image?.DefaultKind ?? InstanceKind.Vm;
        var id = Id<Instance>.New();
        var volumes = MachinePlan.WithRoot(wanted.Volumes, files?.DiskBytes is null ? null : image);
        var volumeSpecs = await machines.ResolveAsync(volumes, ct);
        var firmware = boot.Firmware ?? (boot.Kernel is not null || kind != InstanceKind.Vm ? Firmware.Direct : files?.Firmware ?? Firmware.Bios);
        var cpus = wanted.Cpus ?? 1;
        var memory = wanted.MemoryBytes ?? (kind == InstanceKind.Vm ? DefaultVmMemory : DefaultMicrovmMemory);
        _ = new Body<CreateInstance>(wanted with { Kind = kind, Cpus = cpus, MemoryBytes = memory }).Checked(value => InstanceRules.Faults(value, Host));
        var spec = new InstanceSpec(
            id, wanted.Name, kind, wanted.Driver ?? config.DefaultDriver, cpus, memory,
            firmware,
            boot.Kernel ?? (files?.Has("kernel") == true ? ImageFolders.Kernel(node.Context.Root, image!.Id) : null),
            boot.Initrd ?? (boot.Kernel is null && files?.Has("initrd") == true ? ImageFolders.Initrd(node.Context.Root, image!.Id) : null),
            Join(files?.CommandLine, boot.CommandLine),
            Uid: 0)
        {
            // Who lays the CPUs out in sockets says by that how many there can be.
            MaxCpus = kind != InstanceKind.Vm ? null : wanted.MaxCpus ?? (wanted.Cpu is { Sockets: null, Cores: null, Threads: null } or null ? Math.Max(cpus, Math.Min(Host.Cpus, MostDefaultCpus)) : cpus),
            MaxMemoryBytes = kind != InstanceKind.Vm ? null : wanted.MaxMemoryBytes ?? (memory < LeastMemoryWithRoom ? memory : RoomFor(memory)),
            Architecture = wanted.Architecture ?? files?.Architecture ?? Host.Guest,
            Cpu = wanted.Cpu,
            Memory = wanted.Memory,
            Volumes = volumeSpecs,
            Nics = MachinePlan.Resolve(wanted.Nics, id),
            BootOrder = boot.Order,
            SecureBoot = wanted.Security?.SecureBoot == true,
            Tpm = wanted.Security?.Tpm == true,
        };
        if (spec.Kernel is null && (spec.Firmware == Firmware.Direct || volumes.Count == 0) && spec.Kind != InstanceKind.Container)
        {
            throw InstanceErrors.NothingToBoot(spec.Firmware);
        }

        await node.CheckAsync(spec, ct);
        var machine = new Machine
        {
            Architecture = spec.Architecture,
            Cpu = spec.Cpu,
            Memory = spec.Memory,
            Volumes = MachinePlan.Shown(volumes, volumeSpecs),
            Nics = spec.Nics,
            Security = wanted.Security,
        };
        return new(
            spec,
            new(image?.Id, wanted.Description, wanted.Labels ?? new Dictionary<string, string>(), boot with { Firmware = firmware }, wanted.AutoStart, machine),
            wanted.StartNow);
    }

    /// <summary>Twice as much, where the node has it.</summary>
    private long RoomFor(long memory) => Math.Max(memory, Math.Min(2 * memory, Host.MemoryBytes / Limits.MiB * Limits.MiB));

    private static string? Join(string? first, string? second) =>
        string.Join(' ', new[] { first, second }.Where(part => !string.IsNullOrWhiteSpace(part))) is { Length: > 0 } text ? text : null;
}
