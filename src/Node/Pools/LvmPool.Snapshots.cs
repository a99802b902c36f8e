using System.Globalization;
using System.Security.Cryptography;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Pools;

internal sealed partial class LvmPool
{
    private static readonly TimeSpan CountsWithin = TimeSpan.FromMinutes(2);

    /// <summary>It is one from the moment that the first of its volumes is marked as of a whole snapshot.</summary>
    public async Task SnapshotAsync(string owner, IReadOnlyList<string> disks, Id<Snapshot> snapshot, CancellationToken ct)
    {
        using var change = await ChangeAsync(ct, [.. disks.Select(d => new DiskName(owner, d))]);
        var state = change.State;
        if (state.SnapshotOf(owner, $"{snapshot}").Count > 0)
        {
            return;
        }

        var volumes = disks.Select(d => new DiskName(owner, d)).Select(d => state.DiskOf(d) ?? throw PoolErrors.DiskMissing(d)).ToList();
        var of = Lvm.Tag(LvmVolume.Of, disks.Count.ToString(CultureInfo.InvariantCulture));
        await TryAsync(
            "The snapshot",
            async () =>
            {
                // What a guest wrote and did not flush yet may be in the host's memory still, and belongs to it where its own memory is kept too.
                foreach (var volume in volumes.Where(v => v.IsActive))
                {
                    using var device = Posix.OpenDisk(volume.Path, writable: true);
                    RandomAccess.FlushToDisk(device);
                }

                var made = new List<string>();
                foreach (var volume in volumes)
                {
                    var name = NewName();
                    string[] tags = [.. TagsOf(volume.Disk!.Value), Lvm.Tag("snapshot", $"{snapshot}"), of];
                    await _lvm.RunAsync(ct, ["lvcreate", "--yes", "--snapshot", "--setactivationskip", "y", "--permission", "r", "--name", name, .. Added(tags), _lvm.NameOf(volume)]);
                    made.Add(_lvm.NameOf(name));
                }

                await _lvm.RunAsync(ct, ["lvchange", "--yes", "--addtag", Lvm.Tag(LvmVolume.Whole, "1"), .. made]);
            });
    }

    public async Task DemandRestorableAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct)
    {
        Demand(new(owner, "x"));
        DemandWhole(await StateAsync(ct), owner, snapshot);
    }

    /// <summary>What is to be restored is written down first, at one instant, so that it is ended whatever breaks off.</summary>
    public async Task RestoreAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct)
    {
        using var change = await ChangeAsync(ct, new DiskName(owner, "x"));
        DemandWhole(change.State, owner, snapshot);
        var restore = new LvmRestore(owner, $"{snapshot}", RandomNumberGenerator.GetHexString(16, lowercase: true));
        await TryAsync(
            "The restore",
            async () =>
            {
                await _lvm.RunAsync(ct, "vgchange", "--yes", "--addtag", restore.TagIn(id), Group);
                await FinishAsync(restore, ct);
            });
    }

    public async Task DeleteSnapshotAsync(string owner, Id<Snapshot> snapshot, IDiskMerging merging, CancellationToken ct)
    {
        using var change = await ChangeAsync(ct, new DiskName(owner, "x"));
        if (change.State.SnapshotOf(owner, $"{snapshot}") is { Count: > 0 } volumes)
        {
            await TryAsync(
                "Deleting the snapshot",
                async () =>
                {
                    await _lvm.RunAsync(ct, ["lvchange", "--yes", "--deltag", Lvm.Tag(LvmVolume.Whole, "1"), .. volumes.Select(_lvm.NameOf)]);
                    await RemoveAsync(volumes, ct);
                });
        }
    }

    public async Task<IReadOnlyDictionary<Id<Snapshot>, long>> SnapshotsAsync(string owner, CancellationToken ct)
    {
        Demand(new(owner, "x"));
        var state = await StateAsync(ct);
        var snapshots = state.SnapshotsOf(owner).ToList();
        var alone = snapshots.Count == 0 ? new Dictionary<string, long>() : await AloneAsync(ct);
        return snapshots.ToDictionary(s => Id<Snapshot>.Parse(s), s => state.SnapshotOf(owner, s).Sum(v => alone.GetValueOrDefault(v.ThinId)));
    }

    /// <summary>A thin pool has no sums of its blocks: what is found is what is missing, and what its devices cannot read.</summary>
    public async Task<IReadOnlyList<string>> VerifyAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct)
    {
        using var change = await ChangeAsync(ct, new DiskName(owner, "x"));
        var volumes = change.State.SnapshotOf(owner, $"{snapshot}");
        if (volumes.Count == 0)
        {
            throw PoolErrors.SnapshotMissing(owner, snapshot);
        }

        List<string> wrong = WhyNotWhole(volumes) is { } why ? [$"Of the snapshot {snapshot} of {owner}, {why}."] : [];
        foreach (var volume in volumes)
        {
            await TryAsync($"Reading {volume.Disk} in the snapshot", () => ViewAsync(volume, async path =>
            {
                if (await RawFiles.ReadThroughAsync(path, ct) is { } unread)
                {
                    wrong.Add($"{_lvm.NameOf(volume)}, which is the disk {volume.Disk} in it, is damaged: {unread}");
                }
            }, ct));
        }

        return wrong;
    }

    public async Task CloneAsync(DiskName from, Id<Snapshot> at, DiskName to, CancellationToken ct)
    {
        using var change = await ChangeAsync(ct, from, to);
        var state = change.State;
        if (state.DiskOf(to) is not null)
        {
            return;
        }

        var kept = state.SnapshotOf(from.Owner, $"{at}").FirstOrDefault(v => v.Disk == from) ?? throw PoolErrors.SnapshotMissing(from.Owner, at);
        await TryAsync($"Cloning {from}", () => CopyAsync(kept, TagsOf(to), ct));
    }

    private static void DemandWhole(LvmState state, string owner, Id<Snapshot> snapshot)
    {
        var volumes = state.SnapshotOf(owner, $"{snapshot}");
        if (volumes.Count == 0)
        {
            throw PoolErrors.SnapshotMissing(owner, snapshot);
        }

        if (WhyNotWhole(volumes) is { } why)
        {
            throw PoolErrors.DiskDamaged(volumes[0].Disk!.Value, $"of the snapshot {snapshot} it is in, {why}");
        }
    }

    private static string? WhyNotWhole(IReadOnlyList<LvmVolume> volumes) =>
        volumes[0].Tag(LvmVolume.Of) is { } of && int.TryParse(of, CultureInfo.InvariantCulture, out var wanted) && wanted == volumes.Count
            ? null : $"{volumes.Count} of {volumes[0].Tag(LvmVolume.Of)} volumes are there";

    /// <summary>Makes each disk anew of the snapshot, then removes the one before; done again, what was done is not done twice.</summary>
    private async Task FinishAsync(LvmRestore restore, CancellationToken ct)
    {
        var state = await StateAsync(ct);
        foreach (var kept in state.SnapshotOf(restore.Owner, restore.Snapshot))
        {
            var disks = state.DisksOf(restore.Owner).Where(v => v.Disk == kept.Disk).ToList();
            if (!disks.Any(v => v.Tag(LvmVolume.By) == restore.By))
            {
                await CopyAsync(kept, [.. TagsOf(kept.Disk!.Value), Lvm.Tag(LvmVolume.By, restore.By)], ct);
            }

            await RemoveAsync([.. disks.Where(v => v.Tag(LvmVolume.By) != restore.By)], ct);
        }

        await _lvm.RunAsync(ct, "vgchange", "--yes", "--deltag", restore.TagIn(id), Group);
    }

    /// <summary>Has a snapshot's device there for as long as the work takes.</summary>
    private async Task ViewAsync(LvmVolume volume, Func<string, Task> work, CancellationToken ct)
    {
        await _lvm.RunAsync(ct, "lvchange", "--yes", "--activate", "y", "--ignoreactivationskip", _lvm.NameOf(volume));
        try
        {
            await work((await NamedAsync(volume.Name, ct)).Path);
        }
        finally
        {
            await _lvm.RunAsync(CancellationToken.None, "lvchange", "--yes", "--activate", "n", _lvm.NameOf(volume));
        }
    }

    /// <summary>
    /// How many bytes each volume has that no other has, by its number in the thin pool: thin_ls(8) reads them from a copy of the pool's own
    /// tables that the kernel holds still meanwhile. None where it cannot be asked.
    /// </summary>
    private async Task<IReadOnlyDictionary<string, long>> AloneAsync(CancellationToken ct)
    {
        var thin = source.Split('/')[1];
        using var held = await _locks.HoldAsync(ct, "tables");
        try
        {
            await MessageAsync("release_metadata_snap", mayFail: true, ct);
            await MessageAsync("reserve_metadata_snap", mayFail: false, ct);
            var said = (await shell.RunAsync(new("thin_ls", ["--metadata-snap", "--no-headers", "--format", "DEV,EXCLUSIVE_BYTES", $"/dev/mapper/{_lvm.DeviceOf($"{thin}_tmeta")}"], CountsWithin), ct)).Output;
            return said.Split('\n').Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(l => l.Length == 2)
                .ToDictionary(l => l[0], l => long.TryParse(l[1], CultureInfo.InvariantCulture, out var bytes) ? bytes : 0);
        }
        catch (CommandFailed)
        {
            return new Dictionary<string, long>();
        }
        finally
        {
            await MessageAsync("release_metadata_snap", mayFail: true, CancellationToken.None);
        }

        async Task MessageAsync(string message, bool mayFail, CancellationToken until)
        {
            try
            {
                await shell.RunAsync(new("dmsetup", ["message", $"{_lvm.DeviceOf(thin)}-tpool", "0", message], CountsWithin), until);
            }
            catch (CommandFailed) when (mayFail)
            {
            }
        }
    }
}
