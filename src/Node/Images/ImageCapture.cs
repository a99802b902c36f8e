using Gantry.Contracts;

namespace Gantry.Node.Images;

/// <summary>What is made into an image of a stopped instance.</summary>
/// <param name="Disk">Its first disk: the layer that is written to, and what lies under it.</param>
/// <param name="From">The image the instance was made from, whose kernel is carried over; null without one.</param>
/// <param name="Source">For people.</param>
public sealed record CapturePlan(
    IReadOnlyList<DiskFile> Disk, Id<Image>? From, string Source, Firmware Firmware, InstanceKind DefaultKind, Architecture Architecture, string? CommandLine,
    string Description);

/// <summary>Makes an image of an instance's disk and what lies under it, as one disk that needs neither any more.</summary>
internal sealed class ImageCapture(NodeContext node)
{
    /// <exception cref="Refusal"><c>image.damaged</c>, <c>image.no_space</c></exception>
    public async Task<ImageFiles> CaptureAsync(Id<Image> id, CapturePlan plan, Action<Progress> report, CancellationToken ct)
    {
        if (!Directory.Exists(ImageFolders.Path(node.Root, id)))
        {
            ImageFolders.Remove(node.Root, id);
            await using var making = ImageMaking.Begin(node, id);
            var qemu = new QemuImg(node.Shell, node.ToolUids);
            report(new("copy the disk", 0));
            await qemu.FlattenAsync(plan.Disk, $"{making.Folder}/disk", percent => report(new("copy the disk", percent * 0.95)), ct);
            foreach (var name in (string[])["kernel", "initrd"])
            {
                if (plan.From is { } source && $"{ImageFolders.Path(node.Root, source)}/{name}" is var file && File.Exists(file))
                {
                    File.Copy(file, $"{making.Folder}/{name}", overwrite: true);
                }
            }

            report(new("check sums", 95));
            await making.FinishAsync(new(0, new Dictionary<string, string>(), plan.DefaultKind, plan.CommandLine, plan.Description, plan.Architecture, null, plan.Firmware, plan.Source), ct);
        }

        if (ImageFolders.Workshop(node.Root, id) is var workshop && Directory.Exists(workshop))
        {
            Directory.Delete(workshop, recursive: true);
        }

        return ImageFolders.Read(node.Root, id);
    }
}
