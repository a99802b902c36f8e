using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Images;

/// <summary>A file of a disk.</summary>
/// <param name="Format"><c>qcow2</c>, <c>raw</c>, <c>device</c> for a block device, or <c>rbd</c> for an image in Ceph.</param>
public sealed record DiskFile(string Path, string Format = DiskFile.Qcow2)
{
    public const string Qcow2 = "qcow2", Raw = "raw", Device = "device", Rbd = "rbd";

    /// <summary>How it is opened where that is not by its path.</summary>
    public RbdImage? Image { get; init; }
}

/// <summary>
/// What is done to disks of several layers. Which they are is said here and not read from their headers, which a guest's QEMU had open.
/// </summary>
public sealed partial class QemuImg
{
    /// <summary>Writes a disk of Gantry's own and all that lies under it as one qcow2.</summary>
    /// <param name="chain">The upper first.</param>
    /// <exception cref="Refusal"><c>image.damaged</c>, <c>image.no_space</c></exception>
    public Task FlattenAsync(IReadOnlyList<DiskFile> chain, string output, Action<double> percent, CancellationToken ct)
    {
        var virtualBytes = Examine(chain);
        return WriteAsync(chain, ["convert", "-p", "-O", "qcow2", Chain(chain), output], output, virtualBytes, percent, ct);
    }

    /// <summary>Writes an image's disk out as it is to a guest, with holes. The output is there afterwards or not at all.</summary>
    /// <exception cref="Refusal"><c>image.damaged</c>, <c>image.no_space</c></exception>
    public async Task ConvertToRawAsync(string image, string output, CancellationToken ct)
    {
        var virtualBytes = Examine([new(image)]);
        using var loan = uids.Borrow();
        try
        {
            await using (File.Create(output))
            {
                Posix.Chown(output, loan.Uid, loan.Uid);
            }

            using var files = await FileLoan.OfAsync(loan.Uid, [image], [], ct);
            await LentAsync(loan, image, ["convert", "-O", "raw", Chain([new(image)]), output], virtualBytes, DeadlineFor(virtualBytes), null, ct);
        }
        catch
        {
            File.Delete(output);
            throw;
        }
    }

    /// <summary>Writes an image's disk onto a block device that is all zeros.</summary>
    /// <exception cref="Refusal"><c>image.damaged</c>, <c>image.no_space</c></exception>
    public async Task ConvertToDeviceAsync(string image, string device, CancellationToken ct)
    {
        var virtualBytes = Examine([new(image)]);
        using var loan = uids.Borrow();
        using var files = await FileLoan.OfAsync(loan.Uid, [image], [device], ct);
        await LentAsync(loan, image, ["convert", "-n", "--target-is-zero", "-O", "raw", Chain([new(image)]), device], virtualBytes, DeadlineFor(virtualBytes), null, ct);
    }

    /// <summary>Writes all of the first layer into the second, which lie over the others. Done twice, it changes nothing more; the first is as it was.</summary>
    /// <exception cref="Refusal"><c>image.damaged</c>, <c>image.no_space</c></exception>
    public async Task CommitAsync(IReadOnlyList<DiskFile> chain, CancellationToken ct)
    {
        var virtualBytes = Examine(chain);
        using var loan = uids.Borrow();
        using var files = await FileLoan.OfAsync(loan.Uid, chain.Skip(2).Select(f => f.Path), [chain[0].Path, chain[1].Path], ct);
        await LentAsync(loan, chain[0].Path, ["commit", "-q", "-d", Chain(chain)], WithTables(virtualBytes), DeadlineFor(virtualBytes), null, ct);
    }

    /// <summary>Writes a disk of Gantry's own and all that lies under it into one that is there and empty.</summary>
    /// <param name="chain">The upper first.</param>
    /// <exception cref="Refusal"><c>image.damaged</c>, <c>image.no_space</c></exception>
    public async Task CopyAsync(IReadOnlyList<DiskFile> chain, DiskFile to, Action<double> percent, CancellationToken ct)
    {
        var virtualBytes = Examine(chain);
        using var loan = uids.Borrow();
        using var files = await FileLoan.OfAsync(loan.Uid, PathsOf(chain), [.. PathsOf([to])], ct);
        using var keys = RbdLoan.Of(loan.Uid, [.. chain, to]);
        string[] target = to.Image is { } image ? ["--target-image-opts", Chain(chain), image.ToOptions()]
            : ["-O", to.Format == DiskFile.Qcow2 ? DiskFile.Qcow2 : DiskFile.Raw, Chain(chain), to.Path];
        await LentAsync(
            loan, chain[0].Path, ["convert", "-p", "-n", "--target-is-zero", .. target], WithTables(virtualBytes), DeadlineFor(virtualBytes), line => Hear(line, percent), ct, keys);
    }

    /// <summary>Reads all of a disk.</summary>
    /// <exception cref="Refusal"><c>image.damaged</c></exception>
    public async Task ReadThroughAsync(IReadOnlyList<DiskFile> chain, CancellationToken ct)
    {
        var virtualBytes = Examine(chain);
        using var loan = uids.Borrow();
        using var files = await FileLoan.OfAsync(loan.Uid, PathsOf(chain), [], ct);
        using var keys = RbdLoan.Of(loan.Uid, chain);
        var nowhere = string.Create(CultureInfo.InvariantCulture, $"driver=null-co,size={virtualBytes}");
        await LentAsync(loan, chain[0].Path, ["convert", "-n", "--target-image-opts", Chain(chain), nowhere], 0, DeadlineFor(virtualBytes), null, ct, keys);
    }

    /// <summary>Makes the upper layer of a disk larger that is not open.</summary>
    /// <exception cref="Refusal"><c>image.damaged</c>, <c>image.no_space</c></exception>
    public async Task GrowAsync(IReadOnlyList<DiskFile> chain, long sizeBytes, CancellationToken ct)
    {
        Examine(chain);
        using var loan = uids.Borrow();
        using var files = await FileLoan.OfAsync(loan.Uid, chain.Skip(1).Select(f => f.Path), [chain[0].Path], ct);
        await LentAsync(loan, chain[0].Path, ["resize", "-q", Chain(chain), sizeBytes.ToString(CultureInfo.InvariantCulture)], WithTables(sizeBytes), ShortDeadline, null, ct);
    }

    /// <summary>Looks through the tables of one layer, whatever lies under it.</summary>
    /// <exception cref="Refusal"><c>image.damaged</c></exception>
    public async Task CheckLayerAsync(DiskFile layer, CancellationToken ct)
    {
        using var loan = uids.Borrow();
        await ConfinedAsync(loan, layer.Path, ["check", "-q", Chain([layer])], 0, DeadlineFor(new FileInfo(layer.Path).Length), null, ct);
    }

    /// <summary>Nothing was ever written to a layer, so that all shows through that it lies over.</summary>
    /// <exception cref="Refusal"><c>image.damaged</c></exception>
    public async Task<bool> IsEmptyAsync(DiskFile layer, CancellationToken ct)
    {
        using var loan = uids.Borrow();
        var said = await ConfinedAsync(loan, layer.Path, ["map", "--output=json", Chain([layer])], 0, ShortDeadline, null, ct);
        using var map = JsonDocument.Parse(said.Output);
        return map.RootElement.EnumerateArray().All(part => part.TryGetProperty("present", out var present) && !present.GetBoolean());
    }

    private static long Examine(IReadOnlyList<DiskFile> chain)
    {
        var sizes = chain.Select(f => f.Format switch
        {
            DiskFile.Raw => new FileInfo(f.Path).Length,
            DiskFile.Device => SizeOf(f.Path),
            DiskFile.Rbd => f.Image!.SizeBytes,
            _ => DiskProbe.ExamineOwn(f.Path),
        }).ToList();
        return sizes[0];
    }

    private static long SizeOf(string device)
    {
        using var file = new FileStream(Posix.OpenDisk(device, writable: false), FileAccess.Read);
        return file.Seek(0, SeekOrigin.End);
    }

    /// <summary>Tables of a qcow2 are less than a 64th of what it holds.</summary>
    private static long WithTables(long virtualBytes) => virtualBytes + (virtualBytes / 64) + (16 * Limits.MiB);

    private static IEnumerable<string> PathsOf(IEnumerable<DiskFile> files) => files.Where(f => f.Image is null).Select(f => f.Path);

    private static string Chain(IReadOnlyList<DiskFile> chain)
    {
        JsonObject? node = null;
        foreach (var file in chain.Reverse())
        {
            var upper = new JsonObject
            {
                ["driver"] = file.Format == DiskFile.Qcow2 ? DiskFile.Qcow2 : DiskFile.Raw,
                ["file"] = file.Image?.ToBlock() ?? new JsonObject { ["driver"] = file.Format == DiskFile.Device ? "host_device" : "file", ["filename"] = file.Path },
            };
            if (file.Format == DiskFile.Qcow2)
            {
                upper["backing"] = node;
            }

            node = upper;
        }

        return $"json:{node!.ToJsonString()}";
    }
}
