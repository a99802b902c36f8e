using System.Text.Json;
using Gantry.Contracts;
using Gantry.Daemon.Networks;
using Gantry.Node.Networks;
using Gantry.Node.Networks.Firewall;

namespace Gantry.Daemon.Tests.Networks;

/// <summary>Documents as Kubernetes has them, by its own documentation; each case after the sentence it comes from.</summary>
public class NetworkPolicyYamlTests
{
    private const string Header = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: one }\n";

    [Fact]
    public void The_example_of_the_documentation_is_read_whole()
    {
        var policy = NetworkPolicyYaml.Read("""
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata:
              name: test-network-policy
              namespace: default
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
                  endPort: 5999
            """).ShouldHaveSingleItem();

        JsonSerializer.Serialize(policy).ShouldBe(JsonSerializer.Serialize(new Policy
        {
            Name = "test-network-policy", AppliesTo = new(new Dictionary<string, string> { ["role"] = "db" }), Isolates = [PolicyDirection.In, PolicyDirection.Out],
            Rules =
            [
                new()
                {
                    Direction = PolicyDirection.In, Action = PolicyAction.Allow,
                    Peers = [new("172.17.0.0/16", ["172.17.1.0/24"]), new(Instances: new(new Dictionary<string, string> { ["role"] = "frontend" }))],
                    Ports = [new(PolicyProtocol.Tcp, "6379")],
                },
                new() { Direction = PolicyDirection.Out, Action = PolicyAction.Allow, Peers = [new("10.0.0.0/24")], Ports = [new(PolicyProtocol.Tcp, "5978-5999")] },
            ],
        }));
    }

    [Theory]
    [InlineData("podSelector: {}", "In", "", "default deny all ingress: no policyTypes, no rules")]
    [InlineData("podSelector: {}\n  policyTypes: [Ingress]", "In", "", "default deny all ingress")]
    [InlineData("podSelector: {}\n  policyTypes: [Egress]", "Out", "", "default deny all egress")]
    [InlineData("podSelector: {}\n  policyTypes: [Ingress, Egress]", "In Out", "", "default deny all of both")]
    [InlineData("podSelector: {}\n  ingress:\n  - {}\n  policyTypes: [Ingress]", "In", "In any any", "allow all ingress")]
    [InlineData("podSelector: {}\n  egress:\n  - {}\n  policyTypes: [Egress]", "Out", "Out any any", "allow all egress")]
    [InlineData("podSelector: {}\n  egress:\n  - {}", "In Out", "Out any any", "a policy with egress rules affects both, so all ingress is denied")]
    [InlineData("podSelector: {}\n  ingress: []\n  egress: []", "In", "", "an empty list of egress rules does not affect egress")]
    [InlineData("podSelector: {}\n  policyTypes: []\n  egress: [{}]", "In Out", "Out any any", "empty policyTypes are as none")]
    [InlineData("podSelector: {}\n  policyTypes: [Egress]\n  ingress: [{}]", "Out", "", "rules for a direction that is not of the types do nothing")]
    [InlineData("podSelector: {}\n  policyTypes: [Egress]\n  egress:", "Out", "", "null is as missing")]
    [InlineData("podSelector: {}\n  ingress: [{ from: [] }]", "In", "In any any", "an empty from is every source")]
    [InlineData("podSelector: {}\n  ingress: [{ from: null, ports: [] }]", "In", "In any any", "empty ports are all ports")]
    [InlineData("podSelector: {}\n  ingress: [{ from: [{ podSelector: {} }] }]", "In", "In 1 any", "all pods of the namespace, which is not everybody")]
    [InlineData("podSelector: {}\n  ingress: [{ ports: [{}] }]", "In", "In any Tcp/all", "protocol is TCP by default, and without port all of it")]
    [InlineData("podSelector: {}\n  ingress: [{ ports: [{ protocol: UDP, port: 53 }, { protocol: SCTP }, { port: 80, endPort: 80 }] }]", "In", "In any Udp/53,Sctp/all,Tcp/80", "several ports")]
    [InlineData("podSelector: {}\n  ingress: [{}, { ports: [{ port: 1 }] }]", "In", "In any any; In any Tcp/1", "rules are as many as there are")]
    public void Empty_and_missing_lists_mean_what_they_mean_in_Kubernetes(string spec, string isolates, string rules, string why)
    {
        var policy = NetworkPolicyYaml.Read($"{Header}spec:\n  {spec}\n").ShouldHaveSingleItem();

        string.Join(' ', policy.Isolates).ShouldBe(isolates, why);
        string.Join("; ", policy.Rules.Select(r =>
            $"{r.Direction} {(r.Peers is null ? "any" : $"{r.Peers.Count}")} {(r.Ports is null ? "any" : string.Join(',', r.Ports.Select(p => $"{p.Protocol}/{p.Ports ?? "all"}")))}")).ShouldBe(rules, why);
    }

    [Fact]
    public void Policies_add_up_whatever_their_order()
    {
        var policies = NetworkPolicyYaml.Read($$"""
            {{Header.Replace("one", "deny-all", StringComparison.Ordinal)}}spec: { podSelector: {}, policyTypes: [Ingress, Egress] }
            ---
            {{Header.Replace("one", "zoo", StringComparison.Ordinal)}}spec: { podSelector: { matchLabels: { app: web } }, ingress: [{ from: [{ podSelector: { matchExpressions: [{ key: app, operator: NotIn, values: [bad] }] } }] }] }
            ---
            {{Header.Replace("one", "out", StringComparison.Ordinal)}}spec: { podSelector: { matchExpressions: [{ key: app, operator: DoesNotExist }] }, policyTypes: [Egress], egress: [{ to: [{ ipBlock: { cidr: 10.0.0.0/24 } }] }] }
            ---
            """);
        NicAddress Nic(string name, int last, params (string, string)[] labels) =>
            new(Id<Instance>.New(), name, "eth0", $"52:54:00:00:00:{last:x2}", $"10.0.0.{last}", null, false, labels.ToDictionary(l => l.Item1, l => l.Item2));
        var network = new NetworkSpec(Id<Network>.New(), "net", NetworkKind.Nat, "net.gantry")
        {
            Policies = policies, Addresses = [Nic("web", 10, ("app", "web")), Nic("bad", 11, ("app", "bad")), Nic("plain", 12)],
        };
        PolicyAction Decide(string from, string to) =>
            PolicyEvaluator.Decide(network, new(System.Net.IPAddress.Parse(from), System.Net.IPAddress.Parse(to), PolicyProtocol.Tcp, 80)).Action;

        Decide("10.0.0.12", "10.0.0.10").ShouldBe(PolicyAction.Allow, "without the label is not in bad");
        Decide("10.0.0.11", "10.0.0.10").ShouldBe(PolicyAction.Deny);
        Decide("10.0.0.12", "10.0.0.11").ShouldBe(PolicyAction.Deny, "only web takes connections");
        Decide("10.0.0.12", "10.0.1.1").ShouldBe(PolicyAction.Deny);
        Decide("192.0.2.1", "10.0.0.10").ShouldBe(PolicyAction.Deny, "of the outside nobody is an instance");
    }

    [Theory]
    [InlineData("podSelector: {}\n  ingress:\n  - from:\n    - namespaceSelector: {}", "document 1, line 8: spec.ingress[0].from[0].namespaceSelector: a Gantry network has no namespaces: choose instances of the network by podSelector alone")]
    [InlineData("podSelector: {}\n  ingress:\n  - ports:\n    - port: http", "document 1, line 8: spec.ingress[0].ports[0].port: ports by name are not taken: an instance names none, so give the number")]
    [InlineData("podSelector: {}\n  ingress: [{ ports: [{ port: \"80\" }] }]", "document 1, line 6: spec.ingress[0].ports[0].port: ports by name are not taken")]
    [InlineData("podSelector: {}\n  ingress: [{ ports: [{ port: 65536 }] }]", "65536 is not from 1 to 65535")]
    [InlineData("podSelector: {}\n  ingress: [{ ports: [{ endPort: 80 }] }]", "endPort: it needs a port")]
    [InlineData("podSelector: {}\n  ingress: [{ ports: [{ port: 80, endPort: 79 }] }]", "endPort: it is less than the port, 80")]
    [InlineData("podSelector: {}\n  ingress: [{ ports: [{ protocol: tcp }] }]", "protocol: it is none of TCP, UDP and SCTP")]
    [InlineData("podSelector: {}\n  ingress: [{ from: [{}] }]", "spec.ingress[0].from[0]: it says nobody: give an ipBlock or a podSelector")]
    [InlineData("podSelector: {}\n  ingress: [{ from: [{ ipBlock: { cidr: 10.0.0.0/8 }, podSelector: {} }] }]", "from[0].podSelector: it cannot stand beside an ipBlock")]
    [InlineData("podSelector: {}\n  ingress: [{ from: [{ ipBlock: {} }] }]", "from[0].ipBlock: cidr is missing")]
    [InlineData("podSelector: {}\n  ingress: [{ from: [{ ipBlock: { cidr: 10.0.0.1/8 } }] }]", "document 1, line 1: $.rules[0].peers[0].cidr: it is no range of addresses such as 10.0.0.0/8 or fd00::/8, with zeros behind the prefix")]
    [InlineData("podSelector: {}\n  ingress: [{ from: [{ ipBlock: { cidr: 10.0.0.0/8, except: [11.0.0.0/9] } }] }]", "$.rules[0].peers[0].except[0]: it is not in 10.0.0.0/8")]
    [InlineData("podSelector: {}\n  ingress: {}", "spec.ingress: a list is expected here")]
    [InlineData("podSelector: {}\n  ingress: [{ form: [] }]", "spec.ingress[0].form: there is no such field; these are known: from, ports")]
    [InlineData("podSelector: []", "spec.podSelector: fields are expected here")]
    [InlineData("podSelector: { matchLabels: [a] }", "spec.podSelector.matchLabels: fields are expected here")]
    [InlineData("podSelector: { matchLabels: { a: [b] } }", "spec.podSelector.matchLabels.a: one value is expected here")]
    [InlineData("podSelector: { matchExpressions: [{ key: a, operator: in, values: [b] }] }", "operator: it is none of In, NotIn, Exists and DoesNotExist")]
    [InlineData("podSelector: { matchExpressions: [{ key: a, operator: In }] }", "matchExpressions[0]: In and NotIn need values")]
    [InlineData("podSelector: { matchExpressions: [{ key: a, operator: Exists, values: [b] }] }", "Exists and DoesNotExist take no values")]
    [InlineData("ingress: []", "document 1, line 5: spec: podSelector is missing")]
    [InlineData("podSelector: {}\n  policyTypes: [ingress]", "spec.policyTypes[0]: it is neither Ingress nor Egress")]
    [InlineData("podSelector: {}\n  podSelector: {}", "Duplicate key")]
    [InlineData("podSelector: &all {}\n  ingress: [{ from: [{ podSelector: *all }] }]", "line 5: anchors and aliases are not taken; write the value out")]
    [InlineData("podSelector: {", "line 6: ")]
    public void What_is_wrong_is_told_with_document_line_and_field(string spec, string fault)
    {
        var refusal = Should.Throw<Refusal>(() => NetworkPolicyYaml.Read($"{Header}spec:\n  {spec}\n"));

        refusal.Code.ShouldBe("policy.yaml_not_valid");
        string.Join('\n', refusal.Faults.Select(f => $"{f.Path}: {f.Message}")).ShouldContain(fault);
    }

    [Theory]
    [InlineData("", "document 1: there is no NetworkPolicy in it")]
    [InlineData("kind: NetworkPolicy\n", "document 1, line 1: apiVersion is missing")]
    [InlineData("apiVersion: v1\nkind: Pod\nmetadata: 5\nspec: {}\n", "document 1, line 2: kind: it is not NetworkPolicy")]
    [InlineData("apiVersion: v1\nkind: Pod\nmetadata: 5\nspec: {}\n", "document 1, line 3: metadata: fields are expected here")]
    [InlineData("- a\n", "document 1, line 1: fields are expected here")]
    public void What_is_no_NetworkPolicy_is_refused(string text, string fault) =>
        string.Join('\n', Should.Throw<Refusal>(() => NetworkPolicyYaml.Read(text)).Faults.Select(f => $"{f.Path}: {f.Message}")).ShouldContain(fault);

    [Fact]
    public void Faults_of_the_second_document_name_it_and_a_name_is_used_once()
    {
        var one = $"{Header}spec: {{ podSelector: {{}} }}\n";

        Should.Throw<Refusal>(() => NetworkPolicyYaml.Read($"{one}---\n{one}")).Faults.ShouldHaveSingleItem().ShouldBe(new Fault("document 2, line 6", "there is another policy 'one'"));
        Should.Throw<Refusal>(() => NetworkPolicyYaml.Read(one.Replace("one", "Not.A.Name", StringComparison.Ordinal))).Faults.ShouldHaveSingleItem().Path.ShouldBe("document 1, line 1: $.name");
    }

    [Fact]
    public void What_is_large_or_deep_is_refused_before_anything_is_made_of_it()
    {
        Should.Throw<Refusal>(() => NetworkPolicyYaml.Read(new string('a', Limits.BodyBytes + 1))).Faults.ShouldHaveSingleItem().Message.ShouldContain("characters");
        Should.Throw<Refusal>(() => NetworkPolicyYaml.Read(string.Concat(Enumerable.Repeat("[", 50_000)))).Faults.ShouldHaveSingleItem().Message.ShouldContain("nested deeper");
        Should.Throw<Refusal>(() => NetworkPolicyYaml.Read(string.Concat(Enumerable.Repeat("- ", 50_000)))).Faults.ShouldHaveSingleItem().Message.ShouldContain("nested deeper");
        Should.Throw<Refusal>(() => NetworkPolicyYaml.Read(string.Concat(Enumerable.Repeat("a\n---\n", 100_000)))).Faults.Count.ShouldBeLessThanOrEqualTo(PolicyRules.MostFaults);
    }
}
