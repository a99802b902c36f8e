using System.Security.Cryptography;
using System.Text;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Pools;

internal sealed partial class CephPool
{
    /// <summary>Who had an image open, and was cut off, is believed to have it for half a minute.</summary>
    private static readonly TimeSpan LetsGoWithin = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan RemovesWithin = TimeSpan.FromHours(2);

    /// <summary>
    /// Removes the images that a record does not name, those first that stand on others. One that another disk's image still stands on stays for as long as that, without
    /// what was written to it since.
    /// </summary>
    /// <returns>Those that stay.</returns>
    private async Task<IReadOnlyList<string>> TidyAsync(string owner, CephRecord record, CancellationToken ct)
    {
        var needed = record.Images.ToHashSet();
        var left = (await ImagesAsync(owner, ct)).Where(i => !needed.Contains(i)).ToList();
        for (var before = int.MaxValue; left.Count > 0 && left.Count < before;)
        {
            before = left.Count;
            foreach (var image in left.ToList())
            {
                if (await RemoveAsync(image, ct))
                {
                    left.Remove(image);
                }
            }
        }

        foreach (var image in left)
        {
            if (await _ceph.FindAsync(image, ct) is { SizeBytes: > 0 })
            {
                await _ceph.ChangeAsync(ct, "resize", "--no-progress", "--allow-shrink", "--size", "0", _ceph.Spec(image));
            }
        }

        return left;
    }

    /// <summary>Removes an image with its snapshots; nothing happens when it is not there.</summary>
    /// <returns>False when others stand on it: it is not seen from its snapshots any more, and stays.</returns>
    private async Task<bool> RemoveAsync(string image, CancellationToken ct)
    {
        var (began, isPurged) = (time.GetTimestamp(), false);
        while (true)
        {
            try
            {
                await _ceph.ChangeAsync(RemovesWithin, null, ct, "rm", "--no-progress", _ceph.Spec(image));
                return true;
            }
            catch (CommandFailed e) when (Ceph.IsMissing(e))
            {
                return true;
            }
            catch (CommandFailed e) when (Ceph.HasSnapshots(e))
            {
                if (isPurged)
                {
                    return false;
                }

                isPurged = true;
                await _ceph.ChangeAsync(RemovesWithin, null, ct, "snap", "purge", "--no-progress", _ceph.Spec(image));
            }
            catch (CommandFailed e) when (Ceph.IsOpen(e) && time.GetElapsedTime(began) < LetsGoWithin)
            {
                await Task.Delay(LookAgain, time, ct);
            }
        }
    }

    /// <summary>The image whose snapshot disks of one of Gantry's images begin as; made once for each.</summary>
    private async Task<string> ImageCopyAsync(string image, CancellationToken ct)
    {
        var name = $"{ImageCopies}{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(image)))[..24]}";
        using var held = await _locks.HoldAsync(ct, name);
        if (!(await _ceph.SnapshotsAsync(name, ct)).Contains(Ready))
        {
            await RemoveAsync(name, ct);
            var size = DiskProbe.ExamineOwn(image);
            await _ceph.CreateAsync(name, size, ct);
            await qemu.CopyAsync([new(image)], NodePools.FilesOf(Shown(name, null, size))[0], _ => { }, ct);
            await _ceph.ChangeAsync(ct, "snap", "create", "--no-progress", _ceph.Spec(name, Ready));
        }

        return name;
    }
}
