namespace Gantry.Node.Pools;

/// <summary>
/// The layers of one disk, how they lie over each other, and who needs which: the guest the top, a snapshot its own, a linked
/// clone the one it begins at. A layer that nobody needs by itself is spare. Pure: what is to be done next, and how it is then.
/// </summary>
/// <param name="Top">The one that is written to.</param>
/// <param name="Layers">By name.</param>
/// <param name="Snapshots">The layer each snapshot is, by the snapshot's id.</param>
/// <param name="Clones">Disks of other owners that lie over a layer of this one.</param>
internal sealed record LayerTree(
    string Top, IReadOnlyDictionary<string, Layer> Layers, IReadOnlyDictionary<string, string> Snapshots, IReadOnlyList<LayerClone> Clones)
{
    public static LayerTree Of(string top, long sizeBytes) =>
        new(top, new Dictionary<string, Layer> { [top] = new(null, sizeBytes) }, new Dictionary<string, string>(), []);

    public long SizeBytes => Layers[Top].SizeBytes;

    /// <summary>A layer and all under it, down to the one whose base is the disk's.</summary>
    public IEnumerable<string> From(string layer)
    {
        for (var at = (string?)layer; at is not null; at = Layers[at].Parent)
        {
            yield return at;
        }
    }

    public IEnumerable<string> ChildrenOf(string layer) => Layers.Where(l => l.Value.Parent == layer).Select(l => l.Key);

    public bool HasClones(string layer) => Clones.Any(c => c.Layer == layer);

    /// <summary>A guest of another owner reads it: it stays as it is.</summary>
    public bool IsFrozen(string layer) => Clones.Any(c => From(c.Layer).Contains(layer));

    private bool IsSpare(string layer) => layer != Top && !Snapshots.Values.Contains(layer) && !HasClones(layer);

    /// <summary>A new layer over the top, which does not change any more.</summary>
    public LayerTree WithTop(string fresh) => this with { Top = fresh, Layers = With(fresh, new(Top, SizeBytes)) };

    public LayerTree WithSnapshot(string snapshot, string fresh) =>
        WithTop(fresh) with { Snapshots = new Dictionary<string, string>(Snapshots) { [snapshot] = Top } };

    /// <summary>The top lies over what some snapshot is.</summary>
    public bool IsOverSnapshot => Layers[Top].Parent is { } lower && Snapshots.Values.Contains(lower) && Layers[lower].SizeBytes == SizeBytes;

    /// <summary>What the top lies over is another snapshot too.</summary>
    public LayerTree WithSnapshotAgain(string snapshot) => this with { Snapshots = new Dictionary<string, string>(Snapshots) { [snapshot] = Layers[Top].Parent! } };

    /// <summary>A new top over a snapshot; the top before is dropped with what only it needed.</summary>
    public LayerTree WithRestored(string snapshot, string fresh)
    {
        var at = Snapshots[snapshot];
        return (this with { Top = fresh, Layers = With(fresh, new(at, Layers[at].SizeBytes)) }).Pruned();
    }

    public LayerTree WithoutSnapshot(string snapshot) =>
        (this with { Snapshots = Snapshots.Where(s => s.Key != snapshot).ToDictionary() }).Pruned();

    public LayerTree WithClone(LayerClone clone) => this with { Clones = [.. Clones.Where(c => c != clone), clone] };

    public LayerTree WithSize(long sizeBytes) => this with { Layers = With(Top, Layers[Top] with { SizeBytes = sizeBytes }) };

    /// <summary>Without the spare layers that nothing lies over.</summary>
    public LayerTree Pruned()
    {
        var tree = this;
        while (tree.Layers.Keys.FirstOrDefault(l => tree.IsSpare(l) && !tree.ChildrenOf(l).Any()) is { } leaf)
        {
            tree = tree with { Layers = tree.Layers.Where(l => l.Key != leaf).ToDictionary() };
        }

        return tree;
    }

    /// <summary>
    /// What makes the tree smaller next: a spare layer with one child becomes one with it. One with several children is shared by
    /// branches, and stays; so does what a clone reads.
    /// </summary>
    /// <param name="bytes">What a layer takes.</param>
    /// <param name="isOpen">
    /// A guest writes to the top. Then the top is never written into the one below it: when all ended right after, nobody could tell which of
    /// both the guest wrote to last. Nor does it take in the one below: QEMU flushes what it copied into other layers only. And only then can
    /// a layer take in the one below it.
    /// </param>
    public LayerStep? Next(Func<string, long> bytes, bool isOpen)
    {
        foreach (var lower in Layers.Keys.Where(IsSpare).Order(StringComparer.Ordinal))
        {
            if (ChildrenOf(lower).ToList() is not [var upper] || IsFrozen(upper))
            {
                continue;
            }

            if (isOpen && upper != Top && From(Top).Contains(upper) && bytes(lower) <= bytes(upper))
            {
                return new(LayerMerge.Stream, upper, lower);
            }

            if (!isOpen || upper != Top)
            {
                return new(LayerMerge.Commit, upper, lower);
            }
        }

        return null;
    }

    /// <summary>The spare layer under the top of a running guest, which can only go into one with it when another top was put over both.</summary>
    public string? WaitsForTop() => Layers[Top].Parent is { } lower && IsSpare(lower) && ChildrenOf(lower).Count() == 1 ? lower : null;

    /// <summary>The layer that lies over the disk's base.</summary>
    public string Lowest => Layers.Single(l => l.Value.Parent is null).Key;

    /// <summary>With another layer in place of one, which holds all that the one did.</summary>
    public LayerTree WithInPlaceOf(string layer, string fresh) => new(
        Top == layer ? fresh : Top,
        Layers.ToDictionary(l => l.Key == layer ? fresh : l.Key, l => l.Value.Parent == layer ? l.Value with { Parent = fresh } : l.Value),
        Snapshots.ToDictionary(s => s.Key, s => s.Value == layer ? fresh : s.Value),
        [.. Clones.Select(c => c.Layer == layer ? c with { Layer = fresh } : c)]);

    /// <summary>How it is when a step is done.</summary>
    public LayerTree After(LayerStep step)
    {
        var (gone, kept) = step.Merge == LayerMerge.Commit ? (step.Upper, step.Lower) : (step.Lower, step.Upper);
        var layers = Layers.Where(l => l.Key != gone).ToDictionary(
            l => l.Key,
            l => l.Key == kept ? new Layer(Layers[step.Lower].Parent, Layers[step.Upper].SizeBytes) : l.Value.Parent == gone ? l.Value with { Parent = kept } : l.Value);
        return new(Top == gone ? kept : Top, layers, Snapshots.ToDictionary(s => s.Key, s => s.Value == gone ? kept : s.Value), Clones);
    }

    private Dictionary<string, Layer> With(string name, Layer layer) => new(Layers) { [name] = layer };
}

/// <param name="Parent">The one it lies over; null when that is the disk's base, or nothing.</param>
internal sealed record Layer(string? Parent, long SizeBytes);

/// <param name="Layer">What it lies over.</param>
internal sealed record LayerClone(string Layer, string Owner, string Disk);

internal enum LayerMerge
{
    /// <summary>The upper is written into the lower.</summary>
    Commit = 1,

    /// <summary>The upper takes in what shows through from the lower.</summary>
    Stream = 2,
}

internal sealed record LayerStep(LayerMerge Merge, string Upper, string Lower);
