namespace Gantry.Contracts;

/// <summary>What an instance is made from: a kernel, an initial RAM disk, a disk, or several of them.</summary>
public sealed record Image
{
    public required Id<Image> Id { get; init; }
    public required string Name { get; init; }
    public required ImageState State { get; init; }

    /// <summary>What an instance of it becomes when nothing else is asked for.</summary>
    public required InstanceKind DefaultKind { get; init; }

    /// <summary>The processor it is made for.</summary>
    public Architecture Architecture { get; init; } = Architecture.X86_64;

    /// <summary>What an instance of it boots by when nobody says.</summary>
    public Firmware Firmware { get; init; } = Firmware.Direct;
    public string? Description { get; init; }

    /// <summary>Where it came from: a recipe, a file's name, an address without its secrets, an instance.</summary>
    public string? Source { get; init; }

    /// <summary>What its files take on the node.</summary>
    public long SizeBytes { get; init; }

    /// <summary>What a guest sees of its disk; null when it has none.</summary>
    public long? DiskBytes { get; init; }

    /// <summary>SHA-256 of each file, by file name, in lower-case hexadecimal.</summary>
    public IReadOnlyDictionary<string, string> Sha256 { get; init; } = new Dictionary<string, string>();

    /// <summary>The instances that use it. Only in the answer about one image.</summary>
    public IReadOnlyList<string>? UsedBy { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required DateTimeOffset UpdatedAt { get; init; }
    public required string Etag { get; init; }
}

/// <summary>Numbers are stored and never change (a golden test holds them).</summary>
public enum ImageState
{
    Creating = 1,
    Ready = 2,
}

/// <summary>How a disk that is imported is written; on the node it is qcow2 afterwards, whatever it was.</summary>
public enum DiskFormat
{
    Qcow2 = 1,
    Raw = 2,

    /// <summary>In one file: monolithicSparse or streamOptimized.</summary>
    Vmdk = 3,
    Vdi = 4,
    Vhdx = 5,
    Vpc = 6,
}

/// <summary>The body of <c>POST /images:build</c>.</summary>
/// <param name="Recipe"><c>micro</c>: Debian's cloud kernel and a busybox initial RAM disk; <c>debian</c>: a Debian server on a disk; <c>rootfs</c>: Debian's minimal root file system with a kernel.</param>
/// <param name="Name">The recipe's own name when left out.</param>
public sealed record BuildImage(string Recipe, string? Name = null);

/// <summary>The body of <c>POST /images:import</c>: a disk by <see cref="Url"/> or <see cref="Path"/>, a kernel, or both.</summary>
public sealed record ImportImage
{
    public required string Name { get; init; }

    /// <summary>Where the node fetches the disk from: http or https.</summary>
    public string? Url { get; init; }

    /// <summary>Absolute path of the disk on the node; only for local administrators.</summary>
    public string? Path { get; init; }

    /// <summary>What the disk's bytes must have as SHA-256, in hexadecimal.</summary>
    public string? Sha256 { get; init; }

    /// <summary>Told by its first bytes when left out.</summary>
    public DiskFormat? Format { get; init; }

    /// <summary>Default: <c>direct</c> with a kernel; else <c>bios</c> for x86_64, <c>uefi</c> for others.</summary>
    public Firmware? Firmware { get; init; }

    /// <summary>Default: <c>microvm</c> with a kernel, else <c>vm</c>.</summary>
    public InstanceKind? DefaultKind { get; init; }

    /// <summary>Default <c>x86_64</c>.</summary>
    public Architecture? Architecture { get; init; }

    /// <summary>Absolute path of a kernel on the node; only for local administrators.</summary>
    public string? Kernel { get; init; }

    /// <summary>Absolute path of an initial RAM disk on the node, beside a kernel.</summary>
    public string? Initrd { get; init; }

    /// <summary>What it wants on the kernel's command line: <c>root=/dev/vda</c>.</summary>
    public string? CommandLine { get; init; }
    public string? Description { get; init; }
}

/// <summary>The body of <c>POST /images</c>: an image of what is on a stopped instance's first disk, or was on it in a snapshot.</summary>
/// <param name="FromSnapshot">A snapshot of that instance, which may run then.</param>
public sealed record CreateImage(string Name, string FromInstance, string? Description = null, string? FromSnapshot = null);

/// <summary>The body of <c>POST /images/{image}/rename</c>.</summary>
public sealed record RenameImage(string Name);

/// <summary>The body of <c>PATCH /images/{image}</c>, a merge patch: what is left out stays, null takes it away.</summary>
/// <param name="Description">For people; empty is none.</param>
public sealed record ChangeImage(string? Description = null);
