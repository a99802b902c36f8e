using System.CommandLine;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>Instances made of instances: clone, promote.</summary>
internal static class Clones
{
    /// <summary>The NIC that is meant when none is said: what an instance's first one is called where nobody says.</summary>
    private const string FirstNic = "eth0";

    public static Command Clone(App app)
    {
        var source = new Argument<string>("SOURCE") { Description = "The instance, which may run; or INSTANCE@SNAPSHOT for what it was then." };
        source.CompletionSources.Add(context => NamesOfDaemon.Ask(app, context.ParseResult, "/instances").Select(n => new System.CommandLine.Completions.CompletionItem(n)));
        var name = new Argument<string>("NAME") { Description = "The clone's name: 1 to 63 of a-z, 0-9 and '-'." };
        var linked = new Option<bool?>("--linked") { Description = "Keep only what differs from the source, which has to stay; made in a moment. Of a template that is so when nobody says; --linked false for a copy.", HelpName = "true|false", Arity = ArgumentArity.ZeroOrOne };
        var pool = Choose.Text("--pool", "The pool a copy's disks lie in. Each where that of the source lies when left out.", "POOL");
        var mac = Many("--mac", "A MAC in place of a new one; of eth0 when no NIC is said.", "[NIC=]MAC");
        var address = Many("--address", "Of the NIC's network, which the guest learns by DHCP; with /PREFIX set up by cloud-init instead.", "[NIC=]ADDRESS[/PREFIX]");
        var gateway = Many("--gateway", "Beside an address with /PREFIX: where the guest's default route goes.", "[NIC=]ADDRESS");
        var dns = Many("--dns", "A server for names that cloud-init sets up in place of the source's.", "ADDRESS");
        var hostname = Choose.Text("--hostname", "What cloud-init calls the guest. The clone's name when left out.", "NAME");
        var label = new Option<string[]>("--label") { Description = "A label in place of all the source's; may be given several times.", HelpName = "KEY=VALUE" };
        var start = Choose.Flag("--start", "Start it; if it does not start, nothing is left behind.");
        var copyTpm = Choose.Flag("--copy-tpm", "What the source's TPM remembers goes along. A TPM is an identity: without this the clone's is a new one.");
        return new Verb("clone", "Make an instance of another, or of a snapshot.", "gantry clone web1 web2", "gantry clone web1@before-upgrade trial --linked --start", "gantry clone golden db2 --address 10.20.0.7 --hostname db2")
        {
            More = "The clone has MACs, addresses and a cloud-init instance-id of its own. Forwards and snapshots of the source do not go along.",
        }.With(source, name, linked, pool, mac, address, gateway, dns, hostname, label, start, copyTpm).Runs(app, async (parsed, session, ct) =>
        {
            var (instance, snapshot) = Source(parsed.GetValue(source)!);
            bool? isLinked = parsed.GetResult(linked) is null ? null : parsed.GetValue(linked) ?? true;
            var body = new CloneInstance
            {
                Name = parsed.GetValue(name)!,
                Linked = isLinked,
                Pool = parsed.GetValue(pool),
                Nics = NicsOf(Pairs(parsed.GetValue(mac)), Pairs(parsed.GetValue(address))),
                CloudInit = CloudInitOf(parsed.GetValue(hostname), Pairs(parsed.GetValue(address)), Pairs(parsed.GetValue(gateway)), parsed.GetValue(dns)),
                Labels = Launch.Labels(parsed.GetValue(label) ?? []),
                StartNow = parsed.GetValue(start),
                CopyTpm = parsed.GetValue(copyTpm),
            };
            var path = $"/instances/{ApiClient.Escape(instance)}{(snapshot is null ? "" : $"/snapshots/{ApiClient.Escape(snapshot)}")}/clone";
            var begun = await session.SendAsync(HttpMethod.Post, path, body, WireJson.Default.CloneInstance, ct);
            return await Waiting.FinishAsync(session, begun, body.Name, $"cloned from {Words.Clean(parsed.GetValue(source)!)}{(body.StartNow ? " and started" : "")}", ct);
        });
    }

    public static Command Promote(App app)
    {
        var name = Name.Of("instance", app, "/instances");
        return new Verb("promote", "Make a linked clone stand alone, so that what it was made of may go.", "gantry promote web2")
        {
            More = "What it shares with its parent is copied, while it runs too. Cancelled, it is as linked as before.",
        }.With(name).Runs(app, async (parsed, session, ct) =>
        {
            var one = parsed.GetValue(name)!;
            var begun = await session.SendAsync(HttpMethod.Post, $"/instances/{ApiClient.Escape(one)}/promote", null, ct);
            return await Waiting.FinishAsync(session, begun, one, "stands alone", ct);
        });
    }

    /// <summary>An instance, and behind a <c>@</c> one of its snapshots.</summary>
    public static (string Instance, string? Snapshot) Source(string text) => text.Split('@', 2) is [var instance, var snapshot] ? (instance, snapshot) : (text, null);

    private static Option<string[]> Many(string name, string what, string help) => new(name) { Description = $"{what} May be given several times.", HelpName = help };

    private static IReadOnlyList<(string Nic, string Value)> Pairs(string[]? texts) =>
        [.. (texts ?? []).Select(t => t.Split('=', 2) is [var nic, var value] ? (nic, value) : (FirstNic, t))];

    private static List<CloneNic>? NicsOf(IReadOnlyList<(string Nic, string Value)> macs, IReadOnlyList<(string Nic, string Value)> addresses)
    {
        var plain = addresses.Where(a => !a.Value.Contains('/')).ToList();
        var nics = macs.Concat(plain).Select(p => p.Nic).Distinct().Select(nic => new CloneNic
        {
            Name = nic,
            Mac = One(nic, macs, "--mac"),
            Address = One(nic, [.. plain.Where(a => !a.Value.Contains(':'))], "--address"),
            Address6 = One(nic, [.. plain.Where(a => a.Value.Contains(':'))], "--address"),
        }).ToList();
        return nics.Count > 0 ? nics : null;
    }

    private static CloneCloudInit? CloudInitOf(
        string? hostname, IReadOnlyList<(string Nic, string Value)> addresses, IReadOnlyList<(string Nic, string Value)> gateways, string[]? dns)
    {
        var set = addresses.Where(a => a.Value.Contains('/')).ToList();
        if (gateways.Select(g => g.Nic).Except(set.Select(a => a.Nic)).FirstOrDefault() is { } alone)
        {
            throw new WrongUseException($"--gateway of {alone} needs an address that cloud-init sets up.", $"Give --address {alone}=ADDRESS/PREFIX too; by DHCP the guest learns its gateway by itself.");
        }

        var nics = set.Select(a => a.Nic).Distinct().Select(nic => new CloudInitNic
        {
            Name = nic,
            Addresses = [.. set.Where(a => a.Nic == nic).Select(a => a.Value)],
            Gateway = One(nic, [.. gateways.Where(g => !g.Value.Contains(':'))], "--gateway"),
            Gateway6 = One(nic, [.. gateways.Where(g => g.Value.Contains(':'))], "--gateway"),
        }).ToList();
        return hostname is null && nics.Count == 0 && dns is not { Length: > 0 } ? null
            : new() { Hostname = hostname, Nics = nics.Count > 0 ? nics : null, DnsServers = dns is { Length: > 0 } ? dns : null };
    }

    private static string? One(string nic, IReadOnlyList<(string Nic, string Value)> said, string option) => said.Where(s => s.Nic == nic).Select(s => s.Value).ToList() switch
    {
        [] => null,
        [var one] => one,
        _ => throw new WrongUseException($"{option} is given twice for {nic}.", "Give each NIC one; addresses that cloud-init sets up, with /PREFIX, may be several."),
    };
}
