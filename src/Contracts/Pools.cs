using System.Text.Json.Serialization;

namespace Gantry.Contracts;

/// <summary>A place where volumes lie.</summary>
public sealed record Pool
{
    public required Id<Pool> Id { get; init; }
    public required string Name { get; init; }
    public string? Description { get; init; }
    public required PoolKind Kind { get; init; }

    /// <summary>Where it is, as it was said when the pool was made. Null for <c>local</c>, which is beside the instances and always there.</summary>
    public string? Source { get; init; }
    public required PoolStatus Status { get; init; }

    /// <summary>How many volumes lie in it, those of instances and those that belong to none. Only in the answer about one pool.</summary>
    public int? Volumes { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required string Etag { get; init; }
}

/// <summary>The body of <c>POST /pools</c>.</summary>
public sealed record CreatePool
{
    /// <summary>1 to 63 of a-z, 0-9 and '-'.</summary>
    public required string Name { get; init; }
    public required PoolKind Kind { get; init; }

    /// <summary>
    /// An absolute path; for <c>zfs</c> a data set such as <c>tank/gantry</c>, for <c>lvm</c> a thin pool such as <c>vg/thin</c>, for <c>ceph</c> the addresses
    /// of monitors with a pool and, better, a namespace in it, such as <c>10.0.0.1,10.0.0.2/gantry/site1</c>, and what a file server
    /// calls it for <c>nfs</c> (<c>server:/export</c>), <c>cifs</c> (<c>//server/share</c>) and <c>glusterfs</c> (<c>server:/volume</c>).
    /// It is empty, or was this pool before; a directory or data set need not be there yet.
    /// </summary>
    public required string Source { get; init; }
    public string? Description { get; init; }

    /// <summary>How a file server's directory is mounted, or a cluster reached; for <c>nfs</c>, <c>cifs</c> and <c>ceph</c> only.</summary>
    public PoolMount? Mount { get; init; }

    /// <summary>What new volumes are files of, for <c>dir</c>, <c>nfs</c>, <c>cifs</c> and <c>glusterfs</c> only. Default <c>qcow2</c>.</summary>
    public VolumeFormat? Format { get; init; }
}

/// <summary>How a file server's directory is mounted, or a cluster reached, beyond what Gantry always says.</summary>
/// <param name="Protocol">The version of NFS or SMB that is spoken, such as <c>4.2</c> or <c>3.1.1</c>; null leaves it to both sides.</param>
/// <param name="Credentials">For <c>cifs</c> the name of a file in the node's <c>/etc/gantry/credentials</c>, which root owns and nobody else may read; null for a guest. For <c>ceph</c> likewise, a keyring with one user, always said.</param>
public sealed record PoolMount(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Protocol = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Credentials = null);

public enum VolumeFormat
{
    Qcow2 = 1,

    /// <summary>The volume byte for byte. It holds all of its image by itself; what is written to it after a snapshot is in a qcow2 file over it.</summary>
    Raw = 2,
}

public enum PoolKind
{
    /// <summary>A directory with a qcow2 file, or a raw one, for each volume and a qcow2 for each snapshot.</summary>
    Dir = 1,

    /// <summary>A data set of ZFS with one of its own for each instance, and raw files in these.</summary>
    Zfs = 2,

    /// <summary>A directory of a Btrfs with a subvolume for each instance, and raw files in these.</summary>
    Btrfs = 3,

    /// <summary>A thin pool of LVM with a volume for each disk and snapshot.</summary>
    Lvm = 4,

    /// <summary>Like <c>dir</c>, on a directory of an NFS server that Gantry mounts.</summary>
    Nfs = 5,

    /// <summary>Like <c>dir</c>, on a share of an SMB server that Gantry mounts.</summary>
    Cifs = 6,

    /// <summary>Like <c>dir</c>, on a volume of GlusterFS that Gantry mounts.</summary>
    Glusterfs = 7,

    /// <summary>A pool of Ceph, or a namespace of one, with an image (RBD) for each disk.</summary>
    Ceph = 8,
}

/// <summary>How a pool was found last.</summary>
/// <param name="Healthy">Volumes can be made in it and opened.</param>
/// <param name="Message">What is wrong with it; null when nothing is.</param>
/// <param name="TotalBytes">Of the file system or ZFS pool it is part of, which others may use too; null when it could not be asked.</param>
/// <param name="FreeBytes">Likewise.</param>
public sealed record PoolStatus(
    bool Healthy,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Message = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] long? TotalBytes = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] long? FreeBytes = null);
