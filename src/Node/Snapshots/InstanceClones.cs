using Gantry.Contracts;
using Gantry.Node.Instances;
using Gantry.Node.Pools;

namespace Gantry.Node.Snapshots;

/// <summary>
/// Makes instances of snapshots. Made again, what is there already stays, so what broke off is gone on with.
/// </summary>
internal sealed class InstanceClones(LocalNode node)
{
    private readonly NodePools _pools = node.Context.Pools;

    /// <summary>The folder, the disks, and what the firmware and the TPM remember. What the specification says of disks' sizes gives way to the snapshot.</summary>
    /// <param name="spec">Of the clone. Its disks are in the snapshot, under the same names.</param>
    /// <exception cref="Refusal"><c>snapshot.*</c>, <c>pool.*</c>, <c>volume.*</c></exception>
    public async Task MakeAsync(InstanceSpec spec, CloneSource source, Action<Progress> report, CancellationToken ct)
    {
        await node.DemandRestorableAsync(source.Instance, source.Snapshot, source.Sha256, ct);
        await _pools.DemandAsync(InstanceVolumes.Disks(spec).Select(v => v.Pool), ct);
        var (folder, record) = Read(source.Instance, source.Snapshot);
        var disks = record.Disks.ToDictionary(d => d.Volume);
        spec = node.Keep(spec with
        {
            Volumes = spec.Volumes is null ? null : [.. spec.Volumes.Select(v => disks.TryGetValue(v.Name, out var was) ? v with { SizeBytes = was.SizeBytes } : v)],
        });

        var (done, total) = (0L, InstanceVolumes.Disks(spec).Sum(v => v.SizeBytes));
        foreach (var volume in InstanceVolumes.Disks(spec))
        {
            var was = disks.GetValueOrDefault(volume.Name) ?? throw PoolErrors.SnapshotMissing($"{source.Instance}/{volume.Name}", source.Snapshot);
            var (from, to) = (InstanceDisks.NameOf(source.Instance, volume.Name), InstanceDisks.NameOf(spec.Id, volume.Name));
            if (source.Linked)
            {
                await _pools.Of(volume.Pool).CloneAsync(from, source.Snapshot, to, ct);
                Told(new(volume.SizeBytes, volume.SizeBytes));
            }
            else
            {
                await _pools.Copies.MakeAsync(_pools.Of(was.Pool), from, source.Snapshot, _pools.Of(volume.Pool), to, Told, ct);
            }

            done += volume.SizeBytes;

            void Told(DiskProgress now) => report(new DiskProgress(done + now.DoneBytes, total).ToWire($"{(source.Linked ? "link" : "copy")} {volume.Name}"));
        }

        folder.PutInto(spec.Id, record, source.CopyTpm ? spec.TpmUid : null);
        await node.DefineAsync(spec, ct);
    }

    /// <summary>Removes what there is of a clone, and what was made for reading what it was made of.</summary>
    public async Task RemoveAsync(Id<Instance> id, CloneSource source, CancellationToken ct)
    {
        await DiskCopies.EndAsync([.. PoolsOf(source.Instance), .. PoolsOf(id)], $"{id}", ct);
        await node.RemoveAsync(id, ct);
    }

    /// <summary>Shows the first disk as it was in a snapshot for as long as the work takes, whatever is done to the instance meanwhile.</summary>
    /// <param name="reader">What the work is for: two at once have two names.</param>
    /// <exception cref="Refusal"><c>image.no_disk</c>, <c>snapshot.missing</c>, <c>pool.*</c></exception>
    public Task ReadAsync(Id<Instance> instance, Id<Snapshot> snapshot, string reader, Func<Disk, Task> work, CancellationToken ct)
    {
        var (_, record) = Read(instance, snapshot);
        var disk = record.Disks is [var first, ..] ? first : throw NodeSnapshotErrors.NoDisk(snapshot);
        return DiskCopies.ReadAsync(_pools.Of(disk.Pool), InstanceDisks.NameOf(instance, disk.Volume), snapshot, reader, work, ct);
    }

    /// <summary>Removes what reading that broke off left behind.</summary>
    public Task EndReadingAsync(Id<Instance> instance, string reader, CancellationToken ct) => DiskCopies.EndAsync(PoolsOf(instance), reader, ct);

    /// <summary>Makes the disks of a linked clone stand alone.</summary>
    /// <exception cref="Refusal"><c>volume.tied</c>, <c>pool.*</c></exception>
    public async Task PromoteAsync(Id<Instance> id, Action<Progress> report, CancellationToken ct)
    {
        using var turn = await node.TurnAsync(id, ct);
        foreach (var volume in InstanceVolumes.Disks(node.Context.Folders.Read(id)))
        {
            if (_pools.Of(volume.Pool) is ITiedClones pool)
            {
                void Told(DiskProgress now) => report(now.ToWire($"copy {volume.Name}"));
                await pool.PromoteAsync(InstanceDisks.NameOf(id, volume.Name), node.MergingOf(id, Told), Told, ct);
            }
        }
    }

    private (SnapshotFolder Folder, SnapshotRecord Record) Read(Id<Instance> instance, Id<Snapshot> snapshot)
    {
        var folder = new SnapshotFolder(node.Context.Root, instance, snapshot);
        return (folder, (folder.TryRead() ?? throw NodeSnapshotErrors.Missing(snapshot)).Record);
    }

    private IEnumerable<IPool> PoolsOf(Id<Instance> id) => InstanceVolumes.Disks(node.TryRead(id)).Select(v => v.Pool).Distinct().Select(_pools.Of);
}
