using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry network</c>: what NICs are plugged into.</summary>
internal static class Networks
{
    private const string Path = "/networks";

    public static Command Build(App app) => new Verb(
        "network", "Make, see, change and delete the networks of instances.", "gantry network list", "gantry network create backend --kind isolated", "gantry network addresses default")
        .With(List(app), Info(app), Creating(app), Setting(app), Addresses(app), Repair(app), Delete(app));

    public static string PathOf(string network) => $"{Path}/{ApiClient.Escape(network)}";

    /// <summary>For nouns that belong to a network.</summary>
    public static Option<string> Of(App app)
    {
        var network = Choose.Text("--network", "The network. Default: default.", "NETWORK");
        network.DefaultValueFactory = _ => "default";
        network.CompletionSources.Add(context => NamesOfDaemon.Ask(app, context.ParseResult, Path).Select(n => new System.CommandLine.Completions.CompletionItem(n)));
        return network;
    }

    private static Verb List(App app)
    {
        var filter = Lists.Filter("kind eq nat");
        var limit = Lists.Limit();
        return new Verb("list", "Show the networks.", "gantry network list").With(filter, limit).Runs(app, (parsed, session, ct) => Lists.ShowAsync(
            session, Path, WireJson.Default.PageNetwork, [("filter", parsed.GetValue(filter))], parsed.GetValue(limit), network => network.Name, networks =>
            {
                var table = new Table("NAME", "KIND", "STATE", "IPV4", "IPV6", "DEVICE", "POLICY", ">AGE", "DESCRIPTION");
                foreach (var network in networks)
                {
                    table.Add(network.Name, Words.Of(network.Kind), network.Status.Works ? "ok" : "broken", network.Ipv4, network.Ipv6, network.Device,
                        $"{Words.Of(network.Defaults.In)}/{Words.Of(network.Defaults.Out)}", Words.Ago(network.CreatedAt, session.Terminal.Time), network.Description);
                }

                table.Write(session.Out);
            }, ct));
    }

    private static Verb Info(App app)
    {
        var name = Name.Of("network", app, Path);
        return new Verb("info", "Show one network.", "gantry network info default").With(name).Runs(app, (parsed, session, ct) =>
            session.ShowAsync(PathOf(parsed.GetValue(name)!), WireJson.Default.Network, network => [network.Name], network => new Card()
                .Add("Name", network.Name)
                .Add("Id", network.Id.ToString())
                .Add("Kind", Words.Of(network.Kind))
                .Add("State", network.Status.Works ? "ok" : $"broken: {network.Status.Reason}")
                .Add("Device", network.Device)
                .Add("IPv4", network.Ipv4)
                .Add("IPv6", network.Ipv6 is null ? null : $"{network.Ipv6}, by {(network.Ipv6Mode == Ipv6Mode.Dhcp ? "DHCPv6" : "SLAAC")}")
                .Add("Domain", network.Domain)
                .Add("MTU", network.Mtu?.ToString(CultureInfo.InvariantCulture))
                .Add("VLAN", network.Vlan is { } vlan ? string.Create(CultureInfo.InvariantCulture, $"{vlan.Tag} of {vlan.Device}") : null)
                .Add("VXLAN", network.Vxlan is { } vxlan ? string.Create(CultureInfo.InvariantCulture, $"{vxlan.Id} from {vxlan.Local} to {string.Join(", ", vxlan.Peers)}") : null)
                .Add("Host access", network.HostAccess ? "all ports of the node" : "DHCP, DNS and ping")
                .Add("To guests", $"{Words.Of(network.Defaults.In)} by default")
                .Add("From guests", $"{Words.Of(network.Defaults.Out)} by default")
                .Add("Labels", string.Join(", ", network.Labels.OrderBy(l => l.Key, StringComparer.Ordinal).Select(l => $"{l.Key}={l.Value}")))
                .Add("Description", network.Description)
                .Add("Created", Words.Time(network.CreatedAt))
                .Write(session.Out), ct));
    }

    private static Verb Creating(App app)
    {
        var name = new Argument<string>("NAME") { Description = "Its name: 1 to 63 of a-z, 0-9 and '-'." };
        var kind = Choose.Optional<NetworkKind>("--kind", "nat: a subnet of its own behind the node's address; isolated: a subnet nothing leaves; bridge: one of the host's; vlan: a VLAN of one of the host's devices.");
        var device = Choose.Text("--device", "For kind bridge: the host's bridge.", "DEVICE");
        var vlan = Choose.Text("--vlan", "For kind vlan: the host's device and the tag, such as eth0:100.", "DEVICE:TAG");
        var ipv4 = Choose.Text("--ipv4", "The gateway's address with the length of the prefix, or none. A free /24 when left out.", "ADDRESS/PREFIX");
        var ipv6 = Choose.Text("--ipv6", "Likewise. A /64 of its own when left out.", "ADDRESS/64");
        var mode = Choose.Optional<Ipv6Mode>("--ipv6-mode", "How guests come by their IPv6 address.");
        var vxlan = Choose.Text("--vxlan", "Join it with that of other nodes: the number, this node's address, and the others' addresses.", "ID,LOCAL,PEER…");
        var settings = new MutableOptions();
        return new Verb("create", "Make a network.", "gantry network create backend --kind isolated --ipv4 10.20.0.1/24", "gantry network create office --kind vlan --vlan eth0:100", "gantry network create closed --default-in deny")
            .With(name, kind, device, vlan, ipv4, ipv6, mode, vxlan).With(settings.All).Runs(app, async (parsed, session, ct) =>
            {
                var body = settings.Applied(parsed, new NetworkSettings
                {
                    Name = parsed.GetValue(name)!,
                    Kind = parsed.GetValue(kind),
                    Device = parsed.GetValue(device),
                    Vlan = parsed.GetValue(vlan) is { } tagged ? VlanOf(tagged) : null,
                    Ipv4 = parsed.GetValue(ipv4),
                    Ipv6 = parsed.GetValue(ipv6),
                    Ipv6Mode = parsed.GetValue(mode),
                    Vxlan = parsed.GetValue(vxlan) is { } joined ? VxlanOf(joined) : null,
                });
                var begun = await session.SendAsync(HttpMethod.Post, Path, body, WireJson.Default.NetworkSettings, ct);
                return await Waiting.FinishAsync(session, begun, body.Name, "created", ct);
            });
    }

    private static Verb Setting(App app)
    {
        var name = Name.Of("network", app, Path);
        var settings = new MutableOptions();
        return new Verb("set", "Change a network; its guests stay on it.", "gantry network set default --default-in deny", "gantry network set default --description \"The front\"")
            .With(name).With(settings.All).Runs(app, async (parsed, session, ct) =>
            {
                // A name of a merge patch's stays as it is when it is not sent.
                var patch = settings.Applied(parsed, new NetworkSettings { Name = "" });
                var node = JsonSerializer.SerializeToNode(patch, WireJson.Default.NetworkSettings)!.AsObject();
                node.Remove("name");
                if (settings.Defaults(parsed) is { } defaults)
                {
                    node["defaults"] = defaults;
                }

                if (node.Count == 0)
                {
                    throw new WrongUseException("Nothing to change was given.", "See `gantry network set --help`.");
                }

                using var body = new StringContent(node.ToJsonString(), Encoding.UTF8, "application/json");
                var begun = await session.SendAsync(HttpMethod.Patch, PathOf(parsed.GetValue(name)!), body, ct);
                return await Waiting.FinishAsync(session, begun, parsed.GetValue(name)!, "changed", ct);
            });
    }

    private static Verb Addresses(App app)
    {
        var name = Name.Of("network", app, Path);
        return new Verb("addresses", "Show which NIC has which address.", "gantry network addresses default").With(name).Runs(app, (parsed, session, ct) =>
            session.ShowAsync($"{PathOf(parsed.GetValue(name)!)}/addresses", WireJson.Default.PageNicAddress, page => page.Items.Select(a => a.Ipv4 ?? a.Ipv6 ?? a.Mac), page =>
            {
                var table = new Table("INSTANCE", "NIC", "IPV4", "IPV6", "MAC", "HOW");
                foreach (var address in page.Items)
                {
                    table.Add(address.Instance, address.Nic, address.Ipv4, address.Ipv6, address.Mac, address.Static ? "asked for" : "found");
                }

                table.Write(session.Out);
            }, ct));
    }

    private static Verb Repair(App app) => new Verb("repair", "Put back what somebody removed or changed by hand; the daemon does it by itself within 15 seconds.", "gantry network repair").Runs(app, async (parsed, session, ct) =>
    {
        var answer = await session.SendAsync(HttpMethod.Post, "/networks:repair", null, ct);
        session.Show(answer, WireJson.Default.NetworkRepair, repair => repair.Repaired, repair =>
        {
            foreach (var what in repair.Repaired.DefaultIfEmpty("All is as it should be.").Concat(repair.Failed.Select(f => $"still broken: {f}")))
            {
                session.Out.WriteLine(Words.Clean(what));
            }
        });
        return Session.Read(answer, WireJson.Default.NetworkRepair).Failed.Count == 0 ? ExitCode.Done : ExitCode.Failed;
    });

    private static Verb Delete(App app)
    {
        var names = Name.Many(app, Path);
        names.Arity = ArgumentArity.OneOrMore;
        return new Verb("delete", "Delete networks that no instance is on.", "gantry network delete backend").With(names).Runs(app, (parsed, session, ct) =>
            Waiting.EachAsync(session, parsed.GetValue(names)!, name => session.SendAsync(HttpMethod.Delete, PathOf(name), null, ct), "deleted", ct));
    }

    private static VlanUplink VlanOf(string text) =>
        text.Split(':') is [var device, var tag] && int.TryParse(tag, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? new(device, number) : throw new WrongUseException($"'{text}' does not do for --vlan.", "Give the host's device and the tag, such as eth0:100.");

    private static Vxlan VxlanOf(string text) =>
        text.Split(',') is [var id, var local, .. var peers] && int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? new(number, local, peers) : throw new WrongUseException($"'{text}' does not do for --vxlan.", "Give the number, this node's address and the others', such as 42,192.0.2.1,192.0.2.2.");

    /// <summary>What a network is made with and can be changed later.</summary>
    private sealed class MutableOptions
    {
        private readonly Option<string> _domain = Choose.Text("--domain", "What names of instances end with. The network's name and .gantry when left out.", "DOMAIN");
        private readonly Option<long?> _mtu = Choose.Number("--mtu", "The largest packet, in bytes.", 1280, "BYTES");
        private readonly Option<bool?> _access = new("--host-access") { Description = "Let guests to all ports of the node, not to DHCP, DNS and ping only." };
        private readonly Option<PolicyAction?> _in = Choose.Optional<PolicyAction>("--default-in", "What becomes of a connection to a guest that no policy says anything of.");
        private readonly Option<PolicyAction?> _out = Choose.Optional<PolicyAction>("--default-out", "Likewise from a guest.");
        private readonly Option<string> _description = Choose.Text("--description", "For people; at most 1,000 characters.", "TEXT");

        public Symbol[] All => [_domain, _mtu, _access, _in, _out, _description];

        /// <summary>Only those that were given; null when none was.</summary>
        public JsonObject? Defaults(ParseResult parsed)
        {
            var given = new JsonObject();
            foreach (var (option, name) in ((Option<PolicyAction?>, string)[])[(_in, "in"), (_out, "out")])
            {
                if (parsed.GetValue(option) is { } action)
                {
                    given[name] = Words.Of(action);
                }
            }

            return given.Count > 0 ? given : null;
        }

        public NetworkSettings Applied(ParseResult parsed, NetworkSettings settings)
        {
            var (toGuests, fromGuests) = (parsed.GetValue(_in), parsed.GetValue(_out));
            return settings with
            {
                Domain = parsed.GetValue(_domain),
                Mtu = (int?)parsed.GetValue(_mtu),
                HostAccess = parsed.GetValue(_access),
                Description = parsed.GetValue(_description),
                Defaults = (toGuests ?? fromGuests) is null ? null : new(toGuests ?? PolicyAction.Allow, fromGuests ?? PolicyAction.Allow),
            };
        }
    }
}
