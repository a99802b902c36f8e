using System.Globalization;
using System.Security.Cryptography;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Pools;

internal sealed partial class ZfsPool
{
    public async Task SnapshotAsync(string owner, IReadOnlyList<string> disks, Id<Snapshot> snapshot, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, [.. disks.Select(d => new DiskName(owner, d))]);
        foreach (var disk in disks.Select(d => new DiskName(owner, d)))
        {
            if (!File.Exists(PathOf(disk)))
            {
                throw PoolErrors.DiskMissing(disk);
            }
        }

        await TryAsync(
            "The snapshot",
            async () =>
            {
                try
                {
                    await _zfs.RunAsync(ct, "snapshot", "-r", "-o", $"{DisksOf}={string.Join(',', disks)}", $"{SetOf(owner)}@{snapshot}");
                }
                catch (CommandFailed e) when (e.Errors.Contains("already exists", StringComparison.Ordinal))
                {
                }
            });
    }

    public async Task DemandRestorableAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct)
    {
        Demand(new(owner, "x"));
        await MountAsync(ct);
        await DemandWholeAsync(owner, snapshot, ct);
    }

    /// <summary>What is to be restored is written down first, so that it is ended whatever breaks off.</summary>
    public async Task RestoreAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, new DiskName(owner, "x"));
        await DemandWholeAsync(owner, snapshot, ct);
        AtomicFile.Write(RestoringOf(owner), System.Text.Encoding.UTF8.GetBytes($"{snapshot}"));
        await FinishRestoreAsync(owner, ct);
    }

    private async Task DemandWholeAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct)
    {
        var disks = (await SnapshotDisksAsync(owner, ct)).GetValueOrDefault($"{snapshot}") ?? throw PoolErrors.SnapshotMissing(owner, snapshot);
        var tree = await TreeAsync(ct);
        foreach (var name in disks.Where(name => tree.Holding(owner, name, $"{snapshot}") is null))
        {
            throw PoolErrors.DiskDamaged(new(owner, name), $"the snapshot {snapshot} of it is not there");
        }
    }

    public async Task DeleteSnapshotAsync(string owner, Id<Snapshot> snapshot, IDiskMerging merging, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, new DiskName(owner, "x"));
        var tree = await TreeAsync(ct);
        if (tree.Ties((parent, at, _) => parent.Owner == owner && at == $"{snapshot}").Select(t => (DiskName?)t).FirstOrDefault() is { } clone)
        {
            throw PoolErrors.SnapshotHasClones(snapshot, $"{clone}");
        }

        await TryAsync(
            "Deleting the snapshot",
            async () =>
            {
                // The owner's own says whether there is one: it goes first. Those that branches stand on go when the branches do.
                var all = tree.Snapshots.Where(s => tree.IsOf(s.Set, owner)).ToList();
                var living = all.Where(s => s.Set == SetOf(owner) && s.Name != $"{snapshot}").Select(s => s.Name).ToHashSet();
                foreach (var gone in all.Where(s => !s.IsGoing && !living.Contains(s.Name)).OrderBy(s => s.Set != SetOf(owner)))
                {
                    await _zfs.RunAsync(ct, "destroy", "-d", $"{gone.Set}@{gone.Name}");
                }

                await TidyAsync(owner, ct);
            });
    }

    public async Task<IReadOnlyDictionary<Id<Snapshot>, long>> SnapshotsAsync(string owner, CancellationToken ct)
    {
        Demand(new(owner, "x"));
        var living = await SnapshotDisksAsync(owner, ct);
        var bytes = living.Keys.ToDictionary(k => Id<Snapshot>.Parse(k), _ => 0L);
        if (living.Count > 0)
        {
            foreach (var line in (string[][])[.. await UsedAsync(SetOf(owner), ct), .. await UsedAsync(Branches, ct)])
            {
                if (line[0].Split('@') is [var set, var name] && set != SetOf(owner) && living.ContainsKey(name))
                {
                    bytes[Id<Snapshot>.Parse(name)] += long.Parse(line[1], CultureInfo.InvariantCulture);
                }
            }
        }

        return bytes;
    }

    public async Task<IReadOnlyList<string>> VerifyAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct)
    {
        Demand(new(owner, "x"));
        await MountAsync(ct);
        var disks = (await SnapshotDisksAsync(owner, ct)).GetValueOrDefault($"{snapshot}") ?? throw PoolErrors.SnapshotMissing(owner, snapshot);
        var tree = await TreeAsync(ct);
        var wrong = new List<string>();
        foreach (var name in disks)
        {
            if (tree.Holding(owner, name, $"{snapshot}") is not { } set)
            {
                wrong.Add($"The snapshot {snapshot} of the disk {owner}/{name} is missing.");
                continue;
            }

            // ZFS compares each block with its sum when it is read.
            await ViewAsync($"{set}@{snapshot}", async file =>
            {
                if (!File.Exists(file))
                {
                    wrong.Add($"{set}@{snapshot} has no {Disk}: it is missing.");
                }
                else if (await RawFiles.ReadThroughAsync(file, ct) is { } why)
                {
                    wrong.Add($"{set}@{snapshot} is damaged: {why}");
                }
            }, ct);
        }

        return wrong;
    }

    public async Task CloneAsync(DiskName from, Id<Snapshot> at, DiskName to, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, from, to);
        if (await IsThereAsync(to, ct))
        {
            return;
        }

        var disks = (await SnapshotDisksAsync(from.Owner, ct)).GetValueOrDefault($"{at}") ?? throw PoolErrors.SnapshotMissing(from.Owner, at);
        var set = disks.Contains(from.Name) && (await TreeAsync(ct)).Holding(from.Owner, from.Name, $"{at}") is { } holding
            ? holding : throw PoolErrors.SnapshotMissing(from.Owner, at);
        await TryAsync(
            $"Cloning {from}",
            async () =>
            {
                await _zfs.RunAsync(ct, "create", "-p", SetOf(to.Owner));
                await DestroyUnfinishedAsync(SetOf(to), ct);
                await _zfs.RunAsync(ct, "clone", $"{set}@{at}", SetOf(to));
            });
    }

    private Task<IReadOnlyList<string[]>> UsedAsync(string set, CancellationToken ct) => _zfs.ListAsync(ct, "get", "-Hp", "-r", "-o", "name,value", "used", set);

    /// <summary>The disks in each snapshot of an owner, by the snapshot's id.</summary>
    private async Task<Dictionary<string, string[]>> SnapshotDisksAsync(string owner, CancellationToken ct) =>
        (await _zfs.ListAsync(ct, "list", "-H", "-t", "snapshot", "-r", "-d", "1", "-o", $"name,{DisksOf}", SetOf(owner)))
            .Select(l => (Name: l[0].Split('@'), Disks: l[1]))
            .Where(l => l.Name[0] == SetOf(owner) && Id<Snapshot>.TryParse(l.Name[1], null, out _))
            .ToDictionary(l => l.Name[1], l => l.Disks.Split(','));

    private async Task FinishRestoreAsync(string owner, CancellationToken ct)
    {
        if (!File.Exists(RestoringOf(owner)))
        {
            return;
        }

        var snapshot = (await File.ReadAllTextAsync(RestoringOf(owner), ct)).Trim();
        await TryAsync(
            "The restore",
            async () =>
            {
                var tree = await TreeAsync(ct);
                foreach (var name in (await SnapshotDisksAsync(owner, ct)).GetValueOrDefault(snapshot) ?? [])
                {
                    var (place, holding) = (SetOf(new DiskName(owner, name)), tree.Holding(owner, name, snapshot));
                    if (tree.Sets.Any(s => s.Name == place))
                    {
                        var branch = $"{Branches}/{owner}.{name}.{RandomNumberGenerator.GetHexString(12, lowercase: true)}";
                        await _zfs.RenameAsync(place, branch, ct);
                        holding = holding == place ? branch : holding;
                    }

                    await _zfs.RunAsync(ct, "clone", $"{holding}@{snapshot}", place);
                }

                await TidyAsync(owner, ct);
            });
        File.Delete(RestoringOf(owner));

        // Else a power cut could bring it back, and what was written since would be taken for what was before.
        Posix.SyncDirectory(PathOf(SetOf(owner)));
    }

    /// <summary>
    /// Removes branches that no snapshot needs. Where the last snapshot of one has another standing on it, that takes it over with all
    /// before it; else what was written to the branch since is given up.
    /// </summary>
    private async Task TidyAsync(string owner, CancellationToken ct)
    {
        while (true)
        {
            var tree = await TreeAsync(ct);
            var step = tree.Sets.Where(s => IsBranchOf(s.Name, owner)).Select(branch => tree.SnapshotsOf(branch.Name) switch
            {
                [] => ["destroy", branch.Name],
                [.., var last] => tree.Sets.FirstOrDefault(s => s.Origin == $"{branch.Name}@{last.Name}" && tree.DiskOf(s.Name) == tree.DiskOf(branch.Name)) is { } heir ? (string[])["promote", heir.Name] : null,
            }).FirstOrDefault(s => s is not null);
            if (step is null)
            {
                return;
            }

            await _zfs.RunAsync(ct, step);
        }
    }

    private bool IsBranchOf(string set, string owner) => set.StartsWith($"{Branches}/{owner}.", StringComparison.Ordinal);

    private async Task<ZfsTree> TreeAsync(CancellationToken ct) =>
        new(source, [.. await _zfs.ListAsync(ct, "list", "-H", "-t", "filesystem,snapshot", "-r", "-o", "name,origin,defer_destroy", source)]);

    /// <exception cref="Refusal"><c>volume.in_use</c></exception>
    private async Task DemandUntiedAsync(string owner, string? disk, CancellationToken ct)
    {
        var tree = await TreeAsync(ct);
        var ties = tree.Ties((parent, _, clone) => disk is null ? parent.Owner == owner && clone.Owner != owner : parent == new DiskName(owner, disk));
        if (ties.Select(t => (DiskName?)t).FirstOrDefault() is { } tie)
        {
            throw PoolErrors.HasClones(new(owner, disk ?? tie.Name), $"{tie}");
        }
    }

    /// <summary>Shows a snapshot's file for as long as the work takes.</summary>
    private async Task ViewAsync(string snapshot, Func<string, Task> work, CancellationToken ct)
    {
        var view = $"{Views}/{RandomNumberGenerator.GetHexString(12, lowercase: true)}";
        await _zfs.RunAsync(ct, "clone", "-o", "readonly=on", snapshot, view);
        try
        {
            await work($"{PathOf(view)}/{Disk}");
        }
        finally
        {
            await _zfs.RunAsync(CancellationToken.None, "destroy", view);
        }
    }
}
