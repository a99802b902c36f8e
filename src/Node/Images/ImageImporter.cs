using System.Security.Cryptography;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Images;

/// <summary>What is made of a disk that comes from outside; part of the operation that does it, so without secrets.</summary>
/// <param name="Source">For people.</param>
/// <param name="Path">Of the disk on this node; null when it was sent or is fetched (see <see cref="ImageImporter"/>), or there is none.</param>
/// <param name="HasDisk">False for a kernel alone.</param>
public sealed record ImportPlan(
    string Source, string? Path, bool HasDisk, string? Sha256, DiskFormat? Format, Firmware Firmware, InstanceKind DefaultKind, Architecture Architecture,
    string? Kernel, string? Initrd, string? CommandLine, string Description);

/// <summary>
/// Takes in a disk: first all its bytes, into the image's workshop, where nobody changes them any more; then, looked at and
/// converted, the image. Both halves may be done again. What was sent, or the address to fetch from (it may hold a
/// signature), lies in the workshop before the operation begins.
/// </summary>
internal sealed class ImageImporter(NodeContext node, ImageSettings settings)
{
    private const string Sum = ".sha256";

    private readonly QemuImg _qemu = new(node.Shell, node.ToolUids);

    private string Original(Id<Image> id) => $"{ImageFolders.Workshop(node.Root, id)}/original";

    private string Address(Id<Image> id) => $"{ImageFolders.Workshop(node.Root, id)}/address";

    /// <summary>Keeps the address a disk is to be fetched from.</summary>
    /// <returns>The address as it may be shown.</returns>
    /// <exception cref="Refusal"><c>image.url_refused</c>, <c>image.address_refused</c></exception>
    public string KeepAddress(Id<Image> id, string url)
    {
        var checkedUrl = DownloadAddress.Demand(url, settings.LinkLocal);
        OpenWorkshop(id);
        AtomicFile.Write(Address(id), System.Text.Encoding.UTF8.GetBytes(checkedUrl.ToString()));
        return DownloadAddress.Shown(checkedUrl);
    }

    /// <summary>Keeps a disk that is being sent.</summary>
    /// <exception cref="Refusal"><c>image.too_large</c>, <c>image.no_space</c></exception>
    public async Task KeepUploadAsync(Id<Image> id, Stream body, CancellationToken ct)
    {
        OpenWorkshop(id);
        await CopyAsync(body, Original(id), null, _ => { }, ct);
    }

    /// <summary>Images whose workshop was opened; only those of operations that are not over are of use to anyone.</summary>
    public IReadOnlyList<Id<Image>> Workshops() =>
    [
        .. Directory.EnumerateDirectories(node.Root.Images, ".*.new")
            .Select(d => Id<Image>.TryParse(Path.GetFileName(d)[1..^4], null, out var id) ? id : default).Where(id => id != default),
    ];

    /// <summary>Brings in all bytes; there already, they stay.</summary>
    public async Task FetchAsync(Id<Image> id, ImportPlan plan, Action<Progress> report, CancellationToken ct)
    {
        if (Directory.Exists(ImageFolders.Path(node.Root, id)))
        {
            return;
        }

        OpenWorkshop(id);
        var workshop = ImageFolders.Workshop(node.Root, id);
        if (plan.HasDisk && !File.Exists(Original(id) + Sum))
        {
            await FetchDiskAsync(id, plan, report, ct);
        }

        if (plan.HasDisk && plan.Sha256 is { } wanted && await File.ReadAllTextAsync(Original(id) + Sum, ct) is var found && !found.Equals(wanted, StringComparison.OrdinalIgnoreCase))
        {
            throw ImageErrors.SumDiffers(wanted.ToLowerInvariant(), found);
        }

        foreach (var (name, path) in (ReadOnlySpan<(string, string?)>)[("kernel", plan.Kernel), ("initrd", plan.Initrd)])
        {
            if (path is not null)
            {
                CopyFile(path, $"{workshop}/{name}");
            }
        }
    }

    /// <summary>Makes the image of what was brought in; there already, it stays.</summary>
    /// <exception cref="Refusal">Whatever is wrong with the disk.</exception>
    public async Task<ImageFiles> ConvertAsync(Id<Image> id, ImportPlan plan, Action<Progress> report, CancellationToken ct)
    {
        var workshop = ImageFolders.Workshop(node.Root, id);
        if (!Directory.Exists(ImageFolders.Path(node.Root, id)))
        {
            await using var making = ImageMaking.Begin(node, id);
            if (plan.HasDisk)
            {
                await ConvertDiskAsync(Original(id), plan.Format, $"{making.Folder}/disk", report, ct);
            }

            foreach (var name in (string[])["kernel", "initrd"])
            {
                if (File.Exists($"{workshop}/{name}"))
                {
                    File.Copy($"{workshop}/{name}", $"{making.Folder}/{name}", overwrite: true);
                }
            }

            report(new("check sums", 95));
            await making.FinishAsync(new(0, new Dictionary<string, string>(), plan.DefaultKind, plan.CommandLine, plan.Description, plan.Architecture, null, plan.Firmware, plan.Source), ct);
        }

        if (Directory.Exists(workshop))
        {
            Directory.Delete(workshop, recursive: true);
        }

        return ImageFolders.Read(node.Root, id);
    }

    private async Task ConvertDiskAsync(string original, DiskFormat? said, string to, Action<Progress> report, CancellationToken ct)
    {
        report(new("look at the disk", 82));
        var (format, size) = DiskProbe.Examine(original, said, settings.MaxBytes);
        var word = format.ToString().ToLowerInvariant();
        var info = await _qemu.InfoAsync(original, word, ct);
        if (info.BackingFile is not null)
        {
            throw ImageErrors.BackingFile();
        }

        // A raw file is rounded up to whole sectors.
        if (info.VirtualBytes > settings.MaxBytes || (size is { } told && Math.Abs(info.VirtualBytes - told) >= 512))
        {
            throw info.VirtualBytes > settings.MaxBytes ? ImageErrors.TooLarge(info.VirtualBytes, settings.MaxBytes) : ImageErrors.HeaderRefused($"it claims {size} bytes, and again {info.VirtualBytes}");
        }

        if (format is DiskFormat.Qcow2 or DiskFormat.Vdi or DiskFormat.Vhdx or DiskFormat.Vmdk)
        {
            await _qemu.CheckAsync(original, word, ct);
        }

        await _qemu.ConvertAsync(original, word, to, info.VirtualBytes, percent => report(new("convert to qcow2", 83 + (percent * 0.12))), ct);
    }

    private async Task FetchDiskAsync(Id<Image> id, ImportPlan plan, Action<Progress> report, CancellationToken ct)
    {
        var original = Original(id);
        if (plan.Path is { } path)
        {
            await using var file = OpenRegular(path);
            await CopyAsync(file, original, file.Length, report, ct);
        }
        else if (File.Exists(Address(id)))
        {
            using var http = DownloadAddress.Client(settings.LinkLocal);
            var url = DownloadAddress.Demand(await File.ReadAllTextAsync(Address(id), ct), settings.LinkLocal);
            var sum = await new Download(http, settings, node.Time).FetchAsync(url, original, report, ct);
            AtomicFile.Write(original + Sum, System.Text.Encoding.ASCII.GetBytes(sum));
        }
        else
        {
            throw ImageErrors.UploadGone;
        }
    }

    private async Task CopyAsync(Stream from, string to, long? total, Action<Progress> report, CancellationToken ct)
    {
        using var sum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var meter = new Meter("copy", 0, total, report, node.Time);
        var bytes = 0L;
        try
        {
            await using (var file = File.Create(to))
            {
                await SparseCopy.ToAsync(from, file, ct, block =>
                {
                    bytes += block.Length;
                    if (bytes > settings.MaxBytes)
                    {
                        throw ImageErrors.TooLarge(bytes, settings.MaxBytes);
                    }

                    sum.AppendData(block.Span);
                    meter.Add(block.Length);
                });
                file.Flush(flushToDisk: true);
            }

            AtomicFile.Write(to + Sum, System.Text.Encoding.ASCII.GetBytes(Convert.ToHexStringLower(sum.GetHashAndReset())));
        }
        catch (IOException e) when (e.HResult == ImageErrors.FullDisk)
        {
            throw ImageErrors.NoSpace(to);
        }
    }

    private static void CopyFile(string from, string to)
    {
        using var source = OpenRegular(from);
        using var target = File.Create(to);
        source.CopyTo(target);
    }

    /// <summary>Opens it once, and reads what was opened: no link, no device, no pipe.</summary>
    private static FileStream OpenRegular(string path)
    {
        try
        {
            var handle = Posix.OpenRegular(path);
            return new FileStream(handle, FileAccess.Read);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw ImageErrors.FileUnreadable(path, e.Message);
        }
    }

    private void OpenWorkshop(Id<Image> id)
    {
        Directory.CreateDirectory(ImageFolders.Workshop(node.Root, id));
        File.SetUnixFileMode(ImageFolders.Workshop(node.Root, id), (UnixFileMode)0b111_001_001);
    }
}
