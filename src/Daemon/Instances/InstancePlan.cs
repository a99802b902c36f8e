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
internal sealed class InstancePlan(ImageStore images, LocalNode node, GantryConfig config)
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
        if (boot.Firmware is { } firmware and not Firmware.Direct)
        {
            throw InstanceErrors.FirmwareLater(firmware);
        }

        var image = wanted.Image is null ? null : await images.GetReadyAsync(wanted.Image, ct);
        var files = image is null ? null : node.ImageFiles(image.Id);
        var kind = wanted.Kind ?? image?.DefaultKind ?? InstanceKind.Vm;
        var cpus = wanted.Cpus ?? 1;
        var memory = wanted.MemoryBytes ?? (kind == InstanceKind.Vm ? DefaultVmMemory : DefaultMicrovmMemory);
        _ = new Body<CreateInstance>(wanted with { Kind = kind, Cpus = cpus, MemoryBytes = memory }).Checked(value => InstanceRules.Faults(value, Host));
        var spec = new InstanceSpec(
            Id<Instance>.New(), wanted.Name, kind, wanted.Driver ?? config.DefaultDriver, cpus, memory,
            Firmware.Direct,
            boot.Kernel ?? (image is null ? null : ImageFolders.Kernel(node.Context.Root, image.Id)),
            boot.Initrd ?? (image is null || boot.Kernel is not null ? null : ImageFolders.Initrd(node.Context.Root, image.Id)),
            Join(files?.CommandLine, boot.CommandLine),
            Uid: 0)
        {
            MaxCpus = kind != InstanceKind.Vm ? null : wanted.MaxCpus ?? Math.Max(cpus, Math.Min(Host.Cpus, MostDefaultCpus)),
            MaxMemoryBytes = kind != InstanceKind.Vm ? null : wanted.MaxMemoryBytes ?? (memory < LeastMemoryWithRoom ? memory : RoomFor(memory)),
        };
        if (spec.Kernel is null && spec.Kind != InstanceKind.Container)
        {
            throw InstanceErrors.KernelMissing;
        }

        await node.CheckAsync(spec, ct);
        return new(spec, new(image?.Id, wanted.Description, wanted.Labels ?? new Dictionary<string, string>(), boot with { Firmware = Firmware.Direct }, wanted.AutoStart), wanted.StartNow);
    }

    /// <summary>Twice as much, where the node has it.</summary>
    private long RoomFor(long memory) => Math.Max(memory, Math.Min(2 * memory, Host.MemoryBytes / Limits.MiB * Limits.MiB));

    private static string? Join(string? first, string? second) =>
        string.Join(' ', new[] { first, second }.Where(part => !string.IsNullOrWhiteSpace(part))) is { Length: > 0 } text ? text : null;
}
