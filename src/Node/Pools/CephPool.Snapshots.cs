using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Pools;

internal sealed partial class CephPool
{
    /// <summary>It is one from the moment that the record says so; what is left of one that broke off is made anew.</summary>
    public async Task SnapshotAsync(string owner, IReadOnlyList<string> disks, Id<Snapshot> snapshot, CancellationToken ct)
    {
        using var held = await HoldAsync(ct, [new(owner, "x"), .. disks.Select(d => new DiskName(owner, d))]);
        var record = await RecordAsync(owner, ct);
        if (record.Snapshots.ContainsKey($"{snapshot}"))
        {
            return;
        }

        var images = disks.ToDictionary(d => d, d => record.Disks.GetValueOrDefault(d) ?? throw PoolErrors.DiskMissing(new(owner, d)));
        await TryAsync(
            "The snapshot",
            async () =>
            {
                foreach (var image in images.Values)
                {
                    await KeepAsync(image, $"{snapshot}", ct);
                }

                await PutAsync(owner, record.With(snapshot, images), ct);
            });
    }

    public async Task DemandRestorableAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct)
    {
        Demand(new(owner, "x"));
        await DemandWholeAsync(owner, await RecordAsync(owner, ct), snapshot, ct);
    }

    public async Task RestoreAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct)
    {
        using var held = await HoldAsync(ct, new DiskName(owner, "x"));
        var record = await RecordAsync(owner, ct);
        var images = await DemandWholeAsync(owner, record, snapshot, ct);
        await TryAsync(
            "The restore",
            async () =>
            {
                var restored = record;
                foreach (var (disk, image) in images)
                {
                    var made = NewName(new(owner, disk));
                    await _ceph.CloneAsync(image, $"{snapshot}", made, ct);
                    restored = restored.With(disk, made);
                }

                await WriteAsync(owner, restored, ct);
            });
    }

    public async Task DeleteSnapshotAsync(string owner, Id<Snapshot> snapshot, IDiskMerging merging, CancellationToken ct)
    {
        using var held = await HoldAsync(ct, new DiskName(owner, "x"));
        var record = await RecordAsync(owner, ct);

        // One that is in no record may be half made.
        var images = record.Snapshots.GetValueOrDefault($"{snapshot}") ?? record.Disks;
        foreach (var (disk, image) in images)
        {
            var children = await AskAsync(() => _ceph.ChildrenAsync(image, $"{snapshot}", ct));
            if (children.FirstOrDefault(c => DiskOf(c) != new DiskName(owner, disk)) is { } clone)
            {
                throw PoolErrors.SnapshotHasClones(snapshot, NameOf(clone));
            }
        }

        await TryAsync(
            "Deleting the snapshot",
            async () =>
            {
                var rest = record.Without(snapshot);
                await PutAsync(owner, rest, ct);
                foreach (var image in images.Values)
                {
                    await ForgetAsync(image, $"{snapshot}", ct);
                }

                await TidyAsync(owner, rest, ct);
            });
    }

    /// <summary>In whole objects of 4 MiB, of what was written before each.</summary>
    public async Task<IReadOnlyDictionary<Id<Snapshot>, long>> SnapshotsAsync(string owner, CancellationToken ct)
    {
        Demand(new(owner, "x"));
        var record = await RecordAsync(owner, ct);
        var bytes = record.Snapshots.Keys.ToDictionary(s => Id<Snapshot>.Parse(s), _ => 0L);
        foreach (var image in record.Snapshots.Values.SelectMany(s => s.Values).Distinct())
        {
            foreach (var (name, used) in await UsedAsync(image, ct))
            {
                if (record.Snapshots.TryGetValue(name, out var images) && images.Values.Contains(image))
                {
                    bytes[Id<Snapshot>.Parse(name)] += used;
                }
            }
        }

        return bytes;
    }

    public async Task<IReadOnlyList<string>> VerifyAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct)
    {
        using var held = await HoldAsync(ct, new DiskName(owner, "x"));
        var images = (await RecordAsync(owner, ct)).Snapshots.GetValueOrDefault($"{snapshot}") ?? throw PoolErrors.SnapshotMissing(owner, snapshot);
        var wrong = new List<string>();
        foreach (var (disk, image) in images)
        {
            if (!(await AskAsync(() => _ceph.SnapshotsAsync(image, ct))).Contains($"{snapshot}") || await AskAsync(() => _ceph.FindAsync(image, ct)) is not { } found)
            {
                wrong.Add($"The snapshot {snapshot} of the disk {owner}/{disk} is missing: {_ceph.Spec(image, $"{snapshot}")}.");
                continue;
            }

            try
            {
                // Ceph compares what it reads with its sums.
                await qemu.ReadThroughAsync(NodePools.FilesOf(Shown(image, $"{snapshot}", found.SizeBytes)), ct);
            }
            catch (Refusal refusal)
            {
                wrong.Add($"{_ceph.Spec(image, $"{snapshot}")}, which is the disk {owner}/{disk} in it, is damaged: {refusal.Message}");
            }
        }

        return wrong;
    }

    public async Task CloneAsync(DiskName from, Id<Snapshot> at, DiskName to, CancellationToken ct)
    {
        using var held = await HoldAsync(ct, from, to);
        var there = await RecordAsync(to.Owner, ct);
        if (there.Disks.TryGetValue(to.Name, out var known) && (await ImagesAsync(ct)).Contains(known))
        {
            return;
        }

        var image = (await RecordAsync(from.Owner, ct)).Snapshots.GetValueOrDefault($"{at}")?.GetValueOrDefault(from.Name) ?? throw PoolErrors.SnapshotMissing(from.Owner, at);
        await TryAsync(
            $"Cloning {from}",
            async () =>
            {
                var made = NewName(to);
                await _ceph.CloneAsync(image, $"{at}", made, ct);
                await WriteAsync(to.Owner, there.With(to.Name, made), ct);
            });
    }

    private async Task KeepAsync(string image, string snapshot, CancellationToken ct)
    {
        string[] create = ["snap", "create", "--no-progress", _ceph.Spec(image, snapshot)];
        try
        {
            await _ceph.ChangeAsync(ct, create);
        }
        catch (CommandFailed e) when (Ceph.IsThere(e))
        {
            await ForgetAsync(image, snapshot, ct);
            await _ceph.ChangeAsync(ct, create);
        }
        catch (CommandFailed e) when (Ceph.IsMissing(e))
        {
            throw PoolErrors.DiskMissing(DiskOf(image)!.Value);
        }
    }

    /// <summary>Images that stand on it go on doing so.</summary>
    private async Task ForgetAsync(string image, string snapshot, CancellationToken ct)
    {
        try
        {
            await _ceph.ChangeAsync(ct, "snap", "rm", "--no-progress", _ceph.Spec(image, snapshot));
        }
        catch (CommandFailed e) when (Ceph.IsMissing(e))
        {
        }
    }

    private async Task<IReadOnlyDictionary<string, long>> UsedAsync(string image, CancellationToken ct)
    {
        try
        {
            return await _ceph.UsedAsync(image, ct);
        }
        catch (CommandFailed)
        {
            return new Dictionary<string, long>();
        }
    }

    private async Task<IReadOnlyDictionary<string, string>> DemandWholeAsync(string owner, CephRecord record, Id<Snapshot> snapshot, CancellationToken ct)
    {
        var images = record.Snapshots.GetValueOrDefault($"{snapshot}") ?? throw PoolErrors.SnapshotMissing(owner, snapshot);
        foreach (var (disk, image) in images)
        {
            if (!(await AskAsync(() => _ceph.SnapshotsAsync(image, ct))).Contains($"{snapshot}"))
            {
                throw PoolErrors.DiskDamaged(new(owner, disk), $"the snapshot {snapshot} of it is not there");
            }
        }

        return images;
    }
}
