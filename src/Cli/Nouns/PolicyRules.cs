using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry policy rule</c>: one rule of a policy changed, the others as they are.</summary>
internal static class PolicyRules
{
    public static Command Build(App app) => new Verb(
        "rule", "Change one rule of a policy; the others stay.",
        "gantry policy rule add web-in --peer 10.0.0.0/8 --port tcp/80", "gantry policy rule replace web-in 3 --action deny --peer app=old", "gantry policy rule remove web-in 3")
        .With(Adding(app), Replacing(app), Removing(app));

    private static Verb Adding(App app)
    {
        var network = Networks.Of(app);
        var policy = Named();
        var options = new RuleOptions();
        var before = Choose.Number("--before", "The rule that it comes before; it becomes the last without.", 0, "NUMBER");
        return options.On(new Verb("add", "Add a rule.", "gantry policy rule add web-in --peer 10.0.0.0/8 --port tcp/80").With(policy)).With(before, network).Runs(app, async (parsed, session, ct) =>
        {
            var place = parsed.GetValue(before) is { } number ? string.Create(CultureInfo.InvariantCulture, $"?before={number}") : "";
            var path = $"{PathOf(parsed.GetValue(network)!, parsed.GetValue(policy)!)}{place}";
            var begun = await session.SendAsync(HttpMethod.Post, path, options.Read(parsed), WireJson.Default.PolicyRule, ct);
            return await Waiting.FinishAsync(session, begun, parsed.GetValue(policy)!, "in force with the rule", ct);
        });
    }

    private static Verb Replacing(App app)
    {
        var network = Networks.Of(app);
        var policy = Named();
        var number = Numbered();
        var options = new RuleOptions();
        return options.On(new Verb("replace", "Put a rule in the place of another.", "gantry policy rule replace web-in 3 --action deny --peer app=old").With(policy, number)).With(network)
            .Runs(app, async (parsed, session, ct) =>
            {
                var path = PathOf(parsed.GetValue(network)!, parsed.GetValue(policy)!, parsed.GetValue(number));
                var begun = await session.SendAsync(HttpMethod.Put, path, options.Read(parsed), WireJson.Default.PolicyRule, ct);
                return await Waiting.FinishAsync(session, begun, parsed.GetValue(policy)!, "in force with the rule", ct);
            });
    }

    private static Verb Removing(App app)
    {
        var network = Networks.Of(app);
        var policy = Named();
        var number = Numbered();
        return new Verb("remove", "Take a rule away.", "gantry policy rule remove web-in 3").With(policy, number, network).Runs(app, async (parsed, session, ct) =>
        {
            var begun = await session.SendAsync(HttpMethod.Delete, PathOf(parsed.GetValue(network)!, parsed.GetValue(policy)!, parsed.GetValue(number)), null, ct);
            return await Waiting.FinishAsync(session, begun, parsed.GetValue(policy)!, "in force without the rule", ct);
        });
    }

    private static Argument<string> Named() => new("POLICY") { Description = "Its name." };

    private static Argument<int> Numbered() => new("NUMBER") { Description = "Of the rule, from 0, as `gantry policy info` shows it." };

    private static string PathOf(string network, string policy) => $"{Policies.PathOf(network)}/{ApiClient.Escape(policy)}/rules";

    private static string PathOf(string network, string policy, int number) => string.Create(CultureInfo.InvariantCulture, $"{PathOf(network, policy)}/{number}");

    /// <summary>What a rule says, as options.</summary>
    private sealed class RuleOptions
    {
        private readonly Option<PolicyDirection> _direction = Choose.From("--direction", null, PolicyDirection.In, "Connections to the policy's instances, or of theirs.");
        private readonly Option<PolicyAction> _action = Choose.From("--action", null, PolicyAction.Allow, "What becomes of them.");
        private readonly Option<PolicyPeer[]> _peers = new("--peer") { Description = "The other end: addresses, or labels of instances; several may be given. Anybody without.", HelpName = "CIDR|LABEL=VALUE", CustomParser = PeersOf };
        private readonly Option<PolicyPorts[]> _ports = new("--port") { Description = "Which is connected to; several may be given. All without.", HelpName = "PROTOCOL[/PORTS]", CustomParser = PortsOf };
        private readonly Option<bool> _log = new("--log") { Description = "A line in the kernel's log for each connection." };
        private readonly Option<string> _description = Choose.Text("--description", "For people; at most 1,000 characters.", "TEXT");

        public Verb On(Verb verb) => verb.With(_direction, _action, _peers, _ports, _log, _description);

        public PolicyRule Read(ParseResult parsed) => new()
        {
            Direction = parsed.GetValue(_direction),
            Action = parsed.GetValue(_action),
            Peers = parsed.GetValue(_peers) is { Length: > 0 } peers ? peers : null,
            Ports = parsed.GetValue(_ports) is { Length: > 0 } ports ? ports : null,
            Log = parsed.GetValue(_log),
            Description = parsed.GetValue(_description),
        };

        private static PolicyPeer[] PeersOf(ArgumentResult result) =>
        [
            .. result.Tokens.Select(t => t.Value.Split('=', 2) is [var label, var value]
                ? new PolicyPeer(Instances: new(new Dictionary<string, string> { [label] = value }))
                : new PolicyPeer(t.Value)),
        ];

        private static PolicyPorts[] PortsOf(ArgumentResult result) =>
        [
            .. result.Tokens.Select(t => t.Value.Split('/', 2)).Select(parts =>
            {
                var protocol = Enum.GetValues<PolicyProtocol>().Cast<PolicyProtocol?>().FirstOrDefault(p => Words.Of(p!.Value) == parts[0]);
                if (protocol is null)
                {
                    result.AddError($"'{string.Join('/', parts)}' does not do for --port: accepted is a protocol (tcp, udp, sctp, icmp) and its ports, such as tcp/80 or udp/5000-5010.");
                }

                return new PolicyPorts(protocol ?? default, parts.ElementAtOrDefault(1));
            }),
        ];
    }
}
