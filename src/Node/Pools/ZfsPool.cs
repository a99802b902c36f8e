using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Pools;

/// <summary>
/// A data set of ZFS: <c>{owner}/{disk}</c> below it for each disk, with one raw file in it. A snapshot is one of the owner's data set and all
/// below it; it is there as long as the owner's own is. A restore puts a clone in the disk's place and keeps the one before, as long as a
/// snapshot needs it, below <c>gantry-branches</c>. Each command is whole or not done; what several of them leave half done, the next call ends.
/// </summary>
/// <param name="source">The data set.</param>
internal sealed partial class ZfsPool(string source, string id, IShell shell, QemuImg qemu, TimeProvider time) : ITiedClones
{
    private const string Mark = "gantry:pool";
    private const string DisksOf = "gantry:disks";
    private const string Disk = "disk.raw";
    private const string Ready = "ready";

    private static readonly TimeSpan AnswersWithin = TimeSpan.FromSeconds(5);

    private readonly Zfs _zfs = new(shell, time);
    private readonly RawFiles _raw = new(qemu);
    private readonly NamedLocks _locks = new();
    private string? _mount;

    public PoolKind Kind => PoolKind.Zfs;

    public bool IsLayered => false;

    private string Branches => $"{source}/gantry-branches";

    private string ImageCopies => $"{source}/gantry-images";

    /// <summary>Where snapshots are looked into for a while.</summary>
    private string Views => $"{source}/gantry-views";

    public async Task CloseAsync(CancellationToken ct)
    {
        string[] own = [Views, Branches, ImageCopies];
        var children = (await _zfs.ListAsync(ct, "list", "-H", "-t", "filesystem", "-d", "1", "-o", "name", source)).Skip(1).Select(l => l[0]).ToList();
        if (children.Except(own).Any() || !await IsMineAsync(ct))
        {
            return;
        }

        foreach (var set in own)
        {
            await DestroyAsync(set, ct);
        }

        await _zfs.RunAsync(ct, "inherit", Mark, source);
    }

    public async Task OpenAsync(CancellationToken ct)
    {
        try
        {
            var known = await _zfs.ListAsync(ct, "list", "-H", "-t", "filesystem", "-d", "1", "-o", $"name,{Mark}", source);
            if (known.Count == 0)
            {
                await _zfs.RunAsync(ct, "create", "-p", source);
            }
            else if (known[0][1] is var said && said != id && (said != "-" || known.Count > 1 || Directory.EnumerateFileSystemEntries(await MountAsync(ct)).Any()))
            {
                throw PoolErrors.NotUsable(source, said == "-" ? "it is there, and not empty" : "it is another pool already");
            }

            await _zfs.RunAsync(ct, "set", $"{Mark}={id}", source);
            await _zfs.RunAsync(ct, "create", "-p", "-o", "mountpoint=none", Branches);
            await _zfs.RunAsync(ct, "create", "-p", ImageCopies);
            await _zfs.RunAsync(ct, "create", "-p", Views);
            foreach (var folder in (string[])[await MountAsync(ct), PathOf(ImageCopies)])
            {
                File.SetUnixFileMode(folder, PoolFolder.PassThrough);
            }

            foreach (var view in (await _zfs.ListAsync(ct, "list", "-H", "-t", "filesystem", "-d", "1", "-o", "name", Views)).Skip(1))
            {
                await _zfs.RunAsync(ct, "destroy", view[0]);
            }
        }
        catch (CommandFailed e)
        {
            throw PoolErrors.NotUsable(source, e.Message);
        }
    }

    public async Task<PoolStatus> LookAsync(CancellationToken ct)
    {
        try
        {
            var said = (await shell.RunAsync(new("zfs", ["get", "-Hp", "-o", "property,value", $"used,available,mounted,{Mark}", source], AnswersWithin), ct)).Output
                .Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('\t')).ToDictionary(l => l[0], l => l[1]);
            var (used, free) = (long.Parse(said["used"], CultureInfo.InvariantCulture), long.Parse(said["available"], CultureInfo.InvariantCulture));
            var why = said[Mark] != id ? "it is not marked as this pool" : said["mounted"] != "yes" ? "it is not mounted" : null;
            return new(why is null, why is null ? null : $"The data set {source}: {why}.", used + free, free);
        }
        catch (CommandFailed e)
        {
            return new(false, $"The data set {source} cannot be asked: {e.Message}");
        }
    }

    public async Task<IReadOnlyList<string>> OwnersAsync(CancellationToken ct) =>
    [
        .. (await _zfs.ListAsync(ct, "list", "-H", "-t", "filesystem", "-d", "2", "-o", "name", source))
            .Select(l => l[0][source.Length..].Split('/')).Where(p => p.Length == 3 && Limits.IsName(p[1]) && !p[1].StartsWith("gantry-", StringComparison.Ordinal)).Select(p => p[1]).Distinct(),
    ];

    public async Task CreateAsync(DiskName disk, long sizeBytes, string? image, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, disk);
        if (await IsThereAsync(disk, ct))
        {
            return;
        }

        await TryAsync(
            $"Making {disk}",
            async () =>
            {
                await _zfs.RunAsync(ct, "create", "-p", SetOf(disk.Owner));
                await DestroyUnfinishedAsync(SetOf(disk), ct);
                if (image is null)
                {
                    await _zfs.RunAsync(ct, "create", SetOf(disk));
                    RawFiles.Create(PathOf(disk), sizeBytes);
                }
                else
                {
                    await _zfs.RunAsync(ct, "clone", await ImageCopyAsync(image, ct), SetOf(disk));
                    RawFiles.Whole(PathOf(disk), beside => Posix.Rename($"{Path.GetDirectoryName(beside)}/{Ready}", beside), sizeBytes);
                }
            });
    }

    public async Task<Disk> FindAsync(DiskName disk, CancellationToken ct)
    {
        Demand(disk);
        await MountAsync(ct);
        if (File.Exists(RestoringOf(disk.Owner)) || !await IsThereAsync(disk, ct))
        {
            using var held = await ChangeAsync(ct, disk);
            await FinishPromotionAsync(disk, ct);
        }

        return await IsThereAsync(disk, ct)
            ? new(new FileInfo(PathOf(disk)).Length, [new("raw", PathOf(disk), DiskFormat.Raw)])
            : await IsMineAsync(ct) ? throw PoolErrors.DiskMissing(disk) : throw PoolErrors.Gone(source, "its data set is not mounted");
    }

    public async Task DeleteAsync(DiskName disk, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, disk);
        var snapshots = await SnapshotDisksAsync(disk.Owner, ct);
        if (snapshots.Values.Any(d => d.Contains(disk.Name)))
        {
            throw PoolErrors.HasSnapshots(disk);
        }

        await DemandUntiedAsync(disk.Owner, disk.Name, ct);
        await TryAsync($"Deleting {disk}", () => DestroyAsync(SetOf(disk), ct));
    }

    public async Task DeleteOwnerAsync(string owner, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, new DiskName(owner, "x"));
        await DemandUntiedAsync(owner, null, ct);
        await TryAsync(
            $"Deleting what {owner} has",
            async () =>
            {
                await DestroyAsync(SetOf(owner), ct);
                await DestroyAsync(SetOf(CopyOf(new(owner, "x")).Owner), ct); // of a promotion that broke off
                foreach (var branch in (await TreeAsync(ct)).Sets.Where(s => IsBranchOf(s.Name, owner)))
                {
                    await DestroyAsync(branch.Name, ct);
                }
            });
    }

    public async Task GrowAsync(DiskName disk, long sizeBytes, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, disk);
        if (!await IsThereAsync(disk, ct))
        {
            throw PoolErrors.DiskMissing(disk);
        }

        RawFiles.Grow(PathOf(disk), sizeBytes);
    }

    /// <summary>The file's length is what there is to note.</summary>
    public Task NoteGrownAsync(DiskName disk, long sizeBytes, CancellationToken ct) => Task.CompletedTask;

    public async Task MoveAsync(DiskName from, DiskName to, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, from, to);
        var (isHere, isThere) = (await IsThereAsync(from, ct), await IsThereAsync(to, ct));
        if (from == to || (!isHere && isThere))
        {
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

        if ((await SnapshotDisksAsync(from.Owner, ct)).Values.Any(d => d.Contains(from.Name)))
        {
            throw PoolErrors.HasSnapshots(from);
        }

        await DemandUntiedAsync(from.Owner, from.Name, ct);
        await TryAsync(
            $"Moving {from}",
            async () =>
            {
                await _zfs.RunAsync(ct, "create", "-p", SetOf(to.Owner));
                await DestroyUnfinishedAsync(SetOf(to), ct);
                await _zfs.RenameAsync(SetOf(from), SetOf(to), ct);
                await _zfs.RunAsync(ct, "mount", SetOf(to));
            });
    }

    private string SetOf(string owner) => $"{source}/{owner}";

    private string SetOf(DiskName disk) => $"{source}/{disk.Owner}/{disk.Name}";

    /// <summary>Where a data set is mounted.</summary>
    private string PathOf(string set) => $"{_mount}{set[source.Length..]}";

    private string PathOf(DiskName disk) => $"{PathOf(SetOf(disk))}/{Disk}";

    private string RestoringOf(string owner) => $"{PathOf(SetOf(owner))}/restoring";

    private async Task<string> MountAsync(CancellationToken ct)
    {
        if (_mount is null)
        {
            var said = await _zfs.ListAsync(ct, "list", "-H", "-o", "mountpoint", source);
            _mount = said is [[var mount]] && mount.StartsWith('/') ? mount : throw PoolErrors.Gone(source, "its data set has no place where it is mounted");
        }

        return _mount;
    }

    /// <summary>Mounts it where a call that broke off, or a start of this host, left it unmounted.</summary>
    private async Task<bool> IsThereAsync(DiskName disk, CancellationToken ct)
    {
        if (!File.Exists(PathOf(disk)) && await _zfs.ListAsync(ct, "list", "-H", "-o", "mounted", SetOf(disk)) is [["no"]])
        {
            await _zfs.RunAsync(ct, "mount", SetOf(disk));
        }

        return File.Exists(PathOf(disk));
    }

    private async Task<bool> IsMineAsync(CancellationToken ct) =>
        await _zfs.ListAsync(ct, "list", "-H", "-o", $"{Mark},mounted", source) is [[var said, "yes"]] && said == id;

    private static void Demand(DiskName disk)
    {
        if (!Limits.IsName(disk.Owner) || !Limits.IsName(disk.Name) || disk.Owner.StartsWith("gantry-", StringComparison.Ordinal))
        {
            throw PoolErrors.BadName("so named");
        }
    }

    /// <summary>The right to change what these owners have; what a call before left half done is ended.</summary>
    private async Task<NamedLocks.Held> ChangeAsync(CancellationToken ct, params DiskName[] disks)
    {
        foreach (var disk in disks)
        {
            Demand(disk);
        }

        await MountAsync(ct);
        var held = await _locks.HoldAsync(ct, disks.Select(d => d.Owner));
        try
        {
            if (!Directory.Exists(PathOf(Views)) && !await IsMineAsync(ct))
            {
                throw PoolErrors.Gone(source, "its data set is not mounted");
            }

            foreach (var owner in disks.Select(d => d.Owner).Distinct())
            {
                await FinishRestoreAsync(owner, ct);
            }

            return held;
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    /// <summary>A data set, its snapshots and what of this owner stands on them; nothing happens when it is not there.</summary>
    private Task DestroyAsync(string set, CancellationToken ct) => DestroyAsync(ct, "-R", set);

    /// <summary>One that was being made: ZFS refuses when it has a snapshot, since then it was more than that.</summary>
    private Task DestroyUnfinishedAsync(string set, CancellationToken ct) => DestroyAsync(ct, set);

    private async Task DestroyAsync(CancellationToken ct, params string[] what)
    {
        try
        {
            await _zfs.RunAsync(ct, ["destroy", .. what]);
        }
        catch (CommandFailed e) when (Zfs.IsMissing(e))
        {
        }
    }

    /// <summary>The snapshot that disks of an image are clones of; made once for each image.</summary>
    private async Task<string> ImageCopyAsync(string image, CancellationToken ct)
    {
        var key = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(image)))[..24];
        using var held = await _locks.HoldAsync(ct, $"image {key}");
        var set = $"{ImageCopies}/{key}";
        if ((await _zfs.ListAsync(ct, "list", "-H", "-t", "snapshot", "-o", "name", $"{set}@{Ready}")).Count == 0)
        {
            await _zfs.RunAsync(ct, "create", "-p", set);
            File.SetUnixFileMode(PathOf(set), PoolFolder.PassThrough);
            await _raw.ConvertAsync(image, $"{PathOf(set)}/{Ready}", ct);
            await _zfs.RunAsync(ct, "snapshot", $"{set}@{Ready}");
        }

        return $"{set}@{Ready}";
    }

    private Task TryAsync(string what, Func<Task> work) => PoolWork.TryAsync(source, what, work);
}
