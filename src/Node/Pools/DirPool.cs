using System.Security.Cryptography;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Pools;

/// <summary>
/// A directory with a file for each layer: <c>{owner}/{disk}/{layer}.qcow2</c>, and <c>{owner}/disks.json</c>, which alone says how they
/// lie over each other. A disk's lowest layer can be raw, <c>{layer}.raw</c>: those that begin with another letter are. A file is made before the record that has it and removed after the one that no longer does, so whatever
/// breaks off leaves at most a file nobody knows, which the next change of that owner removes.
/// </summary>
/// <param name="id">What the directory is marked with.</param>
/// <param name="mount">Of a file server's directory; null for one of this node's.</param>
/// <param name="raw">New disks begin as raw files, and share nothing with their images.</param>
internal sealed partial class DirPool(string path, string id, QemuImg qemu, TimeProvider time, NetworkMount? mount = null, bool raw = false) : ITiedClones
{
    private const string Record = "disks.json";
    private const string ImageLayer = "image";
    private const char Qcow2Mark = 'l', RawMark = 'r';

    private readonly PoolFolder _folder = new(path, id, time, mount);
    private readonly NamedLocks _locks = new();

    /// <summary>Told after each writing of a record: for tests of what a crash there leaves.</summary>
    internal Action Written { get; set; } = () => { };

    public PoolKind Kind => mount?.Kind ?? PoolKind.Dir;

    public bool IsLayered => true;

    public Task OpenAsync(CancellationToken ct) => _folder.OpenAsync(ct);

    /// <summary>For the pool beside the instances, which is there from the first start.</summary>
    public void Make() => _folder.Make();

    public async Task CloseAsync(CancellationToken ct)
    {
        try
        {
            await _folder.DemandAsync(ct);
            var folders = _folder.Folders();
            if (folders.All(o => Read(o).Disks.Count == 0 && Directory.EnumerateFileSystemEntries(FolderOf(o)).All(e => Path.GetFileName(e) == Record)))
            {
                _folder.GiveUp(folders);
            }
        }
        finally
        {
            await _folder.LeaveAsync();
        }
    }

    public Task<PoolStatus> LookAsync(CancellationToken ct) => _folder.LookAsync(ct);

    public async Task<IReadOnlyList<string>> OwnersAsync(CancellationToken ct)
    {
        await _folder.DemandAsync(ct);
        return [.. _folder.Folders().Where(o => Read(o).Disks.Count > 0)];
    }

    public async Task CreateAsync(DiskName disk, long sizeBytes, string? image, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, disk);
        DemandRecord(disk.Owner);
        if (Read(disk.Owner) is var record && !record.Disks.ContainsKey(disk.Name))
        {
            var layer = NewName(raw ? RawMark : Qcow2Mark);
            await (raw ? NewRawAsync(disk, layer, sizeBytes, image, ct) : NewLayerAsync(disk, layer, sizeBytes, image, ct));
            Write(disk.Owner, record.With(disk.Name, new(image is null || raw ? null : new(Image: image), LayerTree.Of(layer, sizeBytes))));
        }
    }

    public async Task<Disk> FindAsync(DiskName disk, CancellationToken ct)
    {
        Demand(disk);
        await _folder.DemandAsync(ct);
        return await WorkAsync(
            () =>
            {
                try
                {
                    return ChainOf(disk);
                }
                catch (Refusal refusal) when (refusal.Code == "volume.damaged" && Read(disk.Owner) is var record)
                {
                    // Between the reading of the record and of the files, layers may have become one.
                    return ChainOf(disk, record);
                }
            },
            ct);
    }

    public async Task DeleteAsync(DiskName disk, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, disk);
        var record = Read(disk.Owner);
        if (record.Disks.GetValueOrDefault(disk.Name) is not { } known)
        {
            return;
        }

        if (known.Tree.Snapshots.Count > 0)
        {
            throw PoolErrors.HasSnapshots(disk);
        }

        if (LivingClones(disk, known).FirstOrDefault() is { } clone)
        {
            throw PoolErrors.HasClones(disk, $"{clone.Owner}/{clone.Disk}");
        }

        Write(disk.Owner, record.Without(disk.Name));
        Sweep(disk.Owner);
    }

    public async Task DeleteOwnerAsync(string owner, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, new DiskName(owner, "x"));
        foreach (var (name, known) in Read(owner).Disks)
        {
            if (LivingClones(new(owner, name), known).FirstOrDefault(c => c.Owner != owner) is { } clone)
            {
                throw PoolErrors.HasClones(new(owner, name), $"{clone.Owner}/{clone.Disk}");
            }
        }

        if (Directory.Exists(FolderOf(owner)))
        {
            Write(owner, OwnerRecord.Empty);
            Directory.Delete(FolderOf(owner), recursive: true);
        }
    }

    public async Task GrowAsync(DiskName disk, long sizeBytes, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, disk);
        if (Known(disk).Tree.SizeBytes < sizeBytes)
        {
            await TryAsync($"Growing {disk}", () => qemu.GrowAsync(NodePools.FilesOf(ChainOf(disk)), sizeBytes, ct));
            Note(disk, t => t.WithSize(sizeBytes));
        }
    }

    public async Task NoteGrownAsync(DiskName disk, long sizeBytes, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, disk);
        if (Known(disk).Tree.SizeBytes < sizeBytes)
        {
            Note(disk, t => t.WithSize(sizeBytes));
        }
    }

    private static string NewName(char mark = Qcow2Mark) => $"{mark}{RandomNumberGenerator.GetHexString(12, lowercase: true)}";

    private static DiskFormat FormatOf(string layer) => layer[0] == RawMark ? DiskFormat.Raw : DiskFormat.Qcow2;

    private string FolderOf(string owner) => $"{_folder.Path}/{owner}";

    private string FolderOf(DiskName disk) => $"{_folder.Path}/{disk.Owner}/{disk.Name}";

    private string FileOf(DiskName disk, string layer) => $"{FolderOf(disk)}/{layer}.{(FormatOf(layer) == DiskFormat.Raw ? "raw" : "qcow2")}";

    /// <exception cref="Refusal"><c>pool.gone</c>: where the pool is not there, no record does not mean no disks.</exception>
    private OwnerRecord Read(string owner) => OwnerRecord.Read($"{FolderOf(owner)}/{Record}") is var record && (record.Disks.Count > 0 || _folder.IsMarked)
        ? record.Where(d => !d.Value.IsComing || Directory.Exists(FolderOf(new DiskName(owner, d.Key)))) : throw PoolErrors.Gone(_folder.Place, "its mark is not there");

    private void Write(string owner, OwnerRecord record)
    {
        PoolFolder.MakeFolder(FolderOf(owner));
        record.Write($"{FolderOf(owner)}/{Record}");
        Written();
    }

    /// <summary>
    /// A record is there before the first file: where there are disks without one, somebody has lost it, and nothing is made in their place.
    /// </summary>
    private void DemandRecord(string owner)
    {
        var record = $"{FolderOf(owner)}/{Record}";
        if (File.Exists(record))
        {
            return;
        }

        if (Directory.Exists(FolderOf(owner)) && Directory.EnumerateFiles(FolderOf(owner), "*", SearchOption.AllDirectories).Any(f => Path.GetExtension(f) is ".qcow2" or ".raw"))
        {
            throw PoolErrors.Damaged(record, "it is not there, while its disks are");
        }

        Write(owner, OwnerRecord.Empty);
    }

    private DiskRecord Known(DiskName disk) => Read(disk.Owner).Disks.GetValueOrDefault(disk.Name) ?? throw PoolErrors.DiskMissing(disk);

    private static void Demand(DiskName disk)
    {
        foreach (var name in (string[])[disk.Owner, disk.Name])
        {
            if (!Limits.IsName(name))
            {
                throw PoolErrors.BadName(Limits.IsName(name.ToLowerInvariant()) ? name : "so named");
            }
        }
    }

    /// <summary>The right to change what these owners have; what a call before left is cleared away.</summary>
    private async Task<NamedLocks.Held> ChangeAsync(CancellationToken ct, params DiskName[] disks)
    {
        foreach (var disk in disks)
        {
            Demand(disk);
        }

        var held = await _locks.HoldAsync(ct, disks.Select(d => d.Owner));
        try
        {
            await _folder.DemandAsync(ct);
            await WorkAsync(
                () =>
                {
                    foreach (var disk in disks)
                    {
                        Sweep(disk.Owner);
                    }

                    return true;
                },
                ct);
            return held;
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    /// <summary>Removes files and folders that no record has.</summary>
    private void Sweep(string owner)
    {
        if (!File.Exists($"{FolderOf(owner)}/{Record}"))
        {
            return;
        }

        var record = Read(owner);
        foreach (var folder in Directory.GetDirectories(FolderOf(owner)))
        {
            if (record.Disks.GetValueOrDefault(Path.GetFileName(folder)) is not { } disk)
            {
                Directory.Delete(folder, recursive: true);
                continue;
            }

            foreach (var file in Directory.GetFiles(folder))
            {
                if (!disk.Tree.Layers.Keys.Any(l => FileOf(new(owner, Path.GetFileName(folder)), l) == file))
                {
                    File.Delete(file);
                }
            }
        }
    }

    private async Task NewLayerAsync(DiskName disk, string layer, long sizeBytes, string? below, CancellationToken ct)
    {
        PoolFolder.MakeFolder(FolderOf(disk));
        await TryAsync($"Making {disk}", () => qemu.CreateAsync(FileOf(disk, layer), sizeBytes, below, ct));
        Settle(disk, layer);
    }

    private async Task NewRawAsync(DiskName disk, string layer, long sizeBytes, string? image, CancellationToken ct)
    {
        PoolFolder.MakeFolder(FolderOf(disk));
        await TryAsync($"Making {disk}", async () =>
        {
            if (image is not null)
            {
                await qemu.ConvertToRawAsync(image, $"{FileOf(disk, layer)}.new", ct);
                RawFiles.Whole(FileOf(disk, layer), _ => { }, sizeBytes);
            }
            else
            {
                RawFiles.Create(FileOf(disk, layer), sizeBytes);
            }
        });
    }

    /// <summary>A file that was made is its owner's alone, and there after a power cut.</summary>
    private void Settle(DiskName disk, string layer)
    {
        File.SetUnixFileMode(FileOf(disk, layer), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using (var made = File.OpenHandle(FileOf(disk, layer), access: FileAccess.ReadWrite))
        {
            RandomAccess.FlushToDisk(made);
        }

        Posix.SyncDirectory(FolderOf(disk));
    }

    private Disk ChainOf(DiskName disk, OwnerRecord? record = null)
    {
        var known = (record ?? Read(disk.Owner)).Disks.GetValueOrDefault(disk.Name) ?? throw PoolErrors.DiskMissing(disk);
        return ChainOf(disk, known, known.Tree.Top);
    }

    /// <summary>A layer and all under it, as it is to be opened.</summary>
    private Disk ChainOf(DiskName disk, DiskRecord known, string layer)
    {
        var layers = LayersOf(disk, known, layer).ToList();
        foreach (var each in layers)
        {
            Examine(disk, each);
        }

        return new(known.Tree.Layers[layer].SizeBytes, layers);
    }

    private IEnumerable<DiskLayer> LayersOf(DiskName disk, DiskRecord known, string layer) =>
    [
        .. known.Tree.From(layer).Select(l => new DiskLayer(l, FileOf(disk, l), FormatOf(l))),
        .. known.Base switch
        {
            { Image: { } image } => [new DiskLayer(ImageLayer, image, DiskFormat.Qcow2)],
            { Layer: { } below } when new DiskName(below.Owner, below.Disk) is var parent =>
                Read(below.Owner).Disks.GetValueOrDefault(below.Disk) is { } base_ && base_.Tree.Layers.ContainsKey(below.Layer)
                    ? LayersOf(parent, base_, below.Layer) : throw PoolErrors.DiskDamaged(disk, $"the layer {below.Layer} of {parent}, which it stands on, is not there"),
            _ => (IEnumerable<DiskLayer>)[],
        },
    ];

    /// <summary>Looks at a header before any tool does: one that would make it open another file is damage.</summary>
    /// <returns>The size it claims, in bytes.</returns>
    private static long Examine(DiskName disk, DiskLayer layer)
    {
        try
        {
            return layer.Format == DiskFormat.Raw ? new FileInfo(layer.Path).Length : DiskProbe.ExamineOwn(layer.Path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or Refusal)
        {
            throw PoolErrors.DiskDamaged(disk, $"{layer.Path}: {e.Message.TrimEnd('.')}");
        }
    }

    private static async Task<T> WorkAsync<T>(Func<T> work, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        return await Task.Run(work, ct);
    }

    private Task TryAsync(string what, Func<Task> work) => PoolWork.TryAsync(_folder.Place, what, work);
}
