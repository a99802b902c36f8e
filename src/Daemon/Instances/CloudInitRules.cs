using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Node.Instances;
using Gantry.Node.Networks;

namespace Gantry.Daemon.Instances;

/// <summary>What cloud-init's settings must keep to, so that what goes wrong is told here and not in a log of the guest's.</summary>
internal static partial class CloudInitRules
{
    private const int KeyLength = 16 << 10;

    /// <summary>With what cloud-init tells parts of user-data apart by (cloudinit/handlers/__init__.py of 22.4).</summary>
    private static readonly string[] Headers =
        ["#cloud-config-archive", "#cloud-config-jsonp", "#cloud-config", "#cloud-boothook", "#include-once", "#include", "#part-handler", "#!", "## template: jinja"];

    /// <param name="at">Its JSON path.</param>
    public static IEnumerable<Fault> Faults(CloudInit? settings, InstanceKind? kind, string at = "$.cloudInit") => settings is null ? []
        : kind == InstanceKind.Container ? [new(at, "a container has no drive for the disc that cloud-init reads; leave it out")] :
    [
        .. OfPasswords(settings, at),
        .. OfRaw(settings, at),
        .. TooMany(settings, at),
        .. OfTexts(settings, at),
        .. (settings.Users ?? []).Index().SelectMany(u => OfUser(u.Item, $"{at}.users[{u.Index}]")),
        .. Twice(settings.Users, u => u.Name).Select(number => new Fault($"{at}.users[{number}].name", "another user has this name")),
        .. (settings.WriteFiles ?? []).Index().SelectMany(f => OfFile(f.Item, $"{at}.writeFiles[{f.Index}]")),
        .. (settings.Nics ?? []).Index().SelectMany(n => OfNic(n.Item, $"{at}.nics[{n.Index}]")),
        .. Twice(settings.Nics, n => n.Name).Select(number => new Fault($"{at}.nics[{number}].name", "it is there twice")),
    ];

    /// <summary>Of passwords in clear, which must be known to be well, and not too many, before they are hashed.</summary>
    public static IEnumerable<Fault> OfPasswords(CloudInit? settings, string at = "$.cloudInit")
    {
        if (settings?.Users?.Count > Limits.CloudInitItems)
        {
            yield return new($"{at}.users", $"{settings.Users.Count} are more than {Limits.CloudInitItems}");
        }

        foreach (var (number, user) in (settings?.Users ?? []).Index().Where(u => u.Item.Password is not null))
        {
            var password = user.Password!;
            if (user.PasswordHash is not null)
            {
                yield return new($"{at}.users[{number}]", "a password or its hash, not both");
            }

            if (Encoding.UTF8.GetByteCount(password) is 0 or > Limits.PasswordBytes || password.Any(char.IsControl))
            {
                yield return new($"{at}.users[{number}].password", $"a password has 1 to {Limits.PasswordBytes} bytes in UTF-8, and no control characters");
            }
        }
    }

    private static IEnumerable<Fault> OfRaw(CloudInit settings, string at)
    {
        if (settings.UserData is not null && (settings.Users ?? settings.SshKeys ?? settings.Packages ?? settings.Runcmd ?? settings.WriteFiles ?? (object?)settings.Timezone) is not null)
        {
            yield return new($"{at}.userData", "give raw user-data, or users, sshKeys, packages, runcmd, writeFiles and timezone, not both");
        }

        if (settings.NetworkConfig is not null && (settings.Nics ?? settings.DnsServers ?? (object?)settings.SearchDomains) is not null)
        {
            yield return new($"{at}.networkConfig", "give a raw network-config, or nics, dnsServers and searchDomains, not both");
        }

        foreach (var (name, raw) in ((string, string?)[])[("userData", settings.UserData), ("networkConfig", settings.NetworkConfig), ("vendorData", settings.VendorData)])
        {
            foreach (var fault in raw is null ? [] : OfRaw($"{at}.{name}", raw, name == "networkConfig"))
            {
                yield return fault;
            }
        }

        if (settings.UserData is null && Encoding.UTF8.GetByteCount(CloudInitSeed.UserData(settings)) is var bytes and > Limits.UserDataBytes)
        {
            yield return new(at, $"it comes to {bytes} bytes of user-data; {Limits.UserDataBytes} are allowed");
        }
    }

    private static IEnumerable<Fault> OfRaw(string at, string raw, bool network) =>
        Encoding.UTF8.GetByteCount(raw) is var bytes and > Limits.UserDataBytes ? [new(at, $"it has {bytes} bytes; {Limits.UserDataBytes} are allowed")]
        : raw.Index().Where(c => char.IsControl(c.Item) && c.Item is not ('\t' or '\n' or '\r')).Select(c => (int?)c.Index).FirstOrDefault() is { } control
            ? [new(at, $"line {1 + raw.Take(control).Count(c => c == '\n')}: it has a control character in it")]
        : network ? new CloudConfigReader(at, raw).NetworkConfig()
        : IsMime(raw) ? []
        : Headers.FirstOrDefault(header => raw.TrimStart().StartsWith(header, StringComparison.OrdinalIgnoreCase)) switch
        {
            null => [new(at, $"line 1: it begins with nothing that cloud-init knows: {string.Join(", ", Headers)}, or a MIME message")],
            "#cloud-config" => new CloudConfigReader(at, raw).CloudConfig(),
            _ => [],
        };

    private static bool IsMime(string raw) => raw.AsSpan(0, Math.Min(raw.Length, 4096)).Contains("mime-version:", StringComparison.OrdinalIgnoreCase);

    private static IEnumerable<Fault> TooMany(CloudInit settings, string at) =>
        from list in ((string Name, int? Count)[])
        [
            ("sshKeys", settings.SshKeys?.Count), ("packages", settings.Packages?.Count), ("runcmd", settings.Runcmd?.Count),
            ("writeFiles", settings.WriteFiles?.Count), ("dnsServers", settings.DnsServers?.Count), ("searchDomains", settings.SearchDomains?.Count), ("nics", settings.Nics?.Count),
        ]
        where list.Count > Limits.CloudInitItems
        select new Fault($"{at}.{list.Name}", $"{list.Count} are more than {Limits.CloudInitItems}");

    private static IEnumerable<Fault> OfTexts(CloudInit settings, string at) =>
    [
        .. Fits($"{at}.hostname", settings.Hostname, HostLabel(), "a host name has 1 to 63 letters, digits and '-', and neither begins nor ends with '-'; a domain belongs into fqdn"),
        .. Fits($"{at}.fqdn", settings.Fqdn, Domain(), "it is no host name with its domain such as web1.example.org"),
        .. settings is { Fqdn: { } fqdn, Hostname: { } host } && !fqdn.StartsWith($"{host}.", StringComparison.OrdinalIgnoreCase) ? (Fault[])[new($"{at}.fqdn", "it does not begin with the host name")] : [],
        .. Fits($"{at}.timezone", settings.Timezone, Zone(), "it is no time zone such as Europe/Berlin"),
        .. Each($"{at}.sshKeys", settings.SshKeys, OfKey),
        .. Each($"{at}.packages", settings.Packages, (place, name) => Fits(place, name, Package(), "it is no name of a package")),
        .. Each($"{at}.runcmd", settings.Runcmd, (place, line) => line.Length == 0 ? [new(place, "it is empty")] : TextRules.Text(place, line, Limits.CloudInitTextLength, lines: true)),
        .. Each($"{at}.dnsServers", settings.DnsServers, (place, address) => Subnet.TryParseAddress(address, out _) ? [] : [new(place, "it is no address")]),
        .. Each($"{at}.searchDomains", settings.SearchDomains, (place, name) => Fits(place, name, Domain(), "it is no domain")),
    ];

    private static IEnumerable<Fault> OfUser(CloudInitUser user, string at) =>
    [
        .. Fits($"{at}.name", user.Name, User(), "a user's name has 1 to 32 of a-z, 0-9, '_' and '-', and begins with a letter or '_'"),
        .. Fits($"{at}.passwordHash", user.PasswordHash, Hash(), "it is no hash of crypt(5) beginning with $6$, $5$, $y$, $7$ or $2b$"),
        .. user is { HasPassword: true, Password: null, PasswordHash: null } ? (Fault[])[new($"{at}.hasPassword", "no password of this user is known here; give password or passwordHash")] : [],
        .. Each($"{at}.sshKeys", user.SshKeys, OfKey),
        .. Each($"{at}.groups", user.Groups, (place, name) => Fits(place, name, User(), "a group's name has 1 to 32 of a-z, 0-9, '_' and '-', and begins with a letter or '_'")),
        .. TextRules.Path($"{at}.shell", user.Shell),
    ];

    private static IEnumerable<Fault> OfFile(CloudInitFile file, string at) =>
    [
        .. TextRules.Path($"{at}.path", file.Path),
        .. Fits($"{at}.permissions", file.Permissions, Permissions(), "permissions are three or four digits of 0-7, such as 0644"),
        .. Fits($"{at}.owner", file.Owner, Owner(), "an owner is USER or USER:GROUP"),
    ];

    private static IEnumerable<Fault> OfNic(CloudInitNic nic, string at) =>
    [
        .. TextRules.Name($"{at}.name", nic.Name, Limits.NicNameLength),
        .. nic.Addresses.Count == 0 ? (Fault[])[new($"{at}.addresses", "it is empty; leave the NIC out for DHCP")] : [],
        .. Each($"{at}.addresses", nic.Addresses, (place, text) => IsWithPrefix(text) ? [] : [new(place, "it is no address with the length of its prefix, such as 10.20.0.5/24")]),
        .. IsAddress(nic.Gateway, AddressFamily.InterNetwork) ? (Fault[])[] : [new($"{at}.gateway", "it is no IPv4 address")],
        .. IsAddress(nic.Gateway6, AddressFamily.InterNetworkV6) ? (Fault[])[] : [new($"{at}.gateway6", "it is no IPv6 address")],
    ];

    private static bool IsAddress(string? text, AddressFamily family) => text is null || (Subnet.TryParseAddress(text, out var parsed) && parsed.AddressFamily == family);

    private static bool IsWithPrefix(string text) =>
        text.Split('/') is [var address, var length] && Subnet.TryParseAddress(address, out IPAddress? parsed) && Prefix().IsMatch(length)
        && int.Parse(length, System.Globalization.CultureInfo.InvariantCulture) <= (parsed.AddressFamily == AddressFamily.InterNetwork ? 32 : 128);

    /// <summary>Never the text itself: it may be a private key.</summary>
    private static IEnumerable<Fault> OfKey(string at, string key) =>
        key.Contains("PRIVATE KEY", StringComparison.Ordinal) ? [new(at, "this is a private key, which belongs to nobody else: give the public one, which ends with .pub")]
        : key.Length <= KeyLength && PublicKey().IsMatch(key) ? [] : [new(at, "it is no public SSH key in one line, such as 'ssh-ed25519 AAAA... name'")];

    private static IEnumerable<Fault> Fits(string at, string? text, Regex pattern, string otherwise) => text is null || pattern.IsMatch(text) ? [] : [new(at, otherwise)];

    private static IEnumerable<Fault> Each(string at, IReadOnlyList<string>? texts, Func<string, string, IEnumerable<Fault>> rule) =>
        (texts ?? []).Index().SelectMany(t => rule($"{at}[{t.Index}]", t.Item));

    private static IEnumerable<int> Twice<T>(IReadOnlyList<T>? items, Func<T, string> name) =>
        (items ?? []).Index().GroupBy(i => name(i.Item)).SelectMany(g => g.Skip(1)).Select(i => i.Index);

    [GeneratedRegex(@"\A[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\z")]
    private static partial Regex HostLabel();

    [GeneratedRegex(@"\A(?=.{1,253}\z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\z")]
    private static partial Regex Domain();

    [GeneratedRegex(@"\A[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}\z")]
    private static partial Regex Zone();

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9.+:~=*/_-]{0,127}\z")]
    private static partial Regex Package();

    [GeneratedRegex(@"\A[a-z_][a-z0-9_-]{0,31}\z")]
    private static partial Regex User();

    [GeneratedRegex(@"\A\$(6|5|y|gy|7|2[aby])\$[./A-Za-z0-9$=,+-]{8,300}\z")]
    private static partial Regex Hash();

    [GeneratedRegex(@"\A[0-7]{3,4}\z")]
    private static partial Regex Permissions();

    [GeneratedRegex(@"\A[a-z_][a-z0-9_-]{0,31}(:[a-z_][a-z0-9_-]{0,31})?\z")]
    private static partial Regex Owner();

    [GeneratedRegex(@"\A[0-9]{1,3}\z")]
    private static partial Regex Prefix();

    [GeneratedRegex(@"\A(sk-)?(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521))(@openssh\.com)? [A-Za-z0-9+/]{16,}={0,3}( [^\p{Cc}]{1,256})?\z")]
    private static partial Regex PublicKey();
}
