namespace Gantry.Contracts;

/// <summary>The body of <c>POST /instances/{instance}/clone</c> and <c>POST /instances/{instance}/snapshots/{snapshot}/clone</c>.</summary>
public sealed record CloneInstance
{
    /// <summary>1 to 63 of a-z, 0-9 and '-'; no other instance may have it.</summary>
    public required string Name { get; init; }

    /// <summary>It keeps only what differs from what it was made of, which stays for as long. Default: a copy of its own; of a template, linked.</summary>
    public bool? Linked { get; init; }

    /// <summary>The pool its disks lie in, by name. Default: each where that of the source lies. A linked one lies nowhere else.</summary>
    public string? Pool { get; init; }

    /// <summary>The same for single disks, by the volume's name.</summary>
    public IReadOnlyDictionary<string, string>? Pools { get; init; }

    /// <summary>What is to be otherwise of its NICs, which are on the same networks. Default: new MACs, and addresses as for a new instance.</summary>
    public IReadOnlyList<CloneNic>? Nics { get; init; }

    /// <summary>What its guest is to be told otherwise. Default: its name; it has cloud-init only where the source has.</summary>
    public CloneCloudInit? CloudInit { get; init; }

    /// <summary>Default: the source's.</summary>
    public string? Description { get; init; }

    /// <summary>Default: the source's.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>What the source's TPM remembers goes along. A TPM is an identity: without this the clone's is a new one, and what was sealed to the old stays sealed.</summary>
    public bool CopyTpm { get; init; }

    /// <summary>Start it in the same operation; if it does not start, nothing is left behind.</summary>
    public bool StartNow { get; init; }
}

/// <summary>A NIC of a clone.</summary>
public sealed record CloneNic
{
    /// <summary>Of a NIC of the source.</summary>
    public required string Name { get; init; }

    /// <summary>Default: a new one.</summary>
    public string? Mac { get; init; }

    /// <summary>IPv4, of the network's. Default: a free one.</summary>
    public string? Address { get; init; }

    /// <summary>IPv6, of the network's. Default: made of its prefix and the MAC.</summary>
    public string? Address6 { get; init; }
}

/// <summary>What a clone's cloud-init says in place of the source's; addresses of the source are never said again.</summary>
public sealed record CloneCloudInit
{
    /// <summary>Default: the clone's name.</summary>
    public string? Hostname { get; init; }

    /// <summary>NICs that do not get their addresses by DHCP.</summary>
    public IReadOnlyList<CloudInitNic>? Nics { get; init; }

    /// <summary>Default: the source's.</summary>
    public IReadOnlyList<string>? DnsServers { get; init; }

    /// <summary>Default: the source's.</summary>
    public IReadOnlyList<string>? SearchDomains { get; init; }
}

/// <summary>What a linked clone stands on.</summary>
/// <param name="Id">The instance.</param>
/// <param name="Snapshot">Its name; null for one that was taken for the clone alone, which is in no list and goes with it.</param>
public sealed record InstanceParent(Id<Instance> Id, string Name, string? Snapshot = null);
