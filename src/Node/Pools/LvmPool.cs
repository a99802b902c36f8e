using System.Security.Cryptography;
using System.Text;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Pools;

/// <summary>
/// A thin pool of LVM (lvmthin(7)): a thin volume for each disk, one for each disk of a snapshot, and one for each image disks began as. Their
/// names mean nothing; what each is stands in its tags. Volumes stand on none of the others, so any can go without harm to the rest. Whatever a
/// call has to change in several steps becomes so by one of them, and what it leaves when it breaks off, the next call of that owner removes or ends.
/// </summary>
/// <param name="source">The volume group and the thin pool in it, as <c>vg/thin</c>.</param>
internal sealed partial class LvmPool(string source, string id, IShell shell, QemuImg qemu) : IPool
{
    private readonly Lvm _lvm = new(shell, source.Split('/')[0], source.Split('/')[^1], id);
    private readonly NamedLocks _locks = new();

    public PoolKind Kind => PoolKind.Lvm;

    public bool IsLayered => false;

    public bool TakesAllAtOnce => false;

    private string Group => source.Split('/')[0];

    public static bool IsSource(string source) => source.Split('/') is [var group, var thin] && Lvm.IsName(group) && Lvm.IsName(thin);

    public async Task OpenAsync(CancellationToken ct)
    {
        if (!IsSource(source))
        {
            throw PoolErrors.NotUsable("The source", "it is no volume group with a thin pool, such as vg/thin");
        }

        try
        {
            var state = await _lvm.ReadAsync(ct);
            var why = state.Pool switch
            {
                null => "there is no such volume (`lvcreate --type thin-pool --size SIZE --name NAME GROUP` makes a thin pool)",
                { IsThinPool: false } => "it is no thin pool",
                { Mark: { } mark } when mark != id => "it is another pool already",
                { Mark: null } when state.Others > 0 => "it is there, and not empty",
                { Zeroes: false } => "it hands out blocks as they were, so a guest could read what others have deleted (`lvchange --zero y` ends that)",
                _ => null,
            };
            if (why is not null)
            {
                throw PoolErrors.NotUsable(source, why);
            }

            // A guest that writes to a full pool is to be told at once, and halted; else the kernel holds its writes back, and loses them after a minute.
            if (!state.Pool!.FailsWhenFull)
            {
                await _lvm.RunAsync(ct, "lvchange", "--yes", "--errorwhenfull", "y", source);
            }

            if (state.Pool.Mark is null)
            {
                await _lvm.RunAsync(ct, "lvchange", "--yes", "--addtag", Lvm.Tag("pool", id), source);
            }
        }
        catch (CommandFailed e)
        {
            throw e.ExitCode is 127 ? PoolErrors.ToolMissing(source, "lvm", "lvm2") : PoolErrors.NotUsable(source, e.Message.TrimEnd('.'));
        }
    }

    public async Task CloseAsync(CancellationToken ct)
    {
        var state = await StateAsync(ct);
        if (state.Volumes.All(v => v.Tag(LvmVolume.Image) is not null))
        {
            await RemoveAsync(state.Volumes, ct);
            await _lvm.RunAsync(ct, "lvchange", "--yes", "--deltag", Lvm.Tag("pool", id), source);
        }
    }

    public async Task<PoolStatus> LookAsync(CancellationToken ct)
    {
        try
        {
            var pool = (await _lvm.ReadAsync(ct, isQuick: true)).Pool;
            var why = pool switch
            {
                null => "it is not there",
                { Mark: var mark } when mark != id => "it is not marked as this pool",
                { DataPercent: null } => "it is not active (`vgchange --activate y` activates it)",
                { Health: "failed" or "metadata_read_only" } => $"LVM says that it is {pool.Health} (`lvconvert --repair` may help)",
                _ => null,
            };

            // Whichever is full first, nothing more can be written.
            var used = Math.Max(pool?.DataPercent ?? 0, pool?.MetadataPercent ?? 0);
            return why is null ? new(true, null, pool!.SizeBytes, (long)(pool.SizeBytes * (100 - used) / 100)) : new(false, $"The thin pool {source}: {why}.");
        }
        catch (CommandFailed e)
        {
            return new(false, $"The thin pool {source} cannot be asked: {e.Message}");
        }
    }

    public async Task<IReadOnlyList<string>> OwnersAsync(CancellationToken ct) =>
        [.. (await StateAsync(ct)).Volumes.Where(v => v.IsDisk && v.Tag(LvmVolume.Making) is null).Select(v => v.Owner!).Distinct()];

    public async Task CreateAsync(DiskName disk, long sizeBytes, string? image, CancellationToken ct)
    {
        using var change = await ChangeAsync(ct, disk);
        var state = change.State;
        if (state.DiskOf(disk) is not null)
        {
            return;
        }

        await TryAsync(
            $"Making {disk}",
            async () =>
            {
                if (image is null)
                {
                    await MakeAsync(sizeBytes, TagsOf(disk), ct);
                    return;
                }

                var beginning = await ImageAsync(image, ct);
                if (sizeBytes <= beginning.SizeBytes)
                {
                    await CopyAsync(beginning, TagsOf(disk), ct);
                    return;
                }

                var made = await CopyAsync(beginning, [.. TagsOf(disk), Lvm.Tag(LvmVolume.Making, "1")], ct);
                await _lvm.RunAsync(ct, "lvextend", "--yes", "--size", Lvm.Bytes(sizeBytes), _lvm.NameOf(made));
                await _lvm.RunAsync(ct, "lvchange", "--yes", "--deltag", Lvm.Tag(LvmVolume.Making, "1"), _lvm.NameOf(made));
            });
    }

    public async Task<Disk> FindAsync(DiskName disk, CancellationToken ct)
    {
        Demand(disk);
        var state = await StateAsync(ct);
        if (state.Restores.Any(r => r.Owner == disk.Owner))
        {
            using var change = await ChangeAsync(ct, disk);
            state = change.State;
        }

        var volume = state.DiskOf(disk) ?? throw PoolErrors.DiskMissing(disk);
        if (!volume.IsActive)
        {
            await TryAsync($"Opening {disk}", () => _lvm.RunAsync(ct, "lvchange", "--yes", "--activate", "y", "--ignoreactivationskip", _lvm.NameOf(volume)));
        }

        return new(volume.SizeBytes, [new("device", volume.Path, DiskFormat.Device)]);
    }

    public async Task DeleteAsync(DiskName disk, CancellationToken ct)
    {
        using var change = await ChangeAsync(ct, disk);
        var state = change.State;
        if (state.SnapshotsOf(disk.Owner).Any(s => state.SnapshotOf(disk.Owner, s).Any(v => v.Disk == disk)))
        {
            throw PoolErrors.HasSnapshots(disk);
        }

        await TryAsync($"Deleting {disk}", () => RemoveAsync([.. state.Volumes.Where(v => v.Disk == disk)], ct));
    }

    public async Task DeleteOwnerAsync(string owner, CancellationToken ct)
    {
        using var change = await ChangeAsync(ct, new DiskName(owner, "x"));
        var state = change.State;
        await TryAsync($"Deleting what {owner} has", () => RemoveAsync([.. state.Volumes.Where(v => v.Owner == owner)], ct));
    }

    /// <summary>It may be open: QEMU cannot make a device larger, and is told of it afterwards.</summary>
    public async Task GrowAsync(DiskName disk, long sizeBytes, CancellationToken ct)
    {
        using var change = await ChangeAsync(ct, disk);
        var state = change.State;
        var volume = state.DiskOf(disk) ?? throw PoolErrors.DiskMissing(disk);
        if (volume.SizeBytes < state.Pool!.RoundUp(sizeBytes))
        {
            await TryAsync($"Growing {disk}", () => _lvm.RunAsync(ct, "lvextend", "--yes", "--size", Lvm.Bytes(sizeBytes), _lvm.NameOf(volume)));
        }
    }

    /// <summary>The volume's size is what there is to note.</summary>
    public Task NoteGrownAsync(DiskName disk, long sizeBytes, CancellationToken ct) => Task.CompletedTask;

    public async Task MoveAsync(DiskName from, DiskName to, CancellationToken ct)
    {
        using var change = await ChangeAsync(ct, from, to);
        var state = change.State;
        var (here, there) = (state.DiskOf(from), state.DiskOf(to));
        if (from == to || (here is null && there is not null))
        {
            return;
        }

        if (here is null)
        {
            throw PoolErrors.DiskMissing(from);
        }

        if (there is not null)
        {
            throw PoolErrors.DiskThere(to);
        }

        if (state.SnapshotsOf(from.Owner).Any(s => state.SnapshotOf(from.Owner, s).Any(v => v.Disk == from)))
        {
            throw PoolErrors.HasSnapshots(from);
        }

        // Of tags that are the same, the added ones stay.
        string[] old = [.. TagsOf(from).Except(TagsOf(to))], fresh = [.. TagsOf(to).Except(TagsOf(from))];
        await TryAsync(
            $"Moving {from}",
            () => _lvm.RunAsync(ct, ["lvchange", "--yes", .. old.SelectMany(t => (string[])["--deltag", t]), .. fresh.SelectMany(t => (string[])["--addtag", t]), _lvm.NameOf(here)]));
    }

    private string[] TagsOf(DiskName disk) => [Lvm.Tag("pool", id), Lvm.Tag("owner", disk.Owner), Lvm.Tag("disk", disk.Name)];

    private static string NewName() => $"gantry-{RandomNumberGenerator.GetHexString(16, lowercase: true)}";

    /// <summary>An empty volume, active.</summary>
    private async Task<string> MakeAsync(long sizeBytes, IEnumerable<string> tags, CancellationToken ct)
    {
        var name = NewName();
        await _lvm.RunAsync(ct, ["lvcreate", "--yes", "--type", "thin", "--virtualsize", Lvm.Bytes(sizeBytes), "--thinpool", source, "--name", name, .. Added(tags)]);
        return name;
    }

    /// <summary>A volume that begins as another, active.</summary>
    private async Task<string> CopyAsync(LvmVolume from, IEnumerable<string> tags, CancellationToken ct)
    {
        var name = NewName();
        await _lvm.RunAsync(ct, ["lvcreate", "--yes", "--snapshot", "--setactivationskip", "n", "--name", name, .. Added(tags), _lvm.NameOf(from)]);
        return name;
    }

    private static IEnumerable<string> Added(IEnumerable<string> tags) => tags.SelectMany(t => (string[])["--addtag", t]);

    private async Task RemoveAsync(IReadOnlyCollection<LvmVolume> volumes, CancellationToken ct)
    {
        foreach (var some in volumes.Chunk(100))
        {
            await _lvm.RunAsync(ct, ["lvremove", "--yes", "--force", .. some.Select(_lvm.NameOf)]);
        }
    }

    /// <summary>The volume that disks of an image begin as; made once for each image.</summary>
    private async Task<LvmVolume> ImageAsync(string image, CancellationToken ct)
    {
        var key = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(image)))[..24];
        using var held = await _locks.HoldAsync(ct, $"image {key}");
        var all = (await StateAsync(ct)).Volumes.Where(v => v.Tag(LvmVolume.Image) == key).ToList();
        if (all.FirstOrDefault(v => v.Tag(LvmVolume.Ready) is not null) is { } ready)
        {
            return ready;
        }

        await RemoveAsync(all, ct);
        var made = await MakeAsync(DiskProbe.ExamineOwn(image), [Lvm.Tag("pool", id), Lvm.Tag(LvmVolume.Image, key)], ct);
        await qemu.ConvertToDeviceAsync(image, (await NamedAsync(made, ct)).Path, ct);
        await _lvm.RunAsync(ct, "lvchange", "--yes", "--addtag", Lvm.Tag(LvmVolume.Ready, "1"), _lvm.NameOf(made));
        await _lvm.RunAsync(ct, "lvchange", "--yes", "--activate", "n", _lvm.NameOf(made));
        return await NamedAsync(made, ct);
    }

    private async Task<LvmVolume> NamedAsync(string name, CancellationToken ct) =>
        (await StateAsync(ct)).Volumes.FirstOrDefault(v => v.Name == name) ?? throw PoolErrors.Failed("Making a volume", $"{_lvm.NameOf(name)} is gone already");

    private static void Demand(DiskName disk)
    {
        if (!Limits.IsName(disk.Owner) || !Limits.IsName(disk.Name))
        {
            throw PoolErrors.BadName("so named");
        }
    }

    /// <exception cref="Refusal"><c>pool.gone</c></exception>
    private async Task<LvmState> StateAsync(CancellationToken ct)
    {
        try
        {
            var state = await _lvm.ReadAsync(ct);
            return state.Pool?.Mark == id ? state : throw PoolErrors.Gone(source, state.Pool is null ? "there is no such thin pool" : "it is not marked as this pool");
        }
        catch (CommandFailed e)
        {
            throw PoolErrors.Gone(source, e.Message.TrimEnd('.'));
        }
    }

    /// <summary>The right to change what these owners have; what a call before left half done is ended.</summary>
    private async Task<Change> ChangeAsync(CancellationToken ct, params DiskName[] disks)
    {
        foreach (var disk in disks)
        {
            Demand(disk);
        }

        var held = await _locks.HoldAsync(ct, disks.Select(d => d.Owner));
        try
        {
            var state = await StateAsync(ct);
            var owners = disks.Select(d => d.Owner).ToHashSet();
            var (left, restores) = (owners.SelectMany(state.LeftOf).ToList(), state.Restores.Where(r => owners.Contains(r.Owner)).ToList());
            if (left.Count == 0 && restores.Count == 0)
            {
                return new(held, state);
            }

            await TryAsync(
                "Clearing away what a call before left",
                async () =>
                {
                    await RemoveAsync(left, ct);
                    foreach (var restore in restores)
                    {
                        await FinishAsync(restore, ct);
                    }
                });
            return new(held, await StateAsync(ct));
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    /// <param name="State">As it was found, with nothing half done of the owners it is held for.</param>
    private sealed record Change(NamedLocks.Held Held, LvmState State) : IDisposable
    {
        public void Dispose() => Held.Dispose();
    }

    private Task TryAsync(string what, Func<Task> work) => PoolWork.TryAsync(source, what, work);
}
