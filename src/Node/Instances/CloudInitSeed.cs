using System.Text;
using System.Text.Json.Nodes;
using Gantry.Contracts;
using Gantry.Node.Networks;

namespace Gantry.Node.Instances;

/// <summary>
/// The files of a NoCloud seed, with the names and keys of cloud-init 22.4
/// (https://cloudinit.readthedocs.io/en/22.4.2/topics/modules.html, .../topics/network-config-format-v2.html).
/// </summary>
public static class CloudInitSeed
{
    /// <summary>What cloud-init looks for among the labels of discs.</summary>
    public const string Label = "cidata";

    private const string AnyIpv4 = "0.0.0.0/0";
    private const string AnyIpv6 = "::/0";

    /// <summary>By name, in UTF-8.</summary>
    /// <param name="spec">With cloud-init.</param>
    public static IReadOnlyList<(string Name, byte[] Content)> Files(InstanceSpec spec)
    {
        var (settings, id) = (spec.CloudInit!.Settings, spec.CloudInit.InstanceIdOf(spec.Id));
        return
        [
            ("meta-data", Encoding.UTF8.GetBytes(BlockYaml.Write(new JsonObject { ["instance-id"] = id, ["local-hostname"] = settings.Fqdn ?? settings.Hostname ?? spec.Name }))),
            ("network-config", Encoding.UTF8.GetBytes(NetworkConfig(settings, spec.Nics ?? []))),
            ("user-data", Encoding.UTF8.GetBytes(UserData(settings))),
            ("vendor-data", Encoding.UTF8.GetBytes(settings.VendorData ?? MachineIdHook.For(spec.Id))),
        ];
    }

    /// <summary>As they are where they are raw.</summary>
    public static string UserData(CloudInit settings)
    {
        if (settings.UserData is { } raw)
        {
            return raw;
        }

        // At every start, so that a NIC that was added is set up at the next one; all else is done once.
        var config = new JsonObject
        {
            ["manage_etc_hosts"] = "localhost",
            ["updates"] = new JsonObject { ["network"] = new JsonObject { ["when"] = new JsonArray("boot-new-instance", "boot") } },
        };
        Add(config, "users", Users(settings));
        Add(config, "ssh_authorized_keys", List(settings.SshKeys));
        Add(config, "timezone", settings.Timezone);
        Add(config, "write_files", Files(settings.WriteFiles));
        if (settings.Packages is { Count: > 0 })
        {
            config["package_update"] = true;
            config["packages"] = List(settings.Packages);
        }

        Add(config, "runcmd", List(settings.Runcmd));
        return $"#cloud-config\n{BlockYaml.Write(config)}";
    }

    /// <summary>Every NIC by its MAC, under the name it has in Gantry: by DHCP, or as the settings say.</summary>
    public static string NetworkConfig(CloudInit settings, IReadOnlyList<NicSpec> nics)
    {
        if (settings.NetworkConfig is { } raw)
        {
            return raw;
        }

        var ethernets = new JsonObject();
        foreach (var nic in nics)
        {
            var card = new JsonObject { ["match"] = new JsonObject { ["macaddress"] = nic.Mac }, ["set-name"] = nic.Name };
            if ((settings.Nics ?? []).FirstOrDefault(n => n.Name == nic.Name) is { } wanted)
            {
                card["addresses"] = List(wanted.Addresses);
                Add(card, "routes", Routes(wanted));
            }
            else
            {
                // A clone has its source's DUID until its first start is over, and would ask for the source's lease.
                (card["dhcp4"], card["dhcp-identifier"]) = (true, "mac");
            }

            if (nic.Network is null)
            {
                card["optional"] = true; // plugged in nowhere: the start does not wait for it
            }

            if (settings is { DnsServers.Count: > 0 } or { SearchDomains.Count: > 0 })
            {
                var names = new JsonObject();
                Add(names, "addresses", List(settings.DnsServers));
                Add(names, "search", List(settings.SearchDomains));
                card["nameservers"] = names;
            }

            ethernets[nic.Name] = card;
        }

        return BlockYaml.Write(new JsonObject { ["version"] = 2, ["ethernets"] = ethernets });
    }

    private static JsonArray? Users(CloudInit settings) => settings.Users is not { Count: > 0 } users ? null :
    [
        .. settings.SshKeys is { Count: > 0 } ? (JsonNode[])["default"] : [],
        .. users.Select(User),
    ];

    private static JsonObject User(CloudInitUser user)
    {
        var fields = new JsonObject { ["name"] = user.Name, ["lock_passwd"] = user.PasswordHash is null };
        Add(fields, "hashed_passwd", user.PasswordHash);
        Add(fields, "ssh_authorized_keys", List(user.SshKeys));
        Add(fields, "sudo", user.Sudo == true ? "ALL=(ALL) NOPASSWD:ALL" : null);
        Add(fields, "groups", List(user.Groups));
        Add(fields, "shell", user.Shell);
        return fields;
    }

    private static JsonArray? Files(IReadOnlyList<CloudInitFile>? files) => files is not { Count: > 0 } ? null :
    [
        .. files.Select(file =>
        {
            var fields = new JsonObject { ["path"] = file.Path, ["content"] = file.Content ?? "" };
            Add(fields, "permissions", file.Permissions);
            Add(fields, "owner", file.Owner);
            Add(fields, "defer", file.Owner is null or "root" or "root:root" ? null : true); // other files are written before users and groups are made
            return fields;
        }),
    ];

    private static JsonArray? Routes(CloudInitNic nic)
    {
        JsonArray routes =
        [
            .. from route in ((string To, string? Via)[])[(AnyIpv4, nic.Gateway), (AnyIpv6, nic.Gateway6)]
               where route.Via is not null
               select new JsonObject { ["to"] = route.To, ["via"] = route.Via },
        ];
        return routes.Count > 0 ? routes : null;
    }

    private static JsonArray? List(IReadOnlyList<string>? texts) => texts is { Count: > 0 } ? [.. texts.Select(t => (JsonNode)t)] : null;

    private static void Add(JsonObject to, string name, JsonNode? value)
    {
        if (value is not null)
        {
            to[name] = value;
        }
    }
}
