using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Node;
using Gantry.Node.Images;

namespace Gantry.Daemon.Images;

/// <summary>Takes in a disk from outside, or a kernel: first its bytes, then what is made of them. A download goes on after a restart.</summary>
internal sealed class ImageImport(ImageSteps steps, LocalNode node) : OperationType<ImageImport.Input>
{
    public sealed record Input(Id<Image> Id, string Name, ImportPlan Plan);

    public override string Kind => "image.import";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        steps.Reserve(input.Id, input.Name),
        new HostStep("fetch",
            (context, ct) => node.FetchImageAsync(input.Id, input.Plan, context.Report, ct),
            (_, ct) => node.RemoveImageAsync(input.Id, ct)),
        new HostStep("convert",
            (context, ct) => node.ConvertImageAsync(input.Id, input.Plan, context.Report, ct),
            (_, ct) => node.RemoveImageAsync(input.Id, ct)),
        steps.Publish(input.Id, input.Name, EventTypes.ImageImported),
    ];

    /// <summary>The defaults filled in.</summary>
    /// <param name="source">What is shown of where it comes from.</param>
    /// <param name="hasDisk">By url, path or upload.</param>
    public static ImportPlan PlanOf(ImportImage wanted, string source, bool hasDisk)
    {
        var architecture = wanted.Architecture ?? Architecture.X86_64;
        var firmware = wanted.Firmware ?? (wanted.Kernel is not null ? Firmware.Direct : architecture == Architecture.X86_64 ? Firmware.Bios : Firmware.Uefi);
        return new(
            source, wanted.Path, hasDisk, wanted.Sha256, wanted.Format, firmware, wanted.DefaultKind ?? (wanted.Kernel is null ? InstanceKind.Vm : InstanceKind.Microvm), architecture,
            wanted.Kernel, wanted.Initrd, wanted.CommandLine, wanted.Description ?? $"Imported from {source}");
    }
}
