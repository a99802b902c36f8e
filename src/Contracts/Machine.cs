namespace Gantry.Contracts;

/// <summary>What a machine is made of, beside its CPUs and memory. What is left out is the driver's default.</summary>
public record Machine
{
    /// <summary>Default: the image's, or else the node's.</summary>
    public Architecture? Architecture { get; init; }
    public CpuOptions? Cpu { get; init; }
    public MemoryOptions? Memory { get; init; }

    /// <summary>In the order in which they are tried at boot when <see cref="Boot.Order"/> does not say.</summary>
    public IReadOnlyList<Volume>? Volumes { get; init; }
    public IReadOnlyList<Nic>? Nics { get; init; }
    public Security? Security { get; init; }

    /// <summary>Default <c>utc</c>.</summary>
    public ClockBase? Clock { get; init; }

    /// <summary>For a Windows that is installed by itself.</summary>
    public WindowsSetup? Windows { get; init; }
}

/// <summary>How the CPUs look to the guest, and which of the host's run them.</summary>
public sealed record CpuOptions
{
    /// <summary>A model of the driver's, such as <c>host</c>, <c>max</c> or <c>EPYC-v4</c>. Default <c>host</c>, under emulation <c>max</c>.</summary>
    public string? Model { get; init; }

    /// <summary>Sockets × cores × threads is the number of CPUs.</summary>
    public int? Sockets { get; init; }

    /// <summary>Of one socket.</summary>
    public int? Cores { get; init; }

    /// <summary>Of one core.</summary>
    public int? Threads { get; init; }

    /// <summary>Under KVM: tell the guest that it runs on Hyper-V, by which Windows runs faster. Default: no.</summary>
    public bool? HyperV { get; init; }

    /// <summary>For each CPU, from the first: the CPUs of the host it may run on, as <c>2</c> or <c>0-3,8</c>.</summary>
    public IReadOnlyList<string>? Pinning { get; init; }

    /// <summary>At most so much of one host CPU's time, in percent: 150 is one and a half. Default: no limit.</summary>
    public int? LimitPercent { get; init; }

    /// <summary>Its share when CPUs are short, 1 to 10000. Default 100.</summary>
    public int? Weight { get; init; }
}

public sealed record MemoryOptions
{
    /// <summary>Taken from the host's huge pages of this size, 2 MiB or 1 GiB, which must be reserved there. Default: ordinary pages.</summary>
    public long? HugePageBytes { get; init; }
    public NumaPolicy? Numa { get; init; }
}

/// <summary>From which of the host's NUMA nodes the guest's memory is taken.</summary>
/// <param name="Nodes">As <c>0</c> or <c>0-1,3</c>.</param>
public sealed record NumaPolicy(NumaMode Mode, string Nodes);

public enum NumaMode
{
    /// <summary>Only from these.</summary>
    Bind = 1,

    /// <summary>From these while they have some.</summary>
    Preferred = 2,

    /// <summary>Evenly from all of these.</summary>
    Interleave = 3,
}

/// <summary>A disk, or a drive for discs.</summary>
public record Volume
{
    /// <summary>1 to 20 of a-z, 0-9 and '-'; once in an instance.</summary>
    public required string Name { get; init; }

    /// <summary>Default <c>disk</c>.</summary>
    public VolumeDevice? Device { get; init; }

    /// <summary>A disk begins as this image and keeps only what differs; a disc drive shows it.</summary>
    public string? Image { get; init; }

    /// <summary>For a disc drive: absolute path of an ISO file on the node that everyone may read.</summary>
    public string? Path { get; init; }

    /// <summary>For a disc drive: a disc that Gantry makes, in place of an image or a file. With none of them the drive is empty.</summary>
    public GeneratedDisc? Generated { get; init; }

    /// <summary>Of a disk: the pool it lies in, by name. Default <c>local</c>.</summary>
    public string? Pool { get; init; }

    /// <summary>Of a disk. Default: as large as its image.</summary>
    public long? SizeBytes { get; init; }

    /// <summary>Default <c>virtio</c>; for a disc drive <c>sata</c>.</summary>
    public VolumeBus? Bus { get; init; }

    /// <summary>Default <c>writeback</c>.</summary>
    public VolumeCache? Cache { get; init; }
    public bool? ReadOnly { get; init; }
    public VolumeLimits? Limits { get; init; }
}

public enum VolumeDevice
{
    Disk = 1,
    Cdrom = 2,
}

public enum VolumeBus
{
    Virtio = 1,
    Scsi = 2,
    Sata = 3,
    Nvme = 4,
}

/// <summary>What happens on the host to what the guest writes. In each, what the guest has flushed is on the disk.</summary>
public enum VolumeCache
{
    /// <summary>The host's page cache is passed by.</summary>
    None = 1,

    /// <summary>The host's page cache is used.</summary>
    Writeback = 2,

    /// <summary>Each write is on the disk before it is reported done.</summary>
    Writethrough = 3,
}

/// <summary>Upper limits; none where left out.</summary>
public sealed record VolumeLimits
{
    public long? ReadBytesPerSecond { get; init; }
    public long? WriteBytesPerSecond { get; init; }
    public long? ReadOperationsPerSecond { get; init; }
    public long? WriteOperationsPerSecond { get; init; }
}

/// <summary>The body of <c>PATCH /instances/{instance}/volumes/{volume}</c>, a merge patch.</summary>
/// <param name="SizeBytes">No smaller than it is.</param>
public sealed record ChangeVolume(long? SizeBytes = null, VolumeLimits? Limits = null);

/// <summary>The body of <c>POST /instances/{instance}/volumes/{volume}/move</c>.</summary>
/// <param name="Pool">Where it is to lie, by name.</param>
public sealed record MoveVolume(string Pool);

/// <summary>A network card.</summary>
public sealed record Nic
{
    /// <summary>1 to 15 of a-z, 0-9 and '-'; once in an instance.</summary>
    public required string Name { get; init; }

    /// <summary>Default: 52:54:00 and three bytes made from the instance's id and this name, the same for ever.</summary>
    public string? Mac { get; init; }

    /// <summary>Default <c>virtio</c>.</summary>
    public NicModel? Model { get; init; }

    /// <summary>By name. Default: the node's default network; <c>none</c> for a card that is plugged in nowhere.</summary>
    public string? Network { get; init; }

    /// <summary>IPv4. Default: a free one of the network's, kept until the NIC goes.</summary>
    public string? Address { get; init; }

    /// <summary>IPv6. Default: made of the network's prefix and the MAC.</summary>
    public string? Address6 { get; init; }
    public NicLimits? Limits { get; init; }
}

/// <summary>A NIC as it is, and what passed it since its instance was started or it was plugged in; null when that does not run.</summary>
public sealed record NicInfo(Nic Nic, NicStatistics? Statistics = null);

/// <summary>The body of <c>PATCH /instances/{instance}/nics/{nic}</c>, a merge patch.</summary>
public sealed record ChangeNic(NicLimits? Limits = null);

/// <summary>Upper limits; none where left out.</summary>
public sealed record NicLimits
{
    /// <summary>To the guest.</summary>
    public long? ReceiveBytesPerSecond { get; init; }

    /// <summary>From the guest.</summary>
    public long? SendBytesPerSecond { get; init; }
}

public enum NicModel
{
    Virtio = 1,
    E1000e = 2,
    Rtl8139 = 3,
}

public sealed record Security
{
    /// <summary>UEFI with Microsoft's keys enrolled, so that only signed boot loaders run. Default: off.</summary>
    public bool? SecureBoot { get; init; }

    /// <summary>A TPM 2.0 of the instance's own. Default: off.</summary>
    public bool? Tpm { get; init; }
}
