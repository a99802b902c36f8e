using System.Security.Cryptography;
using System.Text;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Pools;

/// <summary>
/// A directory of a Btrfs: the subvolume <c>{owner}/live</c> with a raw file for each disk, and <c>{owner}/snapshots/{id}</c>, which are
/// read-only, with the names of their disks beside them. Copies share what they have in common, so nothing stands on another thing: a
/// snapshot can always be deleted, and one that linked clones were made of too.
/// </summary>
internal sealed partial class BtrfsPool(string path, string id, IShell shell, QemuImg qemu, TimeProvider time) : IPool
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    private readonly PoolFolder _folder = new(path, id, time);
    private readonly RawFiles _raw = new(qemu);
    private readonly NamedLocks _locks = new();

    public PoolKind Kind => PoolKind.Btrfs;

    public bool IsLayered => false;

    private string ImageCopies => $"{path}/gantry-images";

    public async Task OpenAsync(CancellationToken ct)
    {
        try
        {
            // Asked of what is there already: of the directory itself, or of that it is to be made in.
            var there = Directory.Exists(path) ? path : Path.GetDirectoryName(path)!;
            if ((await shell.RunAsync(new("stat", ["--file-system", "--format=%T", "--", there], Deadline), ct)).Output.Trim() is var kind && kind != "btrfs")
            {
                throw PoolErrors.NotUsable(path, $"it lies on {kind} and not on btrfs");
            }
        }
        catch (CommandFailed e)
        {
            throw PoolErrors.NotUsable(path, e.Message);
        }

        await _folder.OpenAsync(ct);
        PoolFolder.MakeFolder(ImageCopies);
    }

    public async Task CloseAsync(CancellationToken ct)
    {
        if ((await OwnersAsync(ct)).Count == 0)
        {
            _folder.GiveUp([Path.GetFileName(ImageCopies)]);
        }
    }

    public Task<PoolStatus> LookAsync(CancellationToken ct) => _folder.LookAsync(ct);

    public async Task<IReadOnlyList<string>> OwnersAsync(CancellationToken ct)
    {
        await _folder.DemandAsync(ct);
        return [.. _folder.Folders().Where(o => !o.StartsWith("gantry-", StringComparison.Ordinal) && Directory.Exists(LiveOf(o)))];
    }

    public async Task CreateAsync(DiskName disk, long sizeBytes, string? image, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, disk);
        if (!File.Exists(PathOf(disk)))
        {
            await TryAsync(
                $"Making {disk}",
                async () =>
                {
                    await MakeLiveAsync(disk.Owner, ct);
                    if (image is null)
                    {
                        RawFiles.Create(PathOf(disk), sizeBytes);
                    }
                    else
                    {
                        await ReflinkAsync(await ImageCopyAsync(image, ct), PathOf(disk), sizeBytes, ct);
                    }
                });
        }
    }

    public async Task<Disk> FindAsync(DiskName disk, CancellationToken ct)
    {
        Demand(disk);
        await _folder.DemandAsync(ct);
        return File.Exists(PathOf(disk))
            ? new Disk(new FileInfo(PathOf(disk)).Length, [new("raw", PathOf(disk), DiskFormat.Raw)]) : throw PoolErrors.DiskMissing(disk);
    }

    public async Task DeleteAsync(DiskName disk, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, disk);
        DemandInNoSnapshot(disk);
        if (File.Exists(PathOf(disk)))
        {
            File.Delete(PathOf(disk));
            Posix.SyncDirectory(LiveOf(disk.Owner));
        }
    }

    public async Task DeleteOwnerAsync(string owner, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, new DiskName(owner, "x"));
        if (Directory.Exists(FolderOf(owner)))
        {
            await TryAsync($"Deleting what {owner} has", () => DeleteSubvolumesAsync([.. SnapshotIds(owner).Select(s => SnapshotOf(owner, s)), LiveOf(owner)], ct));
            Directory.Delete(FolderOf(owner), recursive: true);
        }
    }

    public async Task GrowAsync(DiskName disk, long sizeBytes, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, disk);
        RawFiles.Grow(File.Exists(PathOf(disk)) ? PathOf(disk) : throw PoolErrors.DiskMissing(disk), sizeBytes);
    }

    /// <summary>The file's length is what there is to note.</summary>
    public Task NoteGrownAsync(DiskName disk, long sizeBytes, CancellationToken ct) => Task.CompletedTask;

    /// <summary>A file does not go from one subvolume to another by its name alone: it is put aside, shared with the new place, and then removed.</summary>
    public async Task MoveAsync(DiskName from, DiskName to, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, from, to);
        EndMove(to, from);
        var aside = $"{PathOf(from)}.moved";
        if (from == to || (!File.Exists(PathOf(from)) && !File.Exists(aside) && File.Exists(PathOf(to))))
        {
            return;
        }

        DemandInNoSnapshot(from);
        if (File.Exists(PathOf(from)))
        {
            if (File.Exists(PathOf(to)))
            {
                throw PoolErrors.DiskThere(to);
            }

            Posix.Rename(PathOf(from), aside);
            Posix.SyncDirectory(LiveOf(from.Owner));
        }
        else if (!File.Exists(aside))
        {
            throw PoolErrors.DiskMissing(from);
        }

        if (!File.Exists(PathOf(to)))
        {
            await TryAsync(
                $"Moving {from}",
                async () =>
                {
                    await MakeLiveAsync(to.Owner, ct);
                    await ReflinkAsync(aside, PathOf(to), 0, ct);
                });
        }

        File.Delete(aside);
    }

    /// <summary>Of a move that broke off: where the disk is in its new place, what was put aside goes; else that is back.</summary>
    private void EndMove(DiskName from, DiskName to)
    {
        var aside = $"{PathOf(from)}.moved";
        if (from == to || !File.Exists(aside))
        {
            return;
        }

        if (File.Exists(PathOf(to)))
        {
            File.Delete(aside);
        }
        else
        {
            Posix.Rename(aside, PathOf(from));
        }

        Posix.SyncDirectory(LiveOf(from.Owner));
    }

    private string FolderOf(string owner) => $"{path}/{owner}";

    private string LiveOf(string owner) => $"{path}/{owner}/live";

    private string NextOf(string owner) => $"{path}/{owner}/next";

    private string SnapshotsOf(string owner) => $"{path}/{owner}/snapshots";

    private string SnapshotOf(string owner, string snapshot) => $"{path}/{owner}/snapshots/{snapshot}";

    private string DisksIn(string owner, string snapshot) => $"{path}/{owner}/snapshots/{snapshot}.disks";

    private string PathOf(DiskName disk) => $"{LiveOf(disk.Owner)}/{disk.Name}.raw";

    private IEnumerable<string> SnapshotIds(string owner) => !Directory.Exists(SnapshotsOf(owner)) ? [] :
        Directory.EnumerateDirectories(SnapshotsOf(owner)).Select(d => Path.GetFileName(d)).Where(n => Id<Snapshot>.TryParse(n, null, out _));

    /// <exception cref="Refusal"><c>snapshot.missing</c></exception>
    private string[] DisksOf(string owner, Id<Snapshot> snapshot) => Directory.Exists(SnapshotOf(owner, $"{snapshot}"))
        ? [.. Directory.EnumerateDirectories(DisksIn(owner, $"{snapshot}")).Select(d => Path.GetFileName(d)).Order(StringComparer.Ordinal)] : throw PoolErrors.SnapshotMissing(owner, snapshot);

    private void DemandInNoSnapshot(DiskName disk)
    {
        if (SnapshotIds(disk.Owner).Any(s => DisksOf(disk.Owner, Id<Snapshot>.Parse(s)).Contains(disk.Name)))
        {
            throw PoolErrors.HasSnapshots(disk);
        }
    }

    private static void Demand(DiskName disk)
    {
        if (!Limits.IsName(disk.Owner) || !Limits.IsName(disk.Name) || disk.Owner.StartsWith("gantry-", StringComparison.Ordinal))
        {
            throw PoolErrors.BadName("so named");
        }
    }

    /// <summary>The right to change what these owners have; what a call before left is cleared away.</summary>
    private async Task<NamedLocks.Held> ChangeAsync(CancellationToken ct, params DiskName[] disks)
    {
        foreach (var disk in disks)
        {
            Demand(disk);
        }

        await _folder.DemandAsync(ct);
        var held = await _locks.HoldAsync(ct, disks.Select(d => d.Owner));
        try
        {
            foreach (var owner in disks.Select(d => d.Owner).Distinct())
            {
                await DeleteSubvolumesAsync([NextOf(owner)], ct);
            }

            return held;
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    private async Task MakeLiveAsync(string owner, CancellationToken ct)
    {
        PoolFolder.MakeFolder(FolderOf(owner));
        if (!Directory.Exists(LiveOf(owner)))
        {
            await BtrfsAsync(ct, "subvolume", "create", LiveOf(owner));
            File.SetUnixFileMode(LiveOf(owner), PoolFolder.PassThrough);
        }
    }

    private async Task ReflinkAsync(string from, string to, long atLeastBytes, CancellationToken ct)
    {
        await shell.RunAsync(new("cp", ["--reflink=always", "--", from, $"{to}.new"], Deadline), ct);
        RawFiles.Whole(to, _ => { }, atLeastBytes);
    }

    /// <summary>The raw file that disks of an image share; made once for each image.</summary>
    private async Task<string> ImageCopyAsync(string image, CancellationToken ct)
    {
        var file = $"{ImageCopies}/{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(image)))[..24]}.raw";
        using var held = await _locks.HoldAsync(ct, $"image {file}");
        if (!File.Exists(file))
        {
            await _raw.ConvertAsync(image, file, ct);
        }

        return file;
    }

    private async Task DeleteSubvolumesAsync(IEnumerable<string> all, CancellationToken ct)
    {
        foreach (var each in all.Where(Directory.Exists))
        {
            await BtrfsAsync(ct, "subvolume", "delete", "--commit-after", each);
        }
    }

    private async Task<string> BtrfsAsync(CancellationToken ct, params IReadOnlyList<string> arguments) => (await shell.RunAsync(new("btrfs", arguments, Deadline), ct)).Output;

    private Task TryAsync(string what, Func<Task> work) => PoolWork.TryAsync(path, what, work);
}
