using System.Globalization;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Pools;

internal sealed partial class BtrfsPool
{
    public async Task SnapshotAsync(string owner, IReadOnlyList<string> disks, Id<Snapshot> snapshot, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, [.. disks.Select(d => new DiskName(owner, d))]);
        if (Directory.Exists(SnapshotOf(owner, $"{snapshot}")))
        {
            return;
        }

        foreach (var disk in disks.Select(d => new DiskName(owner, d)).Where(d => !File.Exists(PathOf(d))))
        {
            throw PoolErrors.DiskMissing(disk);
        }

        await TryAsync(
            "The snapshot",
            async () =>
            {
                // Names of directories are on the disk with the snapshot at the latest, so nothing waits for them here.
                foreach (var disk in disks)
                {
                    Directory.CreateDirectory($"{DisksIn(owner, $"{snapshot}")}/{disk}");
                }

                await BtrfsAsync(ct, "subvolume", "snapshot", "-r", LiveOf(owner), SnapshotOf(owner, $"{snapshot}"));
            });
    }

    public async Task DemandRestorableAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct)
    {
        Demand(new(owner, "x"));
        await _folder.DemandAsync(ct);
        DemandWhole(owner, snapshot);
    }

    /// <summary>The new disks are made beside the old ones and take their place at one instant.</summary>
    public async Task RestoreAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, new DiskName(owner, "x"));
        var disks = DemandWhole(owner, snapshot);

        await TryAsync(
            "The restore",
            async () =>
            {
                await BtrfsAsync(ct, "subvolume", "snapshot", SnapshotOf(owner, $"{snapshot}"), NextOf(owner));
                foreach (var file in Directory.GetFiles(NextOf(owner)).Where(f => !disks.Contains(Path.GetFileNameWithoutExtension(f))))
                {
                    File.Delete(file);
                }

                // What the snapshot does not have stays as it is.
                foreach (var file in Directory.GetFiles(LiveOf(owner), "*.raw").Where(f => !disks.Contains(Path.GetFileNameWithoutExtension(f))))
                {
                    await ReflinkAsync(file, $"{NextOf(owner)}/{Path.GetFileName(file)}", 0, ct);
                }

                Posix.Exchange(NextOf(owner), LiveOf(owner));
                Posix.SyncDirectory(FolderOf(owner));
                await DeleteSubvolumesAsync([NextOf(owner)], ct);
            });
    }

    /// <returns>Its disks.</returns>
    private string[] DemandWhole(string owner, Id<Snapshot> snapshot)
    {
        var disks = DisksOf(owner, snapshot);
        foreach (var name in disks.Where(d => !File.Exists($"{SnapshotOf(owner, $"{snapshot}")}/{d}.raw")))
        {
            throw PoolErrors.DiskDamaged(new(owner, name), $"the snapshot {snapshot} of it is not there");
        }

        return disks;
    }

    public async Task DeleteSnapshotAsync(string owner, Id<Snapshot> snapshot, IDiskMerging merging, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, new DiskName(owner, "x"));
        await TryAsync("Deleting the snapshot", () => DeleteSubvolumesAsync([SnapshotOf(owner, $"{snapshot}")], ct));
        if (Directory.Exists(DisksIn(owner, $"{snapshot}")))
        {
            Directory.Delete(DisksIn(owner, $"{snapshot}"), recursive: true);
        }
    }

    public async Task<IReadOnlyDictionary<Id<Snapshot>, long>> SnapshotsAsync(string owner, CancellationToken ct)
    {
        Demand(new(owner, "x"));
        await _folder.DemandAsync(ct);
        var bytes = new Dictionary<Id<Snapshot>, long>();
        foreach (var snapshot in SnapshotIds(owner))
        {
            // Total, exclusive, set shared, name; below a line of titles.
            var said = (await BtrfsAsync(ct, "filesystem", "du", "-s", "--raw", SnapshotOf(owner, snapshot))).Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1];
            var columns = said.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            bytes[Id<Snapshot>.Parse(snapshot)] = columns.Length > 1 && long.TryParse(columns[1], CultureInfo.InvariantCulture, out var alone) ? alone : 0;
        }

        return bytes;
    }

    public async Task<IReadOnlyList<string>> VerifyAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct)
    {
        Demand(new(owner, "x"));
        await _folder.DemandAsync(ct);
        var wrong = new List<string>();
        foreach (var name in DisksOf(owner, snapshot))
        {
            var file = $"{SnapshotOf(owner, $"{snapshot}")}/{name}.raw";
            if (!File.Exists(file))
            {
                wrong.Add($"{file} of the disk {owner}/{name} is missing.");
            }
            else if (await RawFiles.ReadThroughAsync(file, ct) is { } why)
            {
                // Btrfs compares each block with its sum when it is read.
                wrong.Add($"{file} of the disk {owner}/{name} is damaged: {why}");
            }
        }

        return (await BtrfsAsync(ct, "property", "get", "-ts", SnapshotOf(owner, $"{snapshot}"), "ro")).Contains("ro=true", StringComparison.Ordinal)
            ? wrong : [.. wrong, $"{SnapshotOf(owner, $"{snapshot}")} may have been altered: it is no longer read-only."];
    }

    public async Task CloneAsync(DiskName from, Id<Snapshot> at, DiskName to, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, from, to);
        if (File.Exists(PathOf(to)))
        {
            return;
        }

        var file = DisksOf(from.Owner, at).Contains(from.Name) ? $"{SnapshotOf(from.Owner, $"{at}")}/{from.Name}.raw" : throw PoolErrors.SnapshotMissing(from.Owner, at);
        await TryAsync(
            $"Cloning {from}",
            async () =>
            {
                await MakeLiveAsync(to.Owner, ct);
                await ReflinkAsync(file, PathOf(to), 0, ct);
            });
    }
}
