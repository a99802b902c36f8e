using System.Collections.Frozen;
using Gantry.Contracts;

namespace Gantry.Node.Images;

/// <summary>How an image is made, and what an instance of it becomes.</summary>
/// <param name="CommandLine">What it wants on the kernel's command line; null for nothing.</param>
public sealed record Recipe(InstanceKind DefaultKind, string? CommandLine, string Description, RecipeWork Work)
{
    /// <summary>What an instance of it boots by when nobody says.</summary>
    public Firmware Firmware { get; init; } = Firmware.Direct;

    public Architecture Architecture { get; init; } = Architecture.X86_64;
}

/// <summary>Puts the image's files into a folder.</summary>
/// <param name="workshop">A folder for what is needed on the way; it is removed afterwards.</param>
public delegate Task RecipeWork(NodeContext node, string into, string workshop, Action<Progress> report, CancellationToken ct);

/// <summary>Every recipe, one entry each.</summary>
public static class Recipes
{
    private static readonly Dictionary<string, string> MicroTools = new() { ["bin/nic"] = "micro-nic.sh" };

    public static readonly FrozenDictionary<string, Recipe> All = new Dictionary<string, Recipe>
    {
        ["micro"] = new(InstanceKind.Microvm, "quiet", "Debian's cloud kernel and a busybox shell on the serial line", (node, into, workshop, report, ct) =>
            new InitialRamDisk(node.Shell) { Tools = MicroTools }.WriteAsync("micro-init.sh", into, workshop, report, ct)),
        ["micro-aarch64"] = new(InstanceKind.Vm, "quiet", "The same for processors of Arm", (node, into, workshop, report, ct) =>
            new InitialRamDisk(node.Shell, "arm64") { Tools = MicroTools }.WriteAsync("micro-init.sh", into, workshop, report, ct))
        { Architecture = Architecture.Aarch64, Firmware = Firmware.Uefi }, // without ACPI the cloud kernel knows of no power button
        ["debian"] = new(InstanceKind.Vm, null, "A Debian server with cloud-init and the guest agent", (node, into, workshop, report, ct) =>
            new DebianImage(node, workshop).BuildAsync(into, report, ct))
        { Firmware = Firmware.Uefi },
        ["rootfs"] = new(InstanceKind.Microvm, "root=/dev/vda rw", "Debian's minimal root file system and its cloud kernel", (node, into, workshop, report, ct) =>
            new RootfsImage(node, workshop).BuildAsync(into, report, ct)),
    }.ToFrozenDictionary();
}
