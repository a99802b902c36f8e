using System.Globalization;
using System.Net;
using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Node.Networks;

/// <summary>How the devices that are become those that should be: lines for one <c>ip -batch</c>, settings, lines again.</summary>
internal sealed record LinkChanges
{
    /// <summary>For <c>ip -batch</c>: what must go, and what must be made, down yet.</summary>
    public required IReadOnlyList<string> Make { get; init; }

    /// <summary>For <c>sysctl</c>, before anything is up: the node takes no routes or addresses from guests, and waits for no duplicates of its own.</summary>
    public required IReadOnlyList<string> Settings { get; init; }

    /// <summary>For <c>ip -batch</c>: addresses, ports, up.</summary>
    public required IReadOnlyList<string> Set { get; init; }

    /// <summary>For <c>bridge -batch</c>: the other nodes that frames to everybody go to.</summary>
    public required IReadOnlyList<string> Flood { get; init; }

    /// <summary>What was not as it should be, in words.</summary>
    public required IReadOnlyList<string> Found { get; init; }

    /// <param name="entries">Of all VXLAN devices of the plan.</param>
    public static LinkChanges Between(LinkPlan plan, IReadOnlyList<HostLink> links, IReadOnlyList<ForwardingEntry> entries)
    {
        var there = links.ToDictionary(l => l.Name);
        var lines = new Lines();
        foreach (var name in plan.Absent.Where(there.ContainsKey).Order(StringComparer.Ordinal))
        {
            lines.Make.Add($"link delete dev {name}");
            lines.Found.Add($"the device {name} was there");
        }

        foreach (var link in plan.Links)
        {
            var now = there.GetValueOrDefault(link.Name);
            if (now is not null && !IsSame(link, now))
            {
                lines.Make.Add($"link delete dev {link.Name}");
                lines.Found.Add($"the device {link.Name} of '{link.Network}' was another than it should be");
                now = null;
            }
            else if (now is null)
            {
                lines.Found.Add($"the device {link.Name} of '{link.Network}' was missing");
            }

            lines.Add(link, now, now is null ? [] : entries);
        }

        foreach (var (tap, bridge) in plan.Bridges.OrderBy(p => p.Key, StringComparer.Ordinal))
        {
            if (there.TryGetValue(tap, out var port) && port.Master != bridge && (there.ContainsKey(bridge) || plan.Links.Any(l => l.Name == bridge)))
            {
                lines.Set.Add($"link set dev {tap} master {bridge}");
                lines.Found.Add($"the NIC {tap} was not on {bridge}");
            }
        }

        return new() { Make = lines.Make, Settings = lines.Settings, Set = lines.Set, Flood = lines.Flood, Found = lines.Found };
    }

    /// <summary>Whether it can become what it should be: what a VLAN or VXLAN is made with stays.</summary>
    private static bool IsSame(PlannedLink link, HostLink now) => now.Kind == link.Kind && link switch
    {
        { Vlan: { } vlan } => now.Parent == vlan.Device && Number(now.Info?.Data?.Id) == vlan.Tag,
        { Vxlan: { } vxlan } => Number(now.Info?.Data?.Id) == vxlan.Id && Number(now.Info?.Data?.Port) == vxlan.Port
            && IPAddress.TryParse(now.Info?.Data?.Local ?? now.Info?.Data?.Local6, out var local) && local.Equals(IPAddress.Parse(vxlan.Local)),
        _ => true,
    };

    private static long? Number(JsonElement? element) => element is { ValueKind: JsonValueKind.Number } number ? number.GetInt64() : null;

    private sealed class Lines
    {
        public List<string> Make { get; } = [];
        public List<string> Settings { get; } = [];
        public List<string> Set { get; } = [];
        public List<string> Flood { get; } = [];
        public List<string> Found { get; } = [];

        public void Add(PlannedLink link, HostLink? now, IReadOnlyList<ForwardingEntry> entries)
        {
            var before = Found.Count;
            var addresses = now?.Addresses.Where(a => a.Scope != "link").Select(a => string.Create(CultureInfo.InvariantCulture, $"{a.Local}/{a.PrefixLength}")).ToList() ?? [];
            var missing = link.Addresses.Where(a => !addresses.Contains(Canonical(a))).ToList();
            if (now is null)
            {
                Make.Add($"link add {Creation(link)}");
            }

            if (now is null || missing.Any(IsIpv6))
            {
                AddSettings(link);
            }

            Change(link, now, now?.Mtu != link.Mtu, string.Create(CultureInfo.InvariantCulture, $"mtu {link.Mtu}"));
            Change(link, now, now is not null && link.Mac is not null && now.Mac != link.Mac, $"address {link.Mac}");

            // Two lines: with spanning tree the kernel takes no delay of 0.
            var data = link.Kind == "bridge" ? now?.Info?.Data : null;
            Change(link, now, data is { Stp: not 0 }, "type bridge stp_state 0");
            Change(link, now, data is { ForwardDelay: not 0 }, "type bridge forward_delay 0");
            Set.AddRange(addresses.Except(link.Addresses.Select(Canonical)).Select(a => $"address delete {a} dev {link.Name}"));
            Set.AddRange(missing.Select(a => $"address add {a}{(IsIpv6(a) ? " nodad" : " broadcast +")} dev {link.Name}"));
            Change(link, now, link.Master is not null && now?.Master != link.Master, $"master {link.Master}");
            Change(link, now, now?.IsUp != true, "up");
            AddFlood(link, entries, now is not null);
            if (now is not null && Found.Count == before && (missing.Count > 0 || addresses.Count > link.Addresses.Count))
            {
                Found.Add($"the device {link.Name} of '{link.Network}' had other addresses");
            }
        }

        private static string Creation(PlannedLink link) => link switch
        {
            { Vlan: { } vlan } => string.Create(CultureInfo.InvariantCulture, $"link {vlan.Device} name {link.Name} type vlan id {vlan.Tag}"),
            { Vxlan: { } vxlan } => string.Create(CultureInfo.InvariantCulture, $"name {link.Name} type vxlan id {vxlan.Id} local {vxlan.Local} dstport {vxlan.Port}"),
            _ => $"name {link.Name} address {link.Mac} type bridge stp_state 0 forward_delay 0",
        };

        private void AddSettings(PlannedLink link)
        {
            var of = $"net/ipv6/conf/{link.Name}";
            Settings.AddRange(link.Addresses.Any(IsIpv6)
                ? [$"{of}/disable_ipv6=0", $"{of}/accept_ra=0", $"{of}/autoconf=0", $"{of}/accept_dad=0"]
                : [$"{of}/disable_ipv6=1"]);
        }

        private void Change(PlannedLink link, HostLink? now, bool differs, string to)
        {
            if (differs)
            {
                Set.Add($"link set dev {link.Name} {to}");
                if (now is not null)
                {
                    Found.Add($"the device {link.Name} of '{link.Network}' was changed: now {to}");
                }
            }
        }

        private void AddFlood(PlannedLink link, IReadOnlyList<ForwardingEntry> entries, bool isThere)
        {
            var wanted = link.Vxlan?.Peers.Select(p => $"{IPAddress.Parse(p)}").Distinct().ToList() ?? [];
            var has = entries.Where(e => e.Device == link.Name && e is { Mac: ForwardingEntry.AnyMac, To: not null }).Select(e => e.To!).ToList();
            List<string> lines =
            [
                .. has.Except(wanted).Select(p => $"fdb delete {ForwardingEntry.AnyMac} dev {link.Name} dst {p}"),
                .. wanted.Except(has).Select(p => $"fdb append {ForwardingEntry.AnyMac} dev {link.Name} dst {p}"),
            ];
            if (lines.Count > 0)
            {
                Flood.AddRange(lines);
                Found.AddRange(isThere ? [$"the device {link.Name} of '{link.Network}' had other peers"] : []);
            }
        }

        private static bool IsIpv6(string address) => address.Contains(':', StringComparison.Ordinal);

        /// <summary>As <c>ip</c> writes it.</summary>
        private static string Canonical(string address) => Subnet.Parse(address).ToString();
    }
}
