using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Host;
using Gantry.Node.Instances;
using Gantry.Node.Pools;

namespace Gantry.Node.Snapshots;

/// <summary>
/// Snapshots of this node's instances: a folder of each, and the disks in their pools. One call at a time for each instance. Whatever breaks
/// off is gone on with, or cleared away, by the same call made again.
/// </summary>
internal sealed partial class InstanceSnapshots(LocalNode node)
{
    private readonly NamedLocks _turns = new();

    private GantryRoot Root => node.Context.Root;

    /// <summary>The right to do what must not happen while a snapshot of an instance is taken, restored or deleted.</summary>
    public Task<NamedLocks.Held> TurnAsync(Id<Instance> id, CancellationToken ct) => _turns.HoldAsync(ct, id.ToString());

    /// <summary>All disks at one instant, with what firmware and TPM remember, and the memory where that is wished for.</summary>
    public async Task<TakenSnapshot> TakeAsync(Id<Instance> id, Id<Snapshot> snapshot, SnapshotWish wish, Action<DiskProgress> report, CancellationToken ct)
    {
        using var turn = await _turns.HoldAsync(ct, id.ToString());
        var folder = new SnapshotFolder(Root, id, snapshot);
        if (folder.TryRead() is { } taken)
        {
            return taken;
        }

        await GuestHalt.EndLeftoverAsync(node, id);
        await node.ThawLeftoverAsync(id);
        await ForgetAsync(id, folder, snapshot, _ => { }, ct);
        var spec = node.Context.Folders.Read(id);
        var state = (await node.InspectAsync(id, ct)).State;
        if (state is not (InstanceState.Running or InstanceState.Paused or InstanceState.Stopped))
        {
            throw NodeSnapshotErrors.WrongState(spec.Name, state);
        }

        var disks = InstanceVolumes.Disks(spec).Select(v => new SnapshotDisk(v.Name, v.SizeBytes, v.Pool)).ToList();
        var pools = PoolsOf(disks);
        await DemandPoolsAsync(id, snapshot, ct);
        folder.Begin(spec);
        var machine = await MachineAsync(id, folder, wish, state, ct);

        // Layers are only made ready here: the instant is the one at which the guest is switched to them.
        foreach (var (pool, names) in pools.Where(p => p.Pool.IsLayered))
        {
            if (state == InstanceState.Stopped && pool is ITiedClones tied && await tied.TrySnapshotAgainAsync(id.ToString(), names, snapshot, ct))
            {
                continue;
            }

            await pool.SnapshotAsync(id.ToString(), names, snapshot, ct);
        }

        var rest = await AtRestAsync(id, spec.Name, state, machine is not null ? wish with { Quiesce = SnapshotQuiesce.Off } : wish, token =>
            KeepAsync(id, folder, snapshot, pools, state, machine, report, token), ct);
        var (takenAt, files, memory) = rest.Kept;
        return folder.Finish(new(snapshot, id, takenAt, state, disks, files)
        {
            Level = memory is not null ? SnapshotLevel.Application : rest.Level,
            NotQuiesced = rest.NotQuiesced,
            NotThawed = rest.NotThawed,
            Memory = memory,
        });
    }

    /// <summary>Finds that a snapshot can be restored.</summary>
    /// <exception cref="Refusal"><c>snapshot.missing</c>, <c>snapshot.damaged</c>, <c>snapshot.other_disks</c>, <c>pool.*</c></exception>
    /// <param name="memory">It is to go on from the memory in it.</param>
    public async Task DemandRestorableAsync(Id<Instance> id, Id<Snapshot> snapshot, string? sha256, bool memory, CancellationToken ct)
    {
        var folder = new SnapshotFolder(Root, id, snapshot);
        var (record, sum) = folder.TryRead() ?? throw NodeSnapshotErrors.Missing(snapshot);
        if (sha256 is not null && sum != sha256)
        {
            throw NodeSnapshotErrors.Damaged(folder.RecordPath, "it was altered");
        }

        if (await Task.Run(() => folder.Faults(record, memory).FirstOrDefault(), ct) is { } fault)
        {
            throw NodeSnapshotErrors.Damaged($"The snapshot {snapshot}", fault.TrimEnd('.'));
        }

        var spec = node.Context.Folders.Read(id);
        foreach (var disk in record.Disks)
        {
            if (InstanceVolumes.Disks(spec).FirstOrDefault(v => v.Name == disk.Volume) is not { } now || now.Pool != disk.Pool)
            {
                throw NodeSnapshotErrors.OtherDisks(spec.Name, disk.Volume);
            }
        }

        await DemandPoolsAsync(id, snapshot, ct);
        foreach (var (pool, _) in PoolsOf(record.Disks))
        {
            await pool.DemandRestorableAsync(id.ToString(), snapshot, ct);
        }

        if (memory)
        {
            await DemandLoadableAsync(id, record, ct);
        }
    }

    /// <summary>Finds that all pools a snapshot has something in answer.</summary>
    /// <exception cref="Refusal"><c>pool.*</c></exception>
    public Task DemandPoolsAsync(Id<Instance> id, Id<Snapshot> snapshot, CancellationToken ct) =>
        node.Context.Pools.DemandAsync(Kept(id, new(Root, id, snapshot)).Select(d => d.Pool), ct);

    /// <summary>Makes a stopped instance's disks, and what its firmware and TPM remember, what they were then. Done again, it changes nothing more.</summary>
    public async Task RestoreAsync(Id<Instance> id, Id<Snapshot> snapshot, CancellationToken ct)
    {
        using var turn = await _turns.HoldAsync(ct, id.ToString());
        var folder = new SnapshotFolder(Root, id, snapshot);
        var record = (folder.TryRead() ?? throw NodeSnapshotErrors.Missing(snapshot)).Record;
        var spec = node.Context.Folders.Read(id);
        if ((await node.InspectAsync(id, ct)).State is InstanceState.Running or InstanceState.Paused)
        {
            throw NodeSnapshotErrors.Running(spec.Name);
        }

        File.Delete(WentOnPath(id));

        foreach (var (pool, _) in PoolsOf(record.Disks))
        {
            await pool.RestoreAsync(id.ToString(), snapshot, ct);
        }

        folder.PutBack(record, spec.TpmUid ?? UidRange.TpmOf(spec.Uid));
        var sizes = record.Disks.ToDictionary(d => d.Volume, d => d.SizeBytes);
        node.Context.Folders.Write(spec with { Volumes = spec.Volumes is null ? null : [.. spec.Volumes.Select(v => sizes.TryGetValue(v.Name, out var size) ? v with { SizeBytes = size } : v)] });
    }

    /// <summary>Removes a snapshot, or what there is of one; others, branches and the instance stay as they are.</summary>
    public async Task DeleteAsync(Id<Instance> id, Id<Snapshot> snapshot, Action<DiskProgress> report, CancellationToken ct)
    {
        using var turn = await _turns.HoldAsync(ct, id.ToString());
        await ForgetAsync(id, new(Root, id, snapshot), snapshot, report, ct);
    }

    /// <summary>What is missing, damaged or altered, in sentences.</summary>
    /// <param name="sha256">What the record's was; null where nobody knows.</param>
    public async Task<IReadOnlyList<string>> VerifyAsync(Id<Instance> id, Id<Snapshot> snapshot, string? sha256, CancellationToken ct)
    {
        using var turn = await _turns.HoldAsync(ct, id.ToString());
        var folder = new SnapshotFolder(Root, id, snapshot);
        var faults = new List<string>();
        try
        {
            if (folder.TryRead() is not { } read)
            {
                faults.Add($"{folder.RecordPath} is missing.");
            }
            else
            {
                if (sha256 is not null && read.Sha256 != sha256)
                {
                    faults.Add($"{folder.RecordPath} was altered: its SHA-256 is {read.Sha256}, and was {sha256}.");
                }

                faults.AddRange(await Task.Run(() => folder.Faults(read.Record, memory: true).ToList(), ct));
            }
        }
        catch (Refusal refusal)
        {
            faults.Add(refusal.Message);
        }

        foreach (var (pool, _) in PoolsOf(Kept(id, folder)))
        {
            try
            {
                faults.AddRange(await pool.VerifyAsync(id.ToString(), snapshot, ct));
            }
            catch (Refusal refusal)
            {
                faults.Add(refusal.Message);
            }
        }

        return faults;
    }

    /// <summary>What would be free without each snapshot of an instance, in bytes.</summary>
    public async Task<IReadOnlyDictionary<Id<Snapshot>, long>> SizesAsync(Id<Instance> id, CancellationToken ct) =>
        (await SpacesAsync(id, ct)).ToDictionary(s => s.Key, s => s.Value.Bytes);

    /// <summary>Where it would be free.</summary>
    public async Task<IReadOnlyDictionary<Id<Snapshot>, SnapshotSpace>> SpacesAsync(Id<Instance> id, CancellationToken ct)
    {
        var spec = node.Context.Folders.Read(id);
        var spaces = Directory.Exists(SnapshotFolder.Of(Root, id))
            ? Directory.EnumerateDirectories(SnapshotFolder.Of(Root, id)).Select(d => Id<Snapshot>.TryParse(Path.GetFileName(d), null, out var one) ? one : default)
                .Where(one => one != default).ToDictionary(one => one, one => new SnapshotSpace(new SnapshotFolder(Root, id, one).Bytes, []))
            : [];
        foreach (var pool in InstanceVolumes.Disks(spec).Select(v => v.Pool).Distinct())
        {
            foreach (var (snapshot, bytes) in await node.Context.Pools.Of(pool).SnapshotsAsync(id.ToString(), ct))
            {
                var space = spaces.GetValueOrDefault(snapshot) ?? new(0, []);
                spaces[snapshot] = space with { Pools = [.. space.Pools, (pool, bytes)] };
            }
        }

        return spaces;
    }

    /// <summary>The pools in which a snapshot that is taken now would have disks.</summary>
    public IReadOnlyList<Id<Pool>?> PoolsOf(Id<Instance> id) => [.. InstanceVolumes.Disks(node.Context.Folders.Read(id)).Select(v => v.Pool).Distinct()];

    private List<(IPool Pool, IReadOnlyList<string> Disks)> PoolsOf(IEnumerable<SnapshotDisk> disks) =>
        [.. disks.GroupBy(d => d.Pool).Select(g => (node.Context.Pools.Of(g.Key), (IReadOnlyList<string>)[.. g.Select(d => d.Volume)]))];

    /// <summary>The disks a snapshot has, or may have where it broke off.</summary>
    private List<SnapshotDisk> Kept(Id<Instance> id, SnapshotFolder folder) =>
        [.. InstanceVolumes.Disks(folder.TrySpec() ?? node.Context.Folders.Read(id)).Select(v => new SnapshotDisk(v.Name, v.SizeBytes, v.Pool))];

    /// <summary>
    /// A guest that runs is halted where one moment would not do otherwise: when something beside its disks changes too, or its disks lie in
    /// several storages of which each has its own snapshots, or in one that makes them of one disk after the other.
    /// </summary>
    /// <param name="machine">Null where its memory is not kept.</param>
    private async Task<Parts> KeepAsync(
        Id<Instance> id, SnapshotFolder folder, Id<Snapshot> snapshot, IReadOnlyList<(IPool Pool, IReadOnlyList<string> Disks)> pools, InstanceState state, SavedMachine? machine,
        Action<DiskProgress> report, CancellationToken ct)
    {
        var (layered, own) = (pools.Count(p => p.Pool.IsLayered), pools.Count(p => !p.Pool.IsLayered));
        var isApart = pools.Any(p => !p.Pool.IsLayered && !p.Pool.TakesAllAtOnce && p.Disks.Count > 1);
        var halts = state == InstanceState.Running && (machine is not null || folder.HasState || own > 1 || (own > 0 && layered > 0) || isApart);
        await using var halt = halts ? await GuestHalt.BeginAsync(node, id, ct) : null;
        var takenAt = node.Context.Time.GetUtcNow();
        var files = folder.Keep();
        foreach (var (pool, names) in pools.Where(p => !p.Pool.IsLayered))
        {
            await pool.SnapshotAsync(id.ToString(), names, snapshot, ct);
        }

        if (layered > 0)
        {
            await node.SwitchLayersAsync(id, ct);
        }

        if (machine is null)
        {
            return new(takenAt, files, null);
        }

        // Last: at its end QEMU lets go of the disks, and could not be switched to other layers of them.
        var (sha256, bytes) = await folder.KeepMemoryAsync(write => node.MemoryOf(id).SaveMemoryAsync(id, write, report, ct));
        return new(takenAt, new Dictionary<string, string>(files) { [SnapshotFolder.MemoryName] = sha256 }, new(bytes, machine));
    }

    private async Task ForgetAsync(Id<Instance> id, SnapshotFolder folder, Id<Snapshot> snapshot, Action<DiskProgress> report, CancellationToken ct)
    {
        if (!folder.Exists)
        {
            return;
        }

        folder.Break();
        foreach (var (pool, _) in PoolsOf(Kept(id, folder)))
        {
            await pool.DeleteSnapshotAsync(id.ToString(), snapshot, node.MergingOf(id, report), ct);
        }

        folder.Remove();
    }

    private sealed record Parts(DateTimeOffset TakenAt, IReadOnlyDictionary<string, string> Files, KeptMemory? Memory);
}
