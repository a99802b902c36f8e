using System.Text;
using Gantry.Contracts;
using Gantry.Daemon.Networks;

namespace Gantry.Daemon.Tests.Networks;

/// <summary>Kubernetes NetworkPolicy documents mean here what the Kubernetes documentation ("Network Policies") says they mean.</summary>
public sealed class NetworkPolicyYamlTests
{
    /// <summary>The large example of the documentation, in the words of its structure, without the namespaceSelector that is refused.</summary>
    private const string Large =
        """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata:
          name: test-network-policy
          namespace: default
          labels: {team: storage}
          annotations:
            note: |
              anything
        spec:
          podSelector:
            matchLabels:
              role: db
          policyTypes:
          - Ingress
          - Egress
          ingress:
          - from:
            - ipBlock:
                cidr: 172.17.0.0/16
                except:
                - 172.17.1.0/24
            - podSelector:
                matchLabels:
                  role: frontend
            ports:
            - protocol: TCP
              port: 6379
          egress:
          - to:
            - ipBlock:
                cidr: 10.0.0.0/24
            ports:
            - protocol: TCP
              port: 5978
        status: {}
        """;

    [Fact]
    public void The_large_example_of_the_documentation_is_read_whole()
    {
        var policy = NetworkPolicyYaml.Read(Large).ShouldHaveSingleItem();

        (policy.Name, policy.Description, policy.Priority).ShouldBe(("test-network-policy", null, 1000));
        policy.AppliesTo.Labels.ShouldBe(new Dictionary<string, string> { ["role"] = "db" });
        policy.AppliesTo.Expressions.ShouldBeNull();
        policy.Isolates.ShouldBe([PolicyDirection.In, PolicyDirection.Out]);
        policy.Rules.Select(r => (r.Direction, r.Action, r.Log)).ShouldBe([(PolicyDirection.In, PolicyAction.Allow, false), (PolicyDirection.Out, PolicyAction.Allow, false)]);
        var (ingress, egress) = (policy.Rules[0], policy.Rules[1]);
        ingress.Peers!.Count.ShouldBe(2);
        (ingress.Peers[0].Cidr, ingress.Peers[0].Except!.Single(), ingress.Peers[0].Instances).ShouldBe(("172.17.0.0/16", "172.17.1.0/24", null));
        (ingress.Peers[1].Cidr, ingress.Peers[1].Except, ingress.Peers[1].Instances!.Labels!.Single()).ShouldBe((null, null, KeyValuePair.Create("role", "frontend")));
        ingress.Ports.ShouldBe([new(PolicyProtocol.Tcp, "6379")]);
        egress.Peers.ShouldNotBeNull().ShouldHaveSingleItem().ShouldBe(new("10.0.0.0/24"));
        egress.Ports.ShouldBe([new(PolicyProtocol.Tcp, "5978")]);
    }

    [Theory]
    [InlineData("podSelector: {}, policyTypes: [Ingress]", "In", "")] // default deny all ingress
    [InlineData("podSelector: {}, policyTypes: [Ingress], ingress: [{}]", "In", "In")] // allow all ingress
    [InlineData("podSelector: {}, policyTypes: [Egress]", "Out", "")] // default deny all egress
    [InlineData("podSelector: {}, policyTypes: [Egress], egress: [{}]", "Out", "Out")] // allow all egress
    [InlineData("podSelector: {}, policyTypes: [Ingress, Egress]", "In Out", "")] // default deny all ingress and all egress
    [InlineData("podSelector: {}, policyTypes: [Egress, Ingress]", "In Out", "")]
    [InlineData("podSelector: {}, policyTypes: [Egress, Egress]", "Out", "")]
    [InlineData("podSelector: {}", "In", "")]
    [InlineData("podSelector: {}, policyTypes: []", "In", "")]
    [InlineData("podSelector: {}, policyTypes: null, ingress: [], egress: ~", "In", "")]
    [InlineData("podSelector: {}, ingress: [{}]", "In", "In")]
    [InlineData("podSelector: {}, egress: [{}]", "In Out", "Out")]
    [InlineData("podSelector: {}, egress: []", "In", "")] // the API server looks for rules, not for the word
    [InlineData("podSelector: {}, policyTypes: [Ingress], ingress: [{}], egress: [{}, {}]", "In", "In")]
    [InlineData("podSelector: {}, policyTypes: [Egress], ingress: [{}], egress: [{}, {}]", "Out", "Out Out")]
    [InlineData("podSelector: null, policyTypes: [Ingress]", "In", "")]
    [InlineData("policyTypes: [Ingress]", "In", "")]
    public void Directions_isolated_and_rules_kept_are_those_of_Kubernetes(string spec, string isolates, string rules)
    {
        var policy = Read(spec);

        policy.AppliesTo.ShouldBe(new());
        string.Join(' ', policy.Isolates).ShouldBe(isolates);
        string.Join(' ', policy.Rules.Select(r => r.Direction)).ShouldBe(rules);
        policy.Rules.ShouldAllBe(r => r.Action == PolicyAction.Allow && r.Peers == null && r.Ports == null);
    }

    [Theory]
    [InlineData("{}", null)]
    [InlineData("{from: []}", null)]
    [InlineData("{from: null, ports: null}", null)]
    [InlineData("{from: [{podSelector: {}}]}", "all")]
    [InlineData("{from: [{podSelector: {matchLabels: {}, matchExpressions: []}}]}", "all")]
    [InlineData("{from: [{podSelector: {matchLabels: {a: b}}}, {ipBlock: {cidr: 0.0.0.0/0, except: []}}]}", "a=b 0.0.0.0/0")]
    [InlineData("{from: [{ipBlock: {cidr: 'fd00::/8', except: ['fd00::/64', 'fd01::/64']}}]}", "fd00::/8-fd00::/64-fd01::/64")]
    public void No_peers_are_anybody_and_an_empty_selector_is_every_instance(string rule, string? peers)
    {
        var read = Read($"ingress: [{rule}]").Rules.Single().Peers;

        (read is null ? null : string.Join(' ', read.Select(p => p switch
        {
            { Cidr: { } cidr, Instances: null } => string.Join('-', [cidr, .. p.Except ?? []]),
            { Instances: { Labels: null, Expressions: null } } => "all",
            _ => string.Join(',', p.Instances!.Labels!.Select(l => $"{l.Key}={l.Value}")),
        }))).ShouldBe(peers);
        Read($"egress: [{rule.Replace("from:", "to:", StringComparison.Ordinal)}]").Rules.Single().Peers?.Count.ShouldBe(read!.Count);
    }

    [Theory]
    [InlineData("[]", null)]
    [InlineData("[{}]", "Tcp ")]
    [InlineData("[{port: 80}]", "Tcp 80")]
    [InlineData("[{protocol: UDP}]", "Udp ")]
    [InlineData("[{protocol: UDP, port: null, endPort: ~}]", "Udp ")]
    [InlineData("[{protocol: SCTP, port: 65535}, {protocol: null, port: 1}]", "Sctp 65535;Tcp 1")]
    [InlineData("[{protocol: TCP, port: 32000, endPort: 32768}]", "Tcp 32000-32768")]
    [InlineData("[{port: 80, endPort: 80}]", "Tcp 80")]
    public void Ports_are_of_TCP_unless_said_otherwise_and_all_when_none_is_named(string ports, string? expected)
    {
        var read = Read($"ingress: [{{ports: {ports}}}]").Rules.Single().Ports;

        (read is null ? null : string.Join(';', read.Select(p => $"{p.Protocol} {p.Ports}"))).ShouldBe(expected);
    }

    [Fact]
    public void Selectors_have_labels_and_the_four_operators()
    {
        var selector = Read(
            """
            podSelector: {matchLabels: {app.kubernetes.io/name: "5", "yes": 'no', date: 2026-01-01, version: 1.2.3, empty: ""}, matchExpressions: [
              {key: tier, operator: In, values: [front, back]}, {key: tier, operator: NotIn, values: [old]},
              {key: app, operator: Exists}, {key: gone, operator: DoesNotExist, values: []}]}
            """.ReplaceLineEndings("\n  ")).AppliesTo;

        selector.Labels.ShouldBe(new Dictionary<string, string> { ["app.kubernetes.io/name"] = "5", ["yes"] = "no", ["date"] = "2026-01-01", ["version"] = "1.2.3", ["empty"] = "" });
        selector.Expressions!.Select(e => $"{e.Key} {e.Operator} {(e.Values is null ? "-" : string.Join(',', e.Values))}").ShouldBe(
            ["tier In front,back", "tier NotIn old", "app Exists -", "gone DoesNotExist -"]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("  \n\n")]
    [InlineData("# nothing\n")]
    [InlineData("---\n---\nnull\n...\n")]
    public void A_text_without_policies_is_refused(string text) => Refused(text).Message.ShouldBe("Document 1, line 1: there is no NetworkPolicy in the text.");

    [Fact]
    public void Documents_may_be_empty_and_JSON_is_YAML_too()
    {
        var text = $$$"""
            # first comes nothing
            ---
            ---
            {{{Document("one", "podSelector: {}")}}}
            ---
            # nothing
            ---
            {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "two"}, "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}}
            ...
            """;

        var policies = NetworkPolicyYaml.Read(text);

        policies.Select(p => p.Name).ShouldBe(["one", "two"]);
        policies[1].Rules.Single().Ports.ShouldBe([new(PolicyProtocol.Tcp, "80")]);
        NetworkPolicyYaml.Read(text.ReplaceLineEndings("\r\n")).Select(p => p.Name).ShouldBe(["one", "two"]);
    }

    [Fact]
    public void A_thousand_documents_are_read_and_one_more_is_refused()
    {
        var thousand = string.Join("\n---\n", Enumerable.Range(1, Limits.Policies).Select(n => Document($"p{n}", "podSelector: {}")));

        NetworkPolicyYaml.Read(thousand).Select(p => p.Name).ShouldBe(Enumerable.Range(1, Limits.Policies).Select(n => $"p{n}"));
        Refused($"{thousand}\n---\n{Document("more", "podSelector: {}")}").Message.ShouldContain($"Document {Limits.Policies + 1}, ");
    }

    [Fact]
    public void Two_documents_of_one_name_are_refused() =>
        Refused($"{Document("same", "podSelector: {}")}\n---\n{Document("other", "podSelector: {}")}\n---\n{Document("same", "podSelector: {}")}")
            .Message.ShouldBe("Document 3, line 16, metadata.name: document 1 has the name 'same' too.");

    [Fact]
    public void Every_text_that_is_cut_short_or_mutated_gives_policies_or_a_refusal()
    {
        const string Signs = "{}[]:,-?&*!|>'\"%@`#~<= \t\n\r\\0129azAZ./_é\u0000\u0085\u2028\ufeff\ud83d\ude00";
        string[] pieces = ["---\n", "...\n", "%YAML 1.1\n", "%TAG ! x:\n", "&a ", "*a", "!!str ", "!<x> ", "? ", "- ", ": ", "|2+\n", ">-\n", "<<: ", "\"\\x", "\"\\ud800\"", "null", "1e3", "{", "[[", "\n\n", "  "];
        string[] seeds = [Large, $"{Document("a", "egress: [{to: [{podSelector: {}}], ports: [{port: 1, endPort: 9}]}]")}\n---\n{Large}", Document("b", "podSelector: {matchExpressions: [{key: a, operator: Exists}]}")];
        var random = new Random(20_260);
        var (read, refused) = (0, 0);
        for (var round = 0; round < int.Parse(Environment.GetEnvironmentVariable("R") ?? "20000"); round++)
        {
            var text = new StringBuilder(seeds[random.Next(seeds.Length)]);
            for (var changes = random.Next(1, 6); changes > 0; changes--)
            {
                var at = random.Next(text.Length + 1);
                var count = Math.Min(random.Next(1, 12), text.Length - at);
                _ = random.Next(6) switch
                {
                    0 => text.Remove(at, count),
                    1 => text.Insert(at, Signs[random.Next(Signs.Length)]),
                    2 => text.Insert(at, pieces[random.Next(pieces.Length)]),
                    3 => text.Insert(random.Next(text.Length + 1), text.ToString(at, count)),
                    4 => at < text.Length ? text.Replace(text[at], Signs[random.Next(Signs.Length)], at, 1) : text,
                    _ => random.Next(20) == 0 ? text.Remove(at, text.Length - at) : text,
                };
            }

            try
            {
                NetworkPolicyYaml.Read(text.ToString()).SelectMany(PolicyRules.Faults).ShouldBeEmpty();
                read++;
            }
            catch (Refusal e)
            {
                (e.Code, e.Status).ShouldBe(("policy.yaml_invalid", 422));
                e.Message.ShouldMatch(@"\ADocument [0-9]+, line [0-9]+[,:] [^\p{Cc}]+\.\z");
                refused++;
            }
            catch (Exception e) when (e is not ShouldAssertException)
            {
                throw new InvalidOperationException($"round {round}: {text}", e);
            }
        }

        read.ShouldBeGreaterThan(500);
        refused.ShouldBeGreaterThan(5_000);
    }

    /// <summary>The spec begins on line 5 of it.</summary>
    internal static string Document(string name, string spec) =>
        $"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: {name}\nspec: {{ {spec}}}";

    internal static Refusal Refused(string text)
    {
        var refusal = Should.Throw<Refusal>(() => NetworkPolicyYaml.Read(text));
        (refusal.Code, refusal.Status, string.IsNullOrWhiteSpace(refusal.Hint)).ShouldBe(("policy.yaml_invalid", 422, false));
        return refusal;
    }

    private static Policy Read(string spec) => NetworkPolicyYaml.Read(Document("web", spec)).ShouldHaveSingleItem();
}
