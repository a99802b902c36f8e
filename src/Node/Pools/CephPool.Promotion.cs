using System.Globalization;
using System.Text.RegularExpressions;
using Gantry.Contracts;

namespace Gantry.Node.Pools;

/// <summary>
/// A linked clone becomes a disk that stands alone by copying into its images what shows through from another disk's (<c>rbd flatten</c>), into their snapshots
/// too. Where a guest has the disk open, its QEMU does that.
/// </summary>
internal sealed partial class CephPool
{
    public async Task PromoteAsync(DiskName disk, IDiskMerging merging, Action<DiskProgress> report, CancellationToken ct)
    {
        using var held = await HoldAsync(ct, disk);
        var (_, found) = await ImageOfAsync(await RecordAsync(disk.Owner, ct), disk, ct);
        var tied = new List<string>();
        foreach (var image in (await ImagesAsync(ct)).Where(i => DiskOf(i) == disk))
        {
            if ((await AskAsync(() => _ceph.FindAsync(image, ct)))?.Parent is { } parent && DiskOf(parent) is { } other && other != disk)
            {
                tied.Add(image);
            }

            if ((await AskAsync(() => _ceph.ChildrenAsync(image, null, ct))).FirstOrDefault(c => DiskOf(c) != disk) is { } clone)
            {
                throw PoolErrors.HasClones(disk, NameOf(clone));
            }
        }

        await TryAsync(
            $"Copying {disk}",
            async () =>
            {
                foreach (var image in tied)
                {
                    await _ceph.ChangeAsync(
                        TimeSpan.FromMinutes(10) + TimeSpan.FromSeconds(found.SizeBytes / (10 * Limits.MiB)), line => Hear(line, found.SizeBytes, report), ct, "flatten", _ceph.Spec(image));
                }
            });
    }

    private static void Hear(string line, long totalBytes, Action<DiskProgress> report)
    {
        if (Percent().Match(line) is { Success: true } match)
        {
            report(new(totalBytes / 100 * int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture), totalBytes));
        }
    }

    [GeneratedRegex("([0-9]{1,3})% complete", RegexOptions.CultureInvariant)]
    private static partial Regex Percent();
}
