using System.Security.Cryptography;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Pools;

/// <summary>
/// A pool of Ceph, or a namespace of one: an image (RBD) for each disk, called <c>{owner}.{disk}.{once}</c>, whose own snapshots are those of its owner.
/// Which image is which disk is said by a record for each owner (<see cref="CephRecord"/>). A call makes what is new beside what is there, writes
/// the record, and removes what is not needed any more; what it leaves when it breaks off, the next call of that owner removes.
/// </summary>
internal sealed partial class CephPool(CephSource source, string id, IShell shell, QemuImg qemu, Func<string> keyring, string keys, TimeProvider time) : ITiedClones
{
    private const string Mark = "gantry.pool";
    private const string Reserved = "gantry-";
    private const string ImageCopies = $"{Reserved}image.";
    private const string Ready = "ready";

    private readonly Ceph _ceph = new(shell, source, keyring, keys);
    private readonly NamedLocks _locks = new();

    public PoolKind Kind => PoolKind.Ceph;

    public bool IsLayered => false;

    public bool TakesAllAtOnce => false;

    public async Task OpenAsync(CancellationToken ct)
    {
        try
        {
            await MakeNamespaceAsync(ct);
            var said = await _ceph.ReadAsync(Mark, ct);
            if (said is null && (await _ceph.ImagesAsync(ct)).Count > 0)
            {
                throw PoolErrors.NotUsable(source.Place, "it is there, and not empty");
            }

            if (said is null)
            {
                await _ceph.WriteAsync(Mark, id, ct);
                said = await _ceph.ReadAsync(Mark, ct);
            }

            if (said != id)
            {
                throw PoolErrors.NotUsable(source.Place, "it is another pool already");
            }
        }
        catch (CommandFailed e)
        {
            throw e.ExitCode is 127 ? PoolErrors.ToolMissing(source.Place, "rbd", "ceph-common") : PoolErrors.NotUsable(source.Place, Plain(e));
        }
    }

    public async Task CloseAsync(CancellationToken ct)
    {
        var images = await _ceph.ImagesAsync(ct);
        if (await _ceph.ReadAsync(Mark, ct) != id || images.Any(i => !i.StartsWith(ImageCopies, StringComparison.Ordinal)))
        {
            return;
        }

        foreach (var image in images)
        {
            await RemoveAsync(image, ct);
        }

        await _ceph.RemoveAsync(Mark, ct);
    }

    public async Task<PoolStatus> LookAsync(CancellationToken ct)
    {
        try
        {
            var said = await _ceph.ReadAsync(Mark, ct, isQuick: true);
            return said != id ? new(false, $"The pool {source.Place} in Ceph: it is not marked as this pool.")
                : await _ceph.RoomAsync(ct) is { } room ? new(true, null, room.UsedBytes + room.FreeBytes, room.FreeBytes) : new(true);
        }
        catch (CommandFailed e)
        {
            return new(false, $"The pool {source.Place} in Ceph cannot be asked: {Plain(e)}.");
        }
        catch (Refusal e)
        {
            return new(false, e.Message);
        }
    }

    public async Task<IReadOnlyList<string>> OwnersAsync(CancellationToken ct) =>
        [.. (await ImagesAsync(ct)).Select(DiskOf).OfType<DiskName>().Select(d => d.Owner).Distinct()];

    public async Task CreateAsync(DiskName disk, long sizeBytes, string? image, CancellationToken ct)
    {
        using var held = await HoldAsync(ct, disk);
        var record = await RecordAsync(disk.Owner, ct);
        if (record.Disks.TryGetValue(disk.Name, out var known) && (await ImagesAsync(ct)).Contains(known))
        {
            return;
        }

        await TryAsync(
            $"Making {disk}",
            async () =>
            {
                var made = NewName(disk);
                if (image is null)
                {
                    await _ceph.CreateAsync(made, sizeBytes, ct);
                }
                else
                {
                    await _ceph.CloneAsync(await ImageCopyAsync(image, ct), Ready, made, ct);
                    if (DiskProbe.ExamineOwn(image) < sizeBytes)
                    {
                        await _ceph.GrowAsync(made, sizeBytes, ct);
                    }
                }

                await WriteAsync(disk.Owner, record.With(disk.Name, made), ct);
            });
    }

    public async Task<Disk> FindAsync(DiskName disk, CancellationToken ct)
    {
        Demand(disk);
        var (image, found) = await ImageOfAsync(await RecordAsync(disk.Owner, ct), disk, ct);
        return Shown(image, null, found.SizeBytes);
    }

    public async Task DeleteAsync(DiskName disk, CancellationToken ct)
    {
        using var held = await HoldAsync(ct, disk);
        var record = await RecordAsync(disk.Owner, ct);
        if (record.HasSnapshotOf(disk.Name))
        {
            throw PoolErrors.HasSnapshots(disk);
        }

        await TryAsync($"Deleting {disk}", () => WriteAsync(disk.Owner, record.Without(disk.Name), ct));
    }

    public async Task DeleteOwnerAsync(string owner, CancellationToken ct)
    {
        using var held = await HoldAsync(ct, new DiskName(owner, "x"));
        var images = await ImagesAsync(owner, ct);
        if (images.Count == 0 && await AskAsync(() => _ceph.ReadAsync(RecordOf(owner), ct)) is null)
        {
            return;
        }

        foreach (var image in images)
        {
            if ((await AskAsync(() => _ceph.ChildrenAsync(image, null, ct))).FirstOrDefault(c => DiskOf(c)?.Owner != owner) is { } clone)
            {
                throw PoolErrors.HasClones(DiskOf(image)!.Value, NameOf(clone));
            }
        }

        await RecordAsync(owner, ct);
        await TryAsync(
            $"Deleting what {owner} has",
            async () =>
            {
                if (await WriteAsync(owner, CephRecord.Empty(id), ct) is [var left, ..])
                {
                    throw PoolErrors.Failed($"Deleting what {owner} has", $"{_ceph.Spec(left)} cannot be removed.");
                }
            });
    }

    public async Task GrowAsync(DiskName disk, long sizeBytes, CancellationToken ct)
    {
        using var held = await HoldAsync(ct, disk);
        var (image, found) = await ImageOfAsync(await RecordAsync(disk.Owner, ct), disk, ct);
        if (found.SizeBytes < sizeBytes)
        {
            await TryAsync($"Growing {disk}", () => _ceph.GrowAsync(image, sizeBytes, ct));
        }
    }

    /// <summary>The image's size is what there is to note.</summary>
    public Task NoteGrownAsync(DiskName disk, long sizeBytes, CancellationToken ct) => Task.CompletedTask;

    /// <summary>The disk is the other owner's from the moment that its image has a name of that one's.</summary>
    public async Task MoveAsync(DiskName from, DiskName to, CancellationToken ct)
    {
        using var held = await HoldAsync(ct, from, to);
        var (here, there) = (await RecordAsync(from.Owner, ct), await RecordAsync(to.Owner, ct));
        var images = await ImagesAsync(ct);
        var (old, fresh) = (here.Disks.GetValueOrDefault(from.Name), there.Disks.GetValueOrDefault(to.Name));
        var (isHere, isThere) = (old is not null && images.Contains(old), fresh is not null && images.Contains(fresh));
        if (from == to || (!isHere && isThere))
        {
            await TryAsync($"Moving {from}", () => from == to ? Task.CompletedTask : WriteAsync(from.Owner, here.Without(from.Name), ct));
            return;
        }

        if (!isHere)
        {
            throw PoolErrors.DiskMissing(from);
        }

        if (isThere)
        {
            throw PoolErrors.DiskThere(to);
        }

        if (here.HasSnapshotOf(from.Name))
        {
            throw PoolErrors.HasSnapshots(from);
        }

        await TryAsync(
            $"Moving {from}",
            async () =>
            {
                fresh = NewName(to);
                there = there.With(to.Name, fresh);
                await PutAsync(to.Owner, there, ct);

                // What it stands on of its own goes with it.
                foreach (var below in images.Where(i => DiskOf(i) == from && i != old))
                {
                    await _ceph.ChangeAsync(ct, "mv", _ceph.Spec(below), _ceph.Spec(NewName(to)));
                }

                await _ceph.ChangeAsync(ct, "mv", _ceph.Spec(old!), _ceph.Spec(fresh));
                here = here.Without(from.Name);
                await WriteAsync(from.Owner, here, ct);
            });
    }

    private static string RecordOf(string owner) => $"gantry.owner.{owner}";

    private static string NewName(DiskName disk) => $"{disk.Owner}.{disk.Name}.{RandomNumberGenerator.GetHexString(12, lowercase: true)}";

    /// <summary>Null for what is no disk's.</summary>
    private static DiskName? DiskOf(string image) =>
        image.Split('.') is [var owner, var disk, _] && Limits.IsName(owner) && Limits.IsName(disk) && !owner.StartsWith(Reserved, StringComparison.Ordinal) ? new(owner, disk) : null;

    /// <summary>For people.</summary>
    private static string NameOf(string image) => DiskOf(image) is { } disk ? $"{disk}" : image;

    private Disk Shown(string image, string? snapshot, long sizeBytes)
    {
        var open = _ceph.Open(image, snapshot, sizeBytes);
        return new(sizeBytes, [new("rbd", open.Path, DiskFormat.Rbd) { Rbd = open }]);
    }

    private async Task MakeNamespaceAsync(CancellationToken ct)
    {
        try
        {
            await (source.Namespace is null ? Task.CompletedTask : _ceph.ChangeAsync(ct, "namespace", "create", source.Place));
        }
        catch (CommandFailed e) when (Ceph.IsThere(e) || e.ExitCode is 1 or 13)
        {
            // It is there, or whose key this is may not make one: then it is looked whether it is there.
            await _ceph.ImagesAsync(ct);
        }
    }

    private static void Demand(DiskName disk)
    {
        if (!Limits.IsName(disk.Owner) || !Limits.IsName(disk.Name) || disk.Owner.StartsWith(Reserved, StringComparison.Ordinal))
        {
            throw PoolErrors.BadName("so named");
        }
    }

    /// <summary>The right to change what these owners have.</summary>
    private Task<NamedLocks.Held> HoldAsync(CancellationToken ct, params DiskName[] disks)
    {
        foreach (var disk in disks)
        {
            Demand(disk);
        }

        return _locks.HoldAsync(ct, disks.Select(d => d.Owner));
    }

    /// <exception cref="Refusal"><c>pool.gone</c>, <c>pool.damaged</c></exception>
    private async Task<CephRecord> RecordAsync(string owner, CancellationToken ct)
    {
        var name = RecordOf(owner);
        var text = await AskAsync(() => _ceph.ReadAsync(name, ct));
        var record = text is null ? null : CephRecord.Parse(text, $"{source.Place}/{name}");
        return (record?.Pool ?? await AskAsync(() => _ceph.ReadAsync(Mark, ct))) == id
            ? record ?? CephRecord.Empty(id) : throw PoolErrors.Gone(source.Place, "it is not marked as this pool");
    }

    /// <summary>Writes what an owner has, and removes what it has no more.</summary>
    /// <returns>The images of it that others stand on.</returns>
    private async Task<IReadOnlyList<string>> WriteAsync(string owner, CephRecord record, CancellationToken ct)
    {
        await PutAsync(owner, record, ct);
        var left = await TidyAsync(owner, record, ct);
        if (record.IsEmpty && left.Count == 0)
        {
            await _ceph.RemoveAsync(RecordOf(owner), ct);
        }

        return left;
    }

    private Task PutAsync(string owner, CephRecord record, CancellationToken ct) => _ceph.WriteAsync(RecordOf(owner), record.Write(), ct);

    private Task<IReadOnlyList<string>> ImagesAsync(CancellationToken ct) => AskAsync(() => _ceph.ImagesAsync(ct));

    private async Task<IReadOnlyList<string>> ImagesAsync(string owner, CancellationToken ct) => [.. (await ImagesAsync(ct)).Where(i => DiskOf(i)?.Owner == owner)];

    /// <exception cref="Refusal"><c>volume.missing</c></exception>
    private async Task<(string Image, CephImage Found)> ImageOfAsync(CephRecord record, DiskName disk, CancellationToken ct)
    {
        var image = record.Disks.GetValueOrDefault(disk.Name) ?? throw PoolErrors.DiskMissing(disk);
        return (image, await AskAsync(() => _ceph.FindAsync(image, ct)) ?? throw PoolErrors.DiskMissing(disk));
    }

    /// <summary>Its last words, in one line.</summary>
    private static string Plain(CommandFailed e) => string.Concat(e.Message.TrimEnd('.', '\n').Select(c => char.IsControl(c) ? ' ' : c));

    /// <exception cref="Refusal"><c>pool.gone</c></exception>
    private async Task<T> AskAsync<T>(Func<Task<T>> ask)
    {
        try
        {
            return await ask();
        }
        catch (CommandFailed e)
        {
            throw PoolErrors.Gone(source.Place, Plain(e));
        }
    }

    private Task TryAsync(string what, Func<Task> work) => PoolWork.TryAsync(source.Place, what, work);
}
