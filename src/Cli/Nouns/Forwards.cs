using System.CommandLine;
using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry forward</c>: ports of the node that lead to instances.</summary>
internal static class Forwards
{
    public static Command Build(App app) => new Verb(
        "forward", "Let ports of the node lead to instances.", "gantry forward add web1 8080:80", "gantry forward list", "gantry forward remove 8080").With(List(app), Adding(app), Removing(app));

    private static Verb List(App app)
    {
        var network = Networks.Of(app);
        return new Verb("list", "Show the forwards of a network.", "gantry forward list").With(network).Runs(app, (parsed, session, ct) =>
            session.ShowAsync(PathOf(parsed.GetValue(network)!), WireJson.Default.PageForward, page => page.Items.Select(f => f.Id.ToString()), page =>
            {
                var table = new Table("PROTOCOL", "ADDRESSES", ">PORTS", "INSTANCE", "NIC", ">TO", "ID", "DESCRIPTION");
                foreach (var forward in page.Items)
                {
                    table.Add(Words.Of(forward.Protocol), forward.HostAddresses is { } addresses ? string.Join(", ", addresses) : "all", forward.HostPorts, forward.Instance, forward.Nic,
                        forward.InstancePort?.ToString(CultureInfo.InvariantCulture) ?? forward.HostPorts, forward.Id.ToString(), forward.Description);
                }

                table.Write(session.Out);
            }, ct));
    }

    private static Verb Adding(App app)
    {
        var network = Networks.Of(app);
        var instance = Name.Of("instance", app, "/instances");
        var ports = new Argument<string>("PORTS") { Description = "The node's port, or a range, and where the instance's differs its first: 8080:80, 443, 8000-8099." };
        var protocol = Choose.From("--protocol", null, TransportProtocol.Tcp, "What is forwarded.");
        var on = new Option<string[]>("--on") { Description = "Only on this address of the node; several may be given.", HelpName = "ADDRESS" };
        var nic = Choose.Text("--nic", "The instance's NIC, where it has several on the network.", "NIC");
        var description = Choose.Text("--description", "For people; at most 1,000 characters.", "TEXT");
        return new Verb("add", "Let a port of the node lead to an instance.", "gantry forward add web1 8080:80", "gantry forward add dns1 53 --protocol udp --on 192.0.2.10")
            .With(instance, ports, protocol, on, nic, description, network).Runs(app, async (parsed, session, ct) =>
            {
                var given = parsed.GetValue(ports)!.Split(':');
                var to = 0;
                if (given.Length > 2 || (given.Length == 2 && !int.TryParse(given[1], NumberStyles.None, CultureInfo.InvariantCulture, out to)))
                {
                    throw new WrongUseException($"'{parsed.GetValue(ports)}' does not do for PORTS.", "Give a port or a range, and where the instance's differs its first: 8080:80, 443, 8000-8099.");
                }

                var body = new CreateForward
                {
                    Protocol = parsed.GetValue(protocol),
                    HostAddresses = parsed.GetValue(on) is { Length: > 0 } addresses ? addresses : null,
                    HostPorts = given[0],
                    Instance = parsed.GetValue(instance)!,
                    Nic = parsed.GetValue(nic),
                    InstancePort = given.Length == 2 ? to : null,
                    Description = parsed.GetValue(description),
                };
                var begun = await session.SendAsync(HttpMethod.Post, PathOf(parsed.GetValue(network)!), body, WireJson.Default.CreateForward, ct);
                return await Waiting.FinishAsync(session, begun, $"{Words.Of(body.Protocol)} {body.HostPorts}", $"leads to {body.Instance}", ct);
            });
    }

    private static Verb Removing(App app)
    {
        var network = Networks.Of(app);
        var which = new Argument<string>("PORTS") { Description = "The node's port or range as it was given, or the forward's id." };
        var protocol = Choose.From("--protocol", null, TransportProtocol.Tcp, "What is forwarded.");
        return new Verb("remove", "Take a forward away.", "gantry forward remove 8080").With(which, protocol, network).Runs(app, async (parsed, session, ct) =>
        {
            var path = PathOf(parsed.GetValue(network)!);
            var given = parsed.GetValue(which)!;
            var all = Session.Read(await session.SendAsync(HttpMethod.Get, path, null, ct), WireJson.Default.PageForward).Items;
            var found = all.Where(f => f.Id.ToString() == given || (f.HostPorts == given && f.Protocol == parsed.GetValue(protocol))).ToList();
            if (found.Count > 1)
            {
                throw new WrongUseException($"There are {found.Count} forwards of {Words.Of(parsed.GetValue(protocol))} {given}.", "Name the one by its id: `gantry forward list` shows it.");
            }

            var begun = await session.SendAsync(HttpMethod.Delete, $"{path}/{ApiClient.Escape(found.Count == 1 ? found[0].Id.ToString() : given)}", null, ct);
            return await Waiting.FinishAsync(session, begun, given, "removed", ct);
        });
    }

    private static string PathOf(string network) => $"{Networks.PathOf(network)}/forwards";
}
