using Gantry.Contracts;
using Gantry.Node;
using Gantry.Node.Host;
using Gantry.Node.Images;
using Gantry.Node.Instances;

namespace Gantry.Daemon.Instances;

/// <summary>From what was asked for to what the node is told: all that was left out filled in, and checked on the node.</summary>
internal sealed class InstancePlan(InstanceLayers layers, InstanceStore store, LocalNode node, MachinePlan machines, NicPlan nicPlan)
{
    private const int MostDefaultCpus = 64;

    // A guest with room for more memory sets 64 MiB aside for devices that cannot reach it: too much of a small one's.
    private const long LeastMemoryWithRoom = 1024 * Limits.MiB;

    public HostFacts Host => node.Host;

    /// <exception cref="Refusal">The template or image is unknown or not ready, a file is missing, the driver cannot run it here.</exception>
    public async Task<InstanceCreation.Input> ResolveAsync(CreateInstance asked, CancellationToken ct) =>
        await PlanAsync(asked, await layers.SettleAsync(asked, ct), ct);

    /// <summary>What <see cref="ResolveAsync"/> would come to, and where each value is from.</summary>
    public async Task<InstancePreview> PreviewAsync(CreateInstance asked, CancellationToken ct)
    {
        var settled = await layers.SettleAsync(asked, ct);
        var input = await PlanAsync(asked, settled, ct);
        if (await store.IsTakenAsync(asked.Name, ct))
        {
            throw InstanceErrors.NameTaken(asked.Name);
        }

        var shown = SettingsOf.Plan(input, settled.Image?.Name);
        SettingsLayer[] rest =
        [
            .. settled.Image is { } image ? (SettingsLayer[])[new($"image {image.Name}", new() { Volumes = SettingsOf.VolumesOf(image, shown, settled.Files) })] : [],
            new("default", shown),
        ];
        return new(asked.Name, shown, SettingsLayers.Resolve([.. CloudInitPasswords.Shown(settled.Layers), .. rest]).Origins, asked.Template);
    }

    private async Task<InstanceCreation.Input> PlanAsync(CreateInstance asked, SettledRequest settled, CancellationToken ct)
    {
        var (wanted, image, files) = (settled.Settings, settled.Image, settled.Files);
        var boot = wanted.Boot!;
        var id = Id<Instance>.New();
        var volumes = MachinePlan.WithRoot(wanted.Volumes, files?.DiskBytes is null ? null : image);
        var volumeSpecs = await machines.ResolveAsync(volumes, ct);
        var (kind, cpus, memory) = (wanted.Kind!.Value, wanted.Cpus!.Value, wanted.MemoryBytes!.Value);
        var nics = await nicPlan.ResolveAsync(wanted.Nics, kind, id, ct);
        var spec = new InstanceSpec(
            id, asked.Name, kind, wanted.Driver!, cpus, memory, boot.Firmware!.Value,
            boot.Kernel ?? (files?.Has("kernel") == true ? ImageFolders.Kernel(node.Context.Root, image!.Id) : null),
            boot.Initrd ?? (boot.Kernel is null && files?.Has("initrd") == true ? ImageFolders.Initrd(node.Context.Root, image!.Id) : null),
            Join(files?.CommandLine, boot.CommandLine),
            Uid: 0)
        {
            MaxCpus = kind != InstanceKind.Vm ? null : wanted.MaxCpus ?? DefaultMaxCpus(cpus, wanted.Cpu, Host),
            MaxMemoryBytes = kind != InstanceKind.Vm ? null : wanted.MaxMemoryBytes ?? DefaultMaxMemory(memory, Host),
            Architecture = wanted.Architecture,
            Cpu = wanted.Cpu,
            Memory = wanted.Memory,
            Volumes = volumeSpecs,
            Nics = nics.Kept,
            BootOrder = boot.Order,
            SecureBoot = wanted.Security?.SecureBoot == true,
            Tpm = wanted.Security?.Tpm == true,
            Clock = wanted.Clock,
            Windows = wanted.Windows,
            CloudInit = wanted.CloudInit is { } cloudInit ? new(cloudInit, 1) : null,
        };
        CloudInitApi.DemandNics(wanted.CloudInit, asked.Name, nics.Shown);
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
            Nics = nics.Shown,
            Security = wanted.Security,
            Clock = spec.Clock,
            Windows = spec.Windows,
        };
        return new(
            spec,
            new(image?.Id, wanted.Description, wanted.Labels ?? new Dictionary<string, string>(), boot, wanted.AutoStart == true, machine),
            asked.StartNow);
    }

    /// <summary>Who lays the CPUs out in sockets says by that how many there can be.</summary>
    public static int DefaultMaxCpus(int cpus, CpuOptions? cpu, HostFacts host) =>
        cpu is { Sockets: null, Cores: null, Threads: null } or null ? Math.Max(cpus, Math.Min(host.Cpus, MostDefaultCpus)) : cpus;

    /// <summary>Twice as much, where the node has it.</summary>
    public static long DefaultMaxMemory(long memory, HostFacts host) =>
        memory < LeastMemoryWithRoom ? memory : Math.Max(memory, Math.Min(2 * memory, host.MemoryBytes / Limits.MiB * Limits.MiB));

    private static string? Join(string? first, string? second) =>
        string.Join(' ', new[] { first, second }.Where(part => !string.IsNullOrWhiteSpace(part))) is { Length: > 0 } text ? text : null;
}
