using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Pools;

internal sealed partial class DirPool
{
    public async Task CloneAsync(DiskName from, Id<Snapshot> at, DiskName to, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, from, to);
        if (Read(to.Owner).Disks.ContainsKey(to.Name))
        {
            return;
        }

        var known = Living(from, Known(from));
        var layer = known.Tree.Snapshots.GetValueOrDefault(at.ToString()) ?? throw PoolErrors.SnapshotMissing(from.Owner, at);
        var chain = ChainOf(from, known, layer);
        var fresh = NewName();

        // The tie is written down first where it holds something back. Without the clone it holds nothing.
        Write(from.Owner, Read(from.Owner).With(from.Name, known with { Tree = known.Tree.WithClone(new(layer, to.Owner, to.Name)) }));
        await NewLayerAsync(to, fresh, chain.SizeBytes, chain.Top.Path, ct);
        Write(to.Owner, Read(to.Owner).With(to.Name, new(new(Layer: new(from.Owner, from.Name, layer)), LayerTree.Of(fresh, chain.SizeBytes))));
    }

    /// <summary>
    /// A guest that has it open takes what shows through from others' layers into the lowest of its own, one layer after the other; what is under those, an
    /// image, stays. Else a layer that holds all takes the place of the lowest: its file is not written to where others read it.
    /// </summary>
    public async Task PromoteAsync(DiskName disk, IDiskMerging merging, Action<DiskProgress> report, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, disk);
        var known = Known(disk);
        if (known.Base?.Layer is null)
        {
            return;
        }

        if (LivingClones(disk, known).FirstOrDefault() is { } clone)
        {
            throw PoolErrors.HasClones(disk, $"{clone.Owner}/{clone.Disk}");
        }

        var lowest = known.Tree.Lowest;
        if (await merging.SwitchAsync(ct))
        {
            var chain = ChainOf(disk);
            var upper = chain.Layers.Single(l => l.Name == lowest);
            var own = chain.Layers.TakeWhile(l => l != upper).Append(upper).ToList();
            for (var below = chain.Layers.Skip(own.Count).ToList(); below is [{ Name: not ImageLayer }, ..]; below.RemoveAt(0))
            {
                await TryAsync($"Copying {disk}", () => merging.StreamAsync(disk, chain with { Layers = [.. own, .. below] }, upper, ct));
            }

            Write(disk.Owner, Read(disk.Owner).With(disk.Name, known with { Base = chain.Layers is [.., { Name: ImageLayer } image] ? new(Image: image.Path) : null }));
        }
        else
        {
            var (chain, fresh) = (ChainOf(disk, known, lowest), NewName());
            await TryAsync($"Copying {disk}", () => qemu.FlattenAsync(NodePools.FilesOf(chain), FileOf(disk, fresh), percent => report(new((long)(percent / 100 * chain.SizeBytes), chain.SizeBytes)), ct));
            Settle(disk, fresh);
            Write(disk.Owner, Read(disk.Owner).With(disk.Name, new(null, known.Tree.WithInPlaceOf(lowest, fresh))));
            Sweep(disk.Owner);
        }
    }

    public async Task<IReadOnlyList<string>> VerifyAsync(string owner, Id<Snapshot> snapshot, CancellationToken ct)
    {
        Demand(new(owner, "x"));
        var wrong = new List<string>();
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
                wrong.AddRange(await VerifyAsync(new(owner, name), known, layer, ct));
            }
        }

        return wrong;
    }

    private async Task<List<string>> VerifyAsync(DiskName disk, DiskRecord known, string layer, CancellationToken ct)
    {
        var wrong = new List<string>();
        List<DiskLayer> layers;
        try
        {
            layers = [.. LayersOf(disk, known, layer)];
        }
        catch (Refusal refusal)
        {
            return [refusal.Message];
        }

        foreach (var each in layers)
        {
            try
            {
                if (!File.Exists(each.Path))
                {
                    wrong.Add($"{each.Path} of the disk {disk} is missing.");
                    continue;
                }

                var size = Examine(disk, each);
                if (known.Tree.Layers.TryGetValue(each.Name, out var wanted) && wanted.SizeBytes != size)
                {
                    wrong.Add($"{each.Path} of the disk {disk} was altered: it claims {size} bytes, not {wanted.SizeBytes}.");
                }

                if (each.Format == DiskFormat.Qcow2)
                {
                    await qemu.CheckLayerAsync(new(each.Path), ct);
                }
                else if (await RawFiles.ReadThroughAsync(each.Path, ct) is { } unread)
                {
                    wrong.Add($"{each.Path} of the disk {disk} is damaged: {unread}");
                }
            }
            catch (Refusal refusal)
            {
                wrong.Add($"{each.Path} of the disk {disk} is damaged: {refusal.Message}");
            }
        }

        return wrong;
    }

    /// <summary>Clones that are still there and lie over this disk: a tie that was written down for one that never came to be, or is gone, holds nothing.</summary>
    private IEnumerable<LayerClone> LivingClones(DiskName disk, DiskRecord known) => known.Tree.Clones.Where(
        c => Read(c.Owner).Disks.GetValueOrDefault(c.Disk)?.Base?.Layer is { } below && below == new BaseLayer(disk.Owner, disk.Name, c.Layer));

    private DiskRecord Living(DiskName disk, DiskRecord known) => known with { Tree = known.Tree with { Clones = [.. LivingClones(disk, known)] } };
}
