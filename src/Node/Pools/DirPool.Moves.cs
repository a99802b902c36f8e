using Gantry.Node.Host;

namespace Gantry.Node.Pools;

/// <summary>Disks that come from elsewhere, and that go to another owner.</summary>
internal sealed partial class DirPool
{
    /// <summary>Takes a file over that is a disk already, whether it is open or not.</summary>
    /// <param name="file">A qcow2 of Gantry's own on the same file system.</param>
    /// <exception cref="Refusal"><c>pool.failed</c></exception>
    public async Task AdoptAsync(DiskName disk, string file, string? image, CancellationToken ct)
    {
        using var held = await ChangeAsync(ct, disk);
        var record = Read(disk.Owner);
        if (!record.Disks.TryGetValue(disk.Name, out var known))
        {
            // The record is first here: a file that no record has would be removed.
            known = new(image is null ? null : new(Image: image), LayerTree.Of(NewName(), Examine(disk, new DiskLayer("", file, DiskFormat.Qcow2))));
            record = record.With(disk.Name, known);
            Write(disk.Owner, record);
        }

        if (File.Exists(file) && !File.Exists(FileOf(disk, known.Tree.Top)))
        {
            PoolFolder.MakeFolder(FolderOf(disk));
            Posix.Rename(file, FileOf(disk, known.Tree.Top));
            Posix.SyncDirectory(FolderOf(disk));
            Posix.SyncDirectory(Path.GetDirectoryName(file)!);
        }
    }

    public async Task MoveAsync(DiskName from, DiskName to, CancellationToken ct)
    {
        Demand(from);
        var below = Read(from.Owner).Disks.GetValueOrDefault(from.Name)?.Base?.Layer;
        using var held = await ChangeAsync(ct, [from, to, .. below is null ? (DiskName[])[] : [new(below.Owner, below.Disk)]]);
        var there = Read(to.Owner);
        if (from == to || (Read(from.Owner).Disks.GetValueOrDefault(from.Name) is null && there.Disks.ContainsKey(to.Name)))
        {
            return;
        }

        var known = Known(from);
        if (known.Tree.Snapshots.Count > 0)
        {
            throw PoolErrors.HasSnapshots(from);
        }

        if (LivingClones(from, known).FirstOrDefault() is { } clone)
        {
            throw PoolErrors.HasClones(from, $"{clone.Owner}/{clone.Disk}");
        }

        if (Directory.Exists(FolderOf(from)))
        {
            // Of a move the other way that broke off, the record may be at both: it is where its folder is.
            if (there.Disks.GetValueOrDefault(to.Name) is { } other && (other.Tree.Top != known.Tree.Top || Directory.Exists(FolderOf(to))))
            {
                throw PoolErrors.DiskThere(to);
            }

            if (below is not null && Read(below.Owner) is var parent && parent.Disks.GetValueOrDefault(below.Disk) is { } standsOn)
            {
                Write(below.Owner, parent.With(below.Disk, standsOn with { Tree = standsOn.Tree.WithClone(new(below.Layer, to.Owner, to.Name)) }));
            }

            Write(to.Owner, Read(to.Owner).With(to.Name, known with { IsComing = true }));
            Posix.Rename(FolderOf(from), FolderOf(to));
            Posix.SyncDirectory(FolderOf(to.Owner));
            Posix.SyncDirectory(FolderOf(from.Owner));
        }
        else if (!there.Disks.ContainsKey(to.Name))
        {
            throw PoolErrors.DiskDamaged(from, $"{FolderOf(from)} is not there");
        }

        Write(to.Owner, Read(to.Owner).With(to.Name, known with { IsComing = false }));
        Write(from.Owner, Read(from.Owner).Without(from.Name));
    }
}
