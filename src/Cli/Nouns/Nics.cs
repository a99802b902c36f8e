using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry nic</c>: the network cards of an instance.</summary>
internal static class Nics
{
    public static Command Build(App app) => new Verb("nic", "See, add, limit and remove the network cards of an instance.", "gantry nic list web1", "gantry nic add web1 eth1 --network backend", "gantry nic limit web1 eth0 --receive 10MiB")
        .With(List(app), Adding(app), Limiting(app), Removing(app));

    private static Verb List(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        return new Verb("list", "Show the NICs of an instance, and what passed them.", "gantry nic list web1").With(instance).Runs(app, (parsed, session, ct) =>
            session.ShowAsync(PathOf(parsed.GetValue(instance)!), WireJson.Default.PageNicInfo, page => page.Items.Select(n => n.Nic.Name), page =>
            {
                var table = new Table("NAME", "NETWORK", "IPV4", "IPV6", "MAC", "MODEL", ">LIMITS", ">RECEIVED", ">SENT", ">DROPPED");
                foreach (var (nic, counted) in page.Items)
                {
                    table.Add(nic.Name, nic.Network, nic.Address, nic.Address6, nic.Mac, nic.Model is { } model ? Words.Of(model) : null, Said(nic.Limits),
                        counted is null ? null : Sizes.Format(counted.ReceivedBytes), counted is null ? null : Sizes.Format(counted.SentBytes),
                        counted is null ? null : (counted.ReceivedDropped + counted.SentDropped).ToString(CultureInfo.InvariantCulture));
                }

                table.Write(session.Out);
            }, ct));
    }

    private static Verb Adding(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        var nic = new Argument<string>("NIC") { Description = "Its name in the instance: 1 to 15 of a-z, 0-9 and '-'." };
        var network = Choose.Text("--network", "The network it is on; none for none. The default one when left out.", "NETWORK");
        var address = Choose.Text("--address", "Its IPv4 address. A free one when left out.", "ADDRESS");
        var address6 = Choose.Text("--address6", "Its IPv6 address. Made of the MAC when left out.", "ADDRESS");
        var mac = Choose.Text("--mac", "Its MAC. Made of the instance's id and the name when left out.", "MAC");
        var model = Choose.Optional<NicModel>("--model", "What card it is to the guest.");
        return new Verb("add", "Put a NIC into an instance; a running VM gets it at once.", "gantry nic add web1 eth1 --network backend --address 10.20.0.5")
            .With(instance, nic, network, address, address6, mac, model).Runs(app, async (parsed, session, ct) =>
            {
                var body = new Nic
                {
                    Name = parsed.GetValue(nic)!,
                    Network = parsed.GetValue(network),
                    Address = parsed.GetValue(address),
                    Address6 = parsed.GetValue(address6),
                    Mac = parsed.GetValue(mac),
                    Model = parsed.GetValue(model),
                };
                var begun = await session.SendAsync(HttpMethod.Post, PathOf(parsed.GetValue(instance)!), body, WireJson.Default.Nic, ct);
                return await Waiting.FinishAsync(session, begun, body.Name, ended => $"added to {parsed.GetValue(instance)}{Waiting.Pending(ended)}", ct);
            });
    }

    private static Verb Limiting(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        var nic = new Argument<string>("NIC") { Description = "Its name." };
        var receive = Rate("--receive", "To the guest, each second: 10MiB; off for none. As it is when left out.");
        var send = Rate("--send", "From the guest, likewise.");
        return new Verb("limit", "Limit what passes a NIC, at once.", "gantry nic limit web1 eth0 --receive 10MiB --send 2MiB", "gantry nic limit web1 eth0 --receive off")
            .With(instance, nic, receive, send).Runs(app, async (parsed, session, ct) =>
            {
                var limits = new JsonObject();
                foreach (var (option, name) in ((Option<string>, string)[])[(receive, "receiveBytesPerSecond"), (send, "sendBytesPerSecond")])
                {
                    if (parsed.GetValue(option) is { } text)
                    {
                        limits[name] = text == "off" ? null : Sizes.TryParse(text, out var bytes) ? bytes
                            : throw new WrongUseException($"'{text}' is no size for {option.Name}.", $"Accepted is {Sizes.Accepted}, or off.");
                    }
                }

                if (limits.Count == 0)
                {
                    throw new WrongUseException("Nothing to change was given.", "See `gantry nic limit --help`.");
                }

                using var body = new StringContent(new JsonObject { ["limits"] = limits }.ToJsonString(), Encoding.UTF8, "application/json");
                var begun = await session.SendAsync(HttpMethod.Patch, $"{PathOf(parsed.GetValue(instance)!)}/{ApiClient.Escape(parsed.GetValue(nic)!)}", body, ct);
                return await Waiting.FinishAsync(session, begun, parsed.GetValue(nic)!, ended => $"limited{Waiting.Pending(ended)}", ct);
            });
    }

    private static Verb Removing(App app)
    {
        var instance = Name.Of("instance", app, "/instances");
        var nic = new Argument<string>("NIC") { Description = "Its name." };
        return new Verb("remove", "Take a NIC out of an instance; its addresses are free again.", "gantry nic remove web1 eth1").With(instance, nic).Runs(app, async (parsed, session, ct) =>
        {
            var begun = await session.SendAsync(HttpMethod.Delete, $"{PathOf(parsed.GetValue(instance)!)}/{ApiClient.Escape(parsed.GetValue(nic)!)}", null, ct);
            return await Waiting.FinishAsync(session, begun, parsed.GetValue(nic)!, ended => $"removed from {parsed.GetValue(instance)}{Waiting.Pending(ended)}", ct);
        });
    }

    private static Option<string> Rate(string name, string description) => Choose.Text(name, description, "SIZE");

    private static string? Said(NicLimits? limits) => limits is null or { ReceiveBytesPerSecond: null, SendBytesPerSecond: null } ? null
        : $"{Rate(limits.ReceiveBytesPerSecond)} in, {Rate(limits.SendBytesPerSecond)} out";

    private static string Rate(long? bytes) => bytes is { } limit ? $"{Sizes.Format(limit)}/s" : "no limit";

    private static string PathOf(string instance) => $"/instances/{ApiClient.Escape(instance)}/nics";
}
