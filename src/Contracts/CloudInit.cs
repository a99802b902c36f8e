namespace Gantry.Contracts;

/// <summary>
/// What cloud-init in a Linux guest is told at its first start, on a disc that Gantry makes and attaches by itself (NoCloud,
/// https://cloudinit.readthedocs.io/en/22.4.2/topics/datasources/nocloud.html). The user-data are either raw or in the fields below it.
/// </summary>
public sealed record CloudInit
{
    /// <summary>Raw user-data, as cloud-init reads it; in place of users, keys, packages, commands, files and time zone.</summary>
    public string? UserData { get; init; }

    /// <summary>Raw network-config, version 1 or 2; in place of <see cref="Nics"/>, <see cref="DnsServers"/> and <see cref="SearchDomains"/>.</summary>
    public string? NetworkConfig { get; init; }

    /// <summary>Raw vendor-data: as user-data, which win over them. Default: what gives a copied disk a machine-id of its own.</summary>
    public string? VendorData { get; init; }

    /// <summary>Default: the instance's name.</summary>
    public string? Hostname { get; init; }

    /// <summary>The host name with its domain; <see cref="Hostname"/> is then its first part. Default: none.</summary>
    public string? Fqdn { get; init; }

    /// <summary>Those that are made. Where there are some, the image's own user is made only when <see cref="SshKeys"/> are there too.</summary>
    public IReadOnlyList<CloudInitUser>? Users { get; init; }

    /// <summary>Public keys that let in as the image's own user.</summary>
    public IReadOnlyList<string>? SshKeys { get; init; }

    /// <summary>Installed from the guest's own sources.</summary>
    public IReadOnlyList<string>? Packages { get; init; }

    /// <summary>Lines for the guest's shell, run as root near the end of the first start.</summary>
    public IReadOnlyList<string>? Runcmd { get; init; }
    public IReadOnlyList<CloudInitFile>? WriteFiles { get; init; }

    /// <summary>Such as <c>Europe/Berlin</c>.</summary>
    public string? Timezone { get; init; }

    /// <summary>Addresses. Default: what DHCP says.</summary>
    public IReadOnlyList<string>? DnsServers { get; init; }
    public IReadOnlyList<string>? SearchDomains { get; init; }

    /// <summary>NICs that do not get their addresses by DHCP.</summary>
    public IReadOnlyList<CloudInitNic>? Nics { get; init; }
}

public sealed record CloudInitUser
{
    /// <summary>1 to 32 of a-z, 0-9, '_' and '-', beginning with a letter or '_'.</summary>
    public required string Name { get; init; }

    /// <summary>In clear, only ever sent: it is stored as its hash (SHA-512 crypt). Default: no password, so nobody signs in with one.</summary>
    public string? Password { get; init; }

    /// <summary>In place of <see cref="Password"/>, only ever sent: as <c>/etc/shadow</c> has it (crypt(5)).</summary>
    public string? PasswordHash { get; init; }

    /// <summary>In answers: there is one. Sent again with a change of an instance's cloud-init or of a template it keeps the one that the user of that name has.</summary>
    public bool? HasPassword { get; init; }

    /// <summary>Public keys.</summary>
    public IReadOnlyList<string>? SshKeys { get; init; }

    /// <summary>May become root without a password. Default: no.</summary>
    public bool? Sudo { get; init; }

    /// <summary>Beside the group of its own.</summary>
    public IReadOnlyList<string>? Groups { get; init; }

    /// <summary>Absolute path in the guest. Default: the guest's own default.</summary>
    public string? Shell { get; init; }
}

public sealed record CloudInitFile
{
    /// <summary>Absolute, in the guest.</summary>
    public required string Path { get; init; }

    /// <summary>Text. Default: empty.</summary>
    public string? Content { get; init; }

    /// <summary>Octal, such as <c>0600</c>. Default <c>0644</c>.</summary>
    public string? Permissions { get; init; }

    /// <summary><c>USER</c> or <c>USER:GROUP</c>. Default <c>root:root</c>.</summary>
    public string? Owner { get; init; }
}

/// <summary>A NIC with static addresses; the guest finds it by its MAC.</summary>
public sealed record CloudInitNic
{
    /// <summary>Of a NIC of the instance.</summary>
    public required string Name { get; init; }

    /// <summary>IPv4 and IPv6, each with the length of its prefix: <c>10.20.0.5/24</c>.</summary>
    public required IReadOnlyList<string> Addresses { get; init; }

    /// <summary>IPv4. Default: no default route through it.</summary>
    public string? Gateway { get; init; }

    /// <summary>IPv6, likewise.</summary>
    public string? Gateway6 { get; init; }
}

/// <summary>That an instance has cloud-init; what is in it, <c>GET /instances/{instance}/cloud-init</c> shows.</summary>
/// <param name="InstanceId">cloud-init acts once for each: the instance's id, and a number that goes up when the settings are set again.</param>
public sealed record CloudInitInfo(string InstanceId);
