using Gantry.Contracts;
using Gantry.Node;

namespace Gantry.Daemon.Pools;

/// <summary>How large a volume becomes.</summary>
internal static class VolumeSize
{
    private const long EmptyDiskBytes = 10L << 30;

    /// <param name="image">What it begins as; null for an empty one.</param>
    /// <returns>In bytes.</returns>
    /// <exception cref="Refusal"><c>volume.image_has_no_disk</c>, <c>volume.too_small</c></exception>
    public static long Of(string volume, long? wanted, Image? image, LocalNode node)
    {
        var least = image is null ? 0 : node.ImageFiles(image.Id).DiskBytes ?? throw PoolVolumeErrors.ImageHasNoDisk(volume, image.Name);
        return wanted < least ? throw PoolVolumeErrors.TooSmall(volume, wanted.Value, least) : wanted ?? (image is null ? EmptyDiskBytes : least);
    }
}
