using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Pools;

internal sealed partial class DirPool
{
    /// <summary>What a running guest may have written since a snapshot without its top being put under another one to be merged.</summary>
    private const long SmallTop = 16L << 20;

    /// <summary>
    /// The record has the new tops before a running guest is told of them. If all ends in between, they are empty over layers that hold everything.
    /// </summary>
    public async Task SnapshotAsync(string owner, IReadOnlyList<string> disks, Id<Snapshot> snapshot, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, [.. disks.Select(d => new DiskName(owner, d))]);
        var record = Read(owner);
        if (HasSnapshot(record, snapshot))
        {
            return;
        }

        foreach (var name in disks)
        {
            var disk = new DiskName(owner, name);
            var known = record.Disks.GetValueOrDefault(name) ?? throw PoolErrors.DiskMissing(disk);
            var fresh = NewName();
            await NewLayerAsync(disk, fresh, known.Tree.SizeBytes, FileOf(disk, known.Tree.Top), ct);
            record = record.With(name, known with { Tree = known.Tree.WithSnapshot(snapshot.ToString(), fresh) });
        }

        Write(owner, record);
    }

    public async Task<bool> TrySnapshotAgainAsync(string owner, IReadOnlyList<string> disks, Id<Snapshot> snapshot, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, [.. disks.Select(d => new DiskName(owner, d))]);
        var record = Read(owner);
        foreach (var name in disks)
        {
            var disk = new DiskName(owner, name);
            var known = record.Disks.GetValueOrDefault(name) ?? throw PoolErrors.DiskMissing(disk);
            if (!known.Tree.IsOverSnapshot || BytesOf(disk, known.Tree.Top) > SmallTop || !await IsEmptyAsync(disk, known.Tree.Top, ct))
            {
                return false;
            }

            record = record.With(name, known with { Tree = known.Tree.WithSnapshotAgain(snapshot.ToString()) });
        }

        if (!HasSnapshot(Read(owner), snapshot))
        {
            Write(owner, record);
        }

        return true;
    }

    private async Task<bool> IsEmptyAsync(DiskName disk, string layer, CancellationToken ct)
    {
        Examine(disk, new DiskLayer(layer, FileOf(disk, layer), FormatOf(layer)));
        return await qemu.IsEmptyAsync(new(FileOf(disk, layer)), ct);
    }

    public async Task DemandRestorableAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct)
    {
        Demand(new(owner, "x"));
        await _folder.DemandAsync(ct);
        var record = Read(owner);
        if (!HasSnapshot(record, snapshot))
        {
            throw PoolErrors.SnapshotMissing(owner, snapshot);
        }

        foreach (var (name, known) in record.Disks)
        {
            if (known.Tree.Snapshots.TryGetValue(snapshot.ToString(), out var layer))
            {
                ChainOf(new(owner, name), known, layer);
            }
        }
    }

    public async Task RestoreAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, new DiskName(owner, "x"));
        var record = Read(owner);
        if (!HasSnapshot(record, snapshot))
        {
            throw PoolErrors.SnapshotMissing(owner, snapshot);
        }

        foreach (var (name, known) in record.Disks)
        {
            if (known.Tree.Snapshots.TryGetValue(snapshot.ToString(), out var layer))
            {
                var disk = new DiskName(owner, name);
                ChainOf(disk, known, layer);
                var fresh = NewName();
                await NewLayerAsync(disk, fresh, known.Tree.Layers[layer].SizeBytes, FileOf(disk, layer), ct);
                record = record.With(name, known with { Tree = Living(disk, known).Tree.WithRestored(snapshot.ToString(), fresh) });
            }
        }

        Write(owner, record);
        Sweep(owner);
    }

    public async Task DeleteSnapshotAsync(string owner, Id<Snapshot> snapshot, IDiskMerging merging, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, new DiskName(owner, "x"));
        var record = Read(owner);
        foreach (var (name, known) in record.Disks)
        {
            var disk = new DiskName(owner, name);
            if (known.Tree.Snapshots.TryGetValue(snapshot.ToString(), out var layer) && known.Tree.Snapshots.Values.Count(l => l == layer) == 1 && LivingClones(disk, known).FirstOrDefault(c => c.Layer == layer) is { } clone)
            {
                throw PoolErrors.SnapshotHasClones(snapshot, $"{clone.Owner}/{clone.Disk}");
            }
        }

        // From here on it is gone, and what it kept is spare; a call that breaks off is gone on with by the next one.
        record = record with { Disks = record.Disks.ToDictionary(d => d.Key, d => d.Value with { Tree = Living(new(owner, d.Key), d.Value).Tree.WithoutSnapshot(snapshot.ToString()) }) };
        Write(owner, record);
        Sweep(owner);
        if (record.Disks.Values.All(d => d.Tree.Next(_ => 0, isOpen: false) is null))
        {
            return;
        }

        var isOpen = await merging.SwitchAsync(ct);
        foreach (var name in record.Disks.Keys.Order(StringComparer.Ordinal))
        {
            await MergeAsync(new(owner, name), merging, isOpen, ct);
        }
    }

    public async Task<IReadOnlyDictionary<Id<Snapshot>, long>> SnapshotsAsync(string owner, CancellationToken ct)
    {
        Demand(new(owner, "x"));
        await _folder.DemandAsync(ct);
        var bytes = new Dictionary<Id<Snapshot>, long>();
        foreach (var (name, known) in Read(owner).Disks)
        {
            foreach (var (snapshot, layer) in known.Tree.Snapshots)
            {
                var id = Id<Snapshot>.Parse(snapshot);
                bytes[id] = bytes.GetValueOrDefault(id) + FreedBy(new(owner, name), known.Tree, layer);
            }
        }

        return bytes;
    }

    private static bool HasSnapshot(OwnerRecord record, Id<Snapshot> snapshot) => record.Disks.Values.Any(d => d.Tree.Snapshots.ContainsKey(snapshot.ToString()));

    /// <summary>Of two layers that become one, the smaller is written into the other, so at most that much is free then.</summary>
    private long FreedBy(DiskName disk, LayerTree tree, string layer) => (tree.HasClones(layer) || tree.Snapshots.Values.Count(l => l == layer) > 1, tree.ChildrenOf(layer).ToList()) switch
    {
        (true, _) => 0,
        (_, []) => BytesOf(disk, layer),
        (_, [var child]) => Math.Min(BytesOf(disk, layer), BytesOf(disk, child)),
        _ => 0,
    };

    /// <summary>What it takes; of a raw one, which stays what it is and takes others in, more than of any other.</summary>
    private long WeightOf(DiskName disk, string layer) => FormatOf(layer) == DiskFormat.Raw ? long.MaxValue : BytesOf(disk, layer);

    private long BytesOf(DiskName disk, string layer) => Posix.TryAllocatedBytes(FileOf(disk, layer)) ?? 0;

    /// <summary>Makes one of every two layers that can be, each step written down when it is done. Done twice, a step changes nothing more.</summary>
    private async Task MergeAsync(DiskName disk, IDiskMerging merging, bool isOpen, CancellationToken ct)
    {
        if (isOpen && Known(disk).Tree is var tree && tree.WaitsForTop() is not null && tree.Next(l => WeightOf(disk, l), isOpen) is null && BytesOf(disk, tree.Top) > SmallTop)
        {
            var fresh = NewName();
            await NewLayerAsync(disk, fresh, tree.SizeBytes, FileOf(disk, tree.Top), ct);
            Note(disk, t => t.WithTop(fresh));
            isOpen = await merging.SwitchAsync(ct);
        }

        while (Known(disk) is var known && known.Tree.Next(l => WeightOf(disk, l), isOpen) is { } step)
        {
            var from = known.Tree.From(known.Tree.Top).Contains(step.Upper) ? known.Tree.Top : step.Upper;
            var chain = ChainOf(disk, known, from);
            var upper = chain.Layers.Single(l => l.Name == step.Upper);
            await TryAsync(
                $"Merging layers of {disk}",
                () => step.Merge == LayerMerge.Commit ? merging.CommitAsync(disk, chain, upper, ct) : merging.StreamAsync(disk, chain, upper, ct));
            Note(disk, t => t.After(step));
            Sweep(disk.Owner);
        }
    }

    private void Note(DiskName disk, Func<LayerTree, LayerTree> change)
    {
        var record = Read(disk.Owner);
        var known = record.Disks.GetValueOrDefault(disk.Name) ?? throw PoolErrors.DiskMissing(disk);
        Write(disk.Owner, record.With(disk.Name, known with { Tree = change(known.Tree) }));
    }
}
