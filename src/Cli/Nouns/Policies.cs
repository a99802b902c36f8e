using System.CommandLine;
using System.Globalization;
using System.Text;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry policy</c>: which connections instances may have.</summary>
internal static class Policies
{
    public static Command Build(App app) => new Verb(
        "policy", "Say which connections instances may have.", "gantry policy apply web.yaml", "gantry policy explain web1 db1 5432", "gantry policy list")
        .With(List(app), Info(app), Apply(app), Remove(app), PolicyRules.Build(app), Explain(app), Counters(app));

    private static Verb List(App app)
    {
        var network = Networks.Of(app);
        return new Verb("list", "Show the policies of a network.", "gantry policy list").With(network).Runs(app, (parsed, session, ct) =>
            session.ShowAsync(PathOf(parsed.GetValue(network)!), WireJson.Default.PagePolicy, page => page.Items.Select(p => p.Name), page =>
            {
                var table = new Table("NAME", ">PRIORITY", "APPLIES TO", "ISOLATES", ">RULES", "DESCRIPTION");
                foreach (var policy in page.Items)
                {
                    table.Add(policy.Name, policy.Priority.ToString(CultureInfo.InvariantCulture), Said(policy.AppliesTo), string.Join(", ", policy.Isolates.Select(Words.Of)),
                        policy.Rules.Count.ToString(CultureInfo.InvariantCulture), policy.Description);
                }

                table.Write(session.Out);
            }, ct));
    }

    private static Verb Info(App app)
    {
        var network = Networks.Of(app);
        var name = new Argument<string>("POLICY") { Description = "Its name." };
        return new Verb("info", "Show one policy and its rules.", "gantry policy info web-in").With(name, network).Runs(app, async (parsed, session, ct) =>
        {
            var path = PathOf(parsed.GetValue(network)!);
            var page = Session.Read(await session.SendAsync(HttpMethod.Get, path, null, ct), WireJson.Default.PagePolicy);
            var policy = page.Items.FirstOrDefault(p => p.Name == parsed.GetValue(name)) ?? throw Refusal.NotFound(
                "policy.unknown", $"There is no policy '{parsed.GetValue(name)}' of the network '{parsed.GetValue(network)}'.", "`gantry policy list` shows those there are.");
            session.Show(System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(policy, WireJson.Default.Policy), WireJson.Default.Policy, p => [p.Name], p =>
            {
                new Card().Add("Name", p.Name).Add("Description", p.Description).Add("Priority", p.Priority.ToString(CultureInfo.InvariantCulture))
                    .Add("Applies to", Said(p.AppliesTo)).Add("Isolates", string.Join(", ", p.Isolates.Select(Words.Of))).Write(session.Out);
                session.Out.WriteLine();
                var table = new Table(">RULE", "DIRECTION", "ACTION", "PEERS", "PORTS", "LOG", "DESCRIPTION");
                foreach (var (number, rule) in p.Rules.Index())
                {
                    table.Add(number.ToString(CultureInfo.InvariantCulture), Words.Of(rule.Direction), Words.Of(rule.Action), rule.Peers is null ? "anybody" : string.Join("; ", rule.Peers.Select(Said)),
                        rule.Ports is null ? "all" : string.Join(", ", rule.Ports.Select(Said)), rule.Log ? "yes" : null, rule.Description);
                }

                table.Write(session.Out);
            });
            return ExitCode.Done;
        });
    }

    private static Verb Apply(App app)
    {
        var network = Networks.Of(app);
        var file = new Argument<string>("FILE") { Description = "Kubernetes NetworkPolicy documents as YAML, or one policy as JSON, as `gantry policy info -o json` shows it; '-' for standard input." };
        return new Verb("apply", "Put the policies of a file in force: those of the same name are replaced, others stay.", "gantry policy apply web.yaml", "gantry policy apply - --network backend <policy.json")
            .With(file, network).Runs(app, async (parsed, session, ct) =>
            {
                var text = parsed.GetValue(file) == "-" ? await new StreamReader(session.Terminal.In).ReadToEndAsync(ct) : await File.ReadAllTextAsync(parsed.GetValue(file)!, ct);
                var path = PathOf(parsed.GetValue(network)!);
                if (!text.TrimStart().StartsWith('{'))
                {
                    using var yaml = new StringContent(text, Encoding.UTF8, "application/yaml");
                    return await Waiting.FinishAsync(session, await session.SendAsync(HttpMethod.Post, $"{path}:import", yaml, ct), parsed.GetValue(file)!, "in force", ct);
                }

                var name = Session.Read(Encoding.UTF8.GetBytes(text), WireJson.Default.JsonElement).TryGetProperty("name", out var found) ? found.ToString() : "";
                using var json = new StringContent(text, Encoding.UTF8, "application/json");
                return await Waiting.FinishAsync(session, await session.SendAsync(HttpMethod.Put, $"{path}/{ApiClient.Escape(name)}", json, ct), name, "in force", ct);
            });
    }

    private static Verb Remove(App app)
    {
        var network = Networks.Of(app);
        var name = new Argument<string>("POLICY") { Description = "Its name." };
        return new Verb("remove", "Take a policy away.", "gantry policy remove web-in").With(name, network).Runs(app, async (parsed, session, ct) =>
        {
            var begun = await session.SendAsync(HttpMethod.Delete, $"{PathOf(parsed.GetValue(network)!)}/{ApiClient.Escape(parsed.GetValue(name)!)}", null, ct);
            return await Waiting.FinishAsync(session, begun, parsed.GetValue(name)!, "removed", ct);
        });
    }

    private static Verb Explain(App app)
    {
        var network = Networks.Of(app);
        var from = new Argument<string>("FROM") { Description = "An instance of the network, or an IP address." };
        var to = new Argument<string>("TO") { Description = "Likewise." };
        var port = new Argument<int?>("PORT") { Description = "Of TO; none for ICMP.", Arity = ArgumentArity.ZeroOrOne };
        var protocol = Choose.From("--protocol", null, PolicyProtocol.Tcp, "What connects.");
        return new Verb("explain", "Say which rule decides over a connection.", "gantry policy explain web1 db1 5432", "gantry policy explain 203.0.113.5 web1 80")
            .With(from, to, port, protocol, network).Runs(app, async (parsed, session, ct) =>
            {
                var body = new ExplainPolicy(parsed.GetValue(from)!, parsed.GetValue(to)!, parsed.GetValue(protocol), parsed.GetValue(port));
                var answer = await session.SendAsync(HttpMethod.Post, $"{PathOf(parsed.GetValue(network)!)}:explain", body, WireJson.Default.ExplainPolicy, ct);
                session.Show(answer, WireJson.Default.PolicyDecision, decision => [Words.Of(decision.Action)], decision =>
                {
                    session.Out.WriteLine(decision.Action == PolicyAction.Allow ? "allowed" : "denied");
                    foreach (var step in decision.Steps)
                    {
                        session.Out.WriteLine(Words.Clean($"  {(step.Direction == PolicyDirection.Out ? "out of" : "into")} {step.Instance} ({step.Nic}): {Words.Of(step.Action)}, by {Reason(step)}"));
                    }
                });
                return ExitCode.Done;
            });
    }

    private static Verb Counters(App app)
    {
        var network = Networks.Of(app);
        return new Verb("counters", "Show how often each rule decided.", "gantry policy counters").With(network).Runs(app, (parsed, session, ct) =>
            session.ShowAsync($"{Networks.PathOf(parsed.GetValue(network)!)}/counters", WireJson.Default.PagePolicyCounter, page => page.Items.Select(c => c.Policy).Distinct(), page =>
            {
                var table = new Table("POLICY", ">RULE", "DIRECTION", ">PACKETS", ">BYTES");
                foreach (var counter in page.Items)
                {
                    table.Add(counter.Policy, counter.Rule?.ToString(CultureInfo.InvariantCulture) ?? "isolated", Words.Of(counter.Direction),
                        counter.Packets.ToString(CultureInfo.InvariantCulture), counter.Bytes.ToString(CultureInfo.InvariantCulture));
                }

                table.Write(session.Out);
            }, ct));
    }

    private static string Reason(PolicyStep step) => step switch
    {
        { Policy: null } => "the network's default",
        { Rule: { } rule } => string.Create(CultureInfo.InvariantCulture, $"rule {rule} of '{step.Policy}'"),
        _ => $"'{step.Policy}', which isolates it",
    };

    private static string Said(LabelSelector selector) =>
        string.Join(", ", [.. (selector.Labels ?? new Dictionary<string, string>()).Select(l => $"{l.Key}={l.Value}"), .. (selector.Expressions ?? []).Select(Said)]) is { Length: > 0 } text ? text : "all";

    private static string Said(LabelExpression expression) => expression.Operator switch
    {
        LabelOperator.Exists => expression.Key,
        LabelOperator.DoesNotExist => $"!{expression.Key}",
        LabelOperator.In => $"{expression.Key} in ({string.Join(", ", expression.Values ?? [])})",
        _ => $"{expression.Key} not in ({string.Join(", ", expression.Values ?? [])})",
    };

    private static string Said(PolicyPeer peer) =>
        peer.Instances is { } instances ? Said(instances) : peer.Except is { Count: > 0 } except ? $"{peer.Cidr} but {string.Join(", ", except)}" : peer.Cidr ?? "anybody";

    private static string Said(PolicyPorts ports) => ports.Ports is null ? Words.Of(ports.Protocol) : $"{Words.Of(ports.Protocol)} {ports.Ports}";

    public static string PathOf(string network) => $"{Networks.PathOf(network)}/policies";
}
