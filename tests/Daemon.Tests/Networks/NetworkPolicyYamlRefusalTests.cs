using Gantry.Contracts;
using Gantry.Daemon.Networks;

namespace Gantry.Daemon.Tests.Networks;

/// <summary>What is not a NetworkPolicy Gantry can keep to is refused with the document, the line and the field.</summary>
public sealed class NetworkPolicyYamlRefusalTests
{
    [Theory]
    [InlineData("podSelector: []", "spec.podSelector: a map of fields is expected here, not a list")]
    [InlineData("podSelector: 5", "spec.podSelector: a map of fields is expected here, not 5, which is a number or a truth value")]
    [InlineData("podSelector: {matchLabels: [a]}", "spec.podSelector.matchLabels: a map of fields")]
    [InlineData("podSelector: {matchLabels: {a: 5}}", "spec.podSelector.matchLabels.a: a text is expected here, not 5, which is a number")]
    [InlineData("podSelector: {matchLabels: {a: yes}}", "spec.podSelector.matchLabels.a: a text is expected here, not yes, which is")]
    [InlineData("podSelector: {matchLabels: {a: 0x1F}}", "spec.podSelector.matchLabels.a: a text is expected here, not 0x1F")]
    [InlineData("podSelector: {matchLabels: {a: 12e45}}", "spec.podSelector.matchLabels.a: a text is expected here, not 12e45")]
    [InlineData("podSelector: {matchLabels: {a: .5}}", "spec.podSelector.matchLabels.a: a text is expected here, not .5")]
    [InlineData("podSelector: {matchLabels: {a: }}", "spec.podSelector.matchLabels.a: a text is expected here, not nothing")]
    [InlineData("podSelector: {matchLabels: {a: {b: c}}}", "spec.podSelector.matchLabels.a: a text is expected here, not a map")]
    [InlineData("podSelector: {matchLabels: {on: c}}", "spec.podSelector.matchLabels: a text is expected here, not on")]
    [InlineData("podSelector: {matchLabels: {a b: c}}", "spec.podSelector.matchLabels: a key has 1 to 63 of")]
    [InlineData("podSelector: {matchLabels: {a: \"x\\ny\"}}", "spec.podSelector.matchLabels.a: it has a control character in it")]
    [InlineData("podSelector: {matchLabels: {a: b, a: c}}", "spec.podSelector.matchLabels.a: it is there twice")]
    [InlineData("podSelector: {matchLabel: {a: b}}", "spec.podSelector.matchLabel: there is no such field")]
    [InlineData("podSelector: {matchExpressions: [{operator: Exists}]}", "spec.podSelector.matchExpressions[0]: key is missing")]
    [InlineData("podSelector: {matchExpressions: [{key: a}]}", "spec.podSelector.matchExpressions[0]: operator is missing")]
    [InlineData("podSelector: {matchExpressions: [{key: a, operator: exists}]}", "spec.podSelector.matchExpressions[0].operator: 'exists' is no operator")]
    [InlineData("podSelector: {matchExpressions: [{key: a b, operator: Exists}]}", "spec.podSelector.matchExpressions[0].key: a key has")]
    [InlineData("podSelector: {matchExpressions: [{key: a, operator: In}]}", "spec.podSelector.matchExpressions[0]: give values")]
    [InlineData("podSelector: {matchExpressions: [{key: a, operator: NotIn, values: []}]}", "spec.podSelector.matchExpressions[0]: give values")]
    [InlineData("podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}", "spec.podSelector.matchExpressions[0].values: this operator takes none")]
    [InlineData("podSelector: {matchExpressions: [{key: a, operator: In, values: [1]}]}", "spec.podSelector.matchExpressions[0].values[0]: a text is expected here")]
    [InlineData("policyTypes: Ingress", "spec.policyTypes: a list is expected here, not the text 'Ingress'")]
    [InlineData("policyTypes: [ingress]", "spec.policyTypes[0]: 'ingress' is no type of policy")]
    [InlineData("policyTypes: [Ingress, Egress, Egress]", "spec.policyTypes: 3 are more than 2")]
    [InlineData("ingress: {}", "spec.ingress: a list is expected here, not a map")]
    [InlineData("ingress: [null]", "spec.ingress[0]: there is nothing after the '-'")]
    [InlineData("ingress: [text]", "spec.ingress[0]: a map of fields is expected here, not the text 'text'")]
    [InlineData("ingress: [{to: []}]", "spec.ingress[0].to: there is no such field")]
    [InlineData("egress: [{from: []}]", "spec.egress[0].from: there is no such field")]
    [InlineData("ingress: [{}, {from: [{}]}]", "spec.ingress[1].from[0]: a peer has ipBlock or podSelector, one of both")]
    [InlineData("ingress: [{from: [{podSelector: null}]}]", "spec.ingress[0].from[0]: a peer has ipBlock or podSelector")]
    [InlineData("ingress: [{from: [{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}]}]", "spec.ingress[0].from[0]: a peer has ipBlock or podSelector")]
    [InlineData("ingress: [{from: [{namespaceSelector: {}}]}]", "spec.ingress[0].from[0].namespaceSelector: a Gantry network has no namespaces")]
    [InlineData("egress: [{to: [{podSelector: {}, namespaceSelector: {matchLabels: {a: b}}}]}]", "spec.egress[0].to[0].namespaceSelector: a Gantry network has no namespaces")]
    [InlineData("egress: [{to: [{service: x}]}]", "spec.egress[0].to[0].service: there is no such field")]
    [InlineData("egress: [{to: [{ipBlock: {except: []}}]}]", "spec.egress[0].to[0].ipBlock: cidr is missing")]
    [InlineData("egress: [{to: [{ipBlock: {cidr: 10.0.0.1/8}}]}]", "spec.egress[0].to[0].ipBlock.cidr: '10.0.0.1/8' is no range of addresses")]
    [InlineData("egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]", "spec.egress[0].to[0].ipBlock.except[0]: it is no range of addresses within 10.0.0.0/8")]
    [InlineData("egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]", "spec.egress[0].to[0].ipBlock.except[0]: nothing is left of the block")]
    [InlineData("egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: ['::/0']}}]}]", "spec.egress[0].to[0].ipBlock.except[0]: it is no range of addresses within")]
    [InlineData("ingress: [{ports: [{port: http}]}]", "spec.ingress[0].ports[0].port: 'http' is the name of a port, and guests have no named ports")]
    [InlineData("ingress: [{ports: [{port: '80'}]}]", "spec.ingress[0].ports[0].port: '80' is the name of a port")]
    [InlineData("ingress: [{ports: [{port: 0}]}]", "spec.ingress[0].ports[0].port: a number from 1 to 65535 is expected here, not 0")]
    [InlineData("ingress: [{ports: [{port: 65536}]}]", "spec.ingress[0].ports[0].port: a number from 1 to 65535")]
    [InlineData("ingress: [{ports: [{port: 080}]}]", "spec.ingress[0].ports[0].port: a number from 1 to 65535")]
    [InlineData("ingress: [{ports: [{port: 8.0}]}]", "spec.ingress[0].ports[0].port: a number from 1 to 65535")]
    [InlineData("ingress: [{ports: [{port: [80]}]}]", "spec.ingress[0].ports[0].port: a number from 1 to 65535 is expected here, not a list")]
    [InlineData("ingress: [{ports: [80]}]", "spec.ingress[0].ports[0]: a map of fields is expected here")]
    [InlineData("ingress: [{ports: [{endPort: 80}]}]", "spec.ingress[0].ports[0].endPort: there is no port beside it")]
    [InlineData("ingress: [{ports: [{port: 80, endPort: 79}]}]", "spec.ingress[0].ports[0].endPort: 79 is less than port, 80")]
    [InlineData("ingress: [{ports: [{port: 80, endPort: x}]}]", "spec.ingress[0].ports[0].endPort: a number from 1 to 65535 is expected here, not the text 'x'")]
    [InlineData("ingress: [{ports: [{protocol: tcp}]}]", "spec.ingress[0].ports[0].protocol: 'tcp' is no protocol here")]
    [InlineData("ingress: [{ports: [{protocol: ICMP}]}]", "spec.ingress[0].ports[0].protocol: 'ICMP' is no protocol here")]
    [InlineData("policyTypes: [Ingress], egress: [{ports: [{port: http}]}]", "spec.egress[0].ports[0].port: 'http' is the name of a port")]
    [InlineData("policyTypes: [Ingress], egress: [{to: [{podSelector: {matchLabels: {a b: c}}}]}]", "spec.egress[0].to[0].podSelector.matchLabels: a key has")]
    [InlineData("priority: 5", "spec.priority: there is no such field")]
    [InlineData("podSelector: &x {}", "spec.podSelector: anchors and aliases (& and *) are not read")]
    [InlineData("podSelector: *x", "spec.podSelector: anchors and aliases (& and *) are not read")]
    [InlineData("podSelector: {<<: *x}", "spec.podSelector.<<: anchors and aliases (& and *) are not read")]
    [InlineData("podSelector: !!map {}", "spec.podSelector: tags (such as !!str) are not read")]
    [InlineData("podSelector: !System.Diagnostics.Process {}", "spec.podSelector: tags (such as !!str) are not read")]
    [InlineData("? {a: b} : c", "spec: the name of a field is a text, not a map or a list")]
    [InlineData("? *x : c", "spec: anchors and aliases (& and *) are not read")]
    public void A_fault_of_the_spec_is_told_with_its_line_and_path(string spec, string expected)
    {
        var second = NetworkPolicyYamlTests.Document("second", spec);

        NetworkPolicyYamlTests.Refused(second).Message.ShouldStartWith($"Document 1, line 5, {expected}");
        NetworkPolicyYamlTests.Refused($"{NetworkPolicyYamlTests.Document("first", "podSelector: {}")}\n---\n{second}").Message.ShouldStartWith($"Document 2, line 11, {expected}");
    }

    [Theory]
    [InlineData("apiVersion: v1\nkind: List\nitems: []", "line 2, kind: a List is not read, only what would be in it.")]
    [InlineData("apiVersion: v1\nkind: Pod", "line 2, kind: 'Pod' is not read, only NetworkPolicy.")]
    [InlineData("apiVersion: extensions/v1beta1\nkind: NetworkPolicy", "line 1, apiVersion: 'extensions/v1beta1' is not read, only networking.k8s.io/v1.")]
    [InlineData("kind: NetworkPolicy", "line 1: apiVersion is missing.")]
    [InlineData("{}", "line 1: kind is missing.")]
    [InlineData("kind: [NetworkPolicy]", "line 1, kind: a text is expected here, not a list.")]
    [InlineData("- a", "line 1: a map of fields is expected here, not a list.")]
    [InlineData("just words", "line 1: a map of fields is expected here, not the text 'just words'.")]
    [InlineData("5", "line 1: a map of fields is expected here, not 5, which is a number or a truth value.")]
    public void What_is_no_NetworkPolicy_is_refused(string text, string expected) => NetworkPolicyYamlTests.Refused(text).Message.ShouldBe($"Document 1, {expected}");

    [Theory]
    [InlineData("metadata: {name: a}", "line 1: spec is missing.")]
    [InlineData("spec: {}", "line 1: metadata is missing.")]
    [InlineData("metadata:\nspec: {}", "line 1: metadata is missing.")]
    [InlineData("metadata: {}\nspec: {}", "line 3, metadata: name is missing.")]
    [InlineData("metadata: {name: 5}\nspec: {}", "line 3, metadata.name: a text is expected here, not 5, which is a number or a truth value.")]
    [InlineData("metadata: {name: A_b}\nspec: {}", "line 3, metadata.name: a name has 1 to 63 of")]
    [InlineData("metadata: {name: a.b}\nspec: {}", "line 3, metadata.name: a name has 1 to 63 of")]
    [InlineData("metadata:\n  name: a\n  namespace: other\nspec: {}", "line 5, metadata.namespace: a Gantry network has no namespaces.")]
    [InlineData("metadata:\n  name: a\n  uid: b\nspec: {}", "line 5, metadata.uid: there is no such field")]
    [InlineData("metadata: {name: a}\nspec: {}\n\nextra: 1", "line 6, extra: there is no such field")]
    [InlineData("metadata: {name: a}\nspec: {}\nspec: {}", "line 5, spec: it is there twice.")]
    [InlineData("metadata: {name: a}\nspec: {}\nkind: NetworkPolicy", "line 5, kind: it is there twice.")]
    public void A_fault_of_the_rest_of_a_document_is_told_with_its_line_and_path(string rest, string expected) =>
        NetworkPolicyYamlTests.Refused($"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n{rest}").Message.ShouldStartWith($"Document 1, {expected}");

    [Theory]
    [InlineData("a: [1\nb: 2", 2)]
    [InlineData("a: b\n c: d", 2)]
    [InlineData("a:\n\tb: c", 1)]
    [InlineData("a: 'b\n", 1)]
    [InlineData("a: \"\\ud800\"", 1)]
    [InlineData("a: b\n}", 2)]
    [InlineData("%YAML 9.9\n---\na: b", 1)]
    public void A_text_that_is_no_YAML_is_refused_with_the_line(string text, int line) => NetworkPolicyYamlTests.Refused(text).Message.ShouldStartWith($"Document 1, line {line}: this is no YAML: ");

    [Fact]
    public void A_fault_of_YAML_names_its_own_document() =>
        NetworkPolicyYamlTests.Refused($"{NetworkPolicyYamlTests.Document("first", "podSelector: {}")}\n---\nkind: [a}}\n").Message.ShouldStartWith("Document 2, line 7: this is no YAML: ");

    [Fact]
    public void A_text_with_NUL_in_it_is_refused_and_not_read_up_to_there() =>
        NetworkPolicyYamlTests.Refused($"{NetworkPolicyYamlTests.Document("first", "podSelector: {}")}\n\0more").Message.ShouldBe("Document 1, line 6: there is a control character in the text.");

    [Fact]
    public void A_bomb_of_aliases_is_refused_at_its_first_anchor() =>
        NetworkPolicyYamlTests.Refused("a: &a [x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\n").Message.ShouldBe("Document 1, line 1, a: anchors and aliases (& and *) are not read.");

    [Theory]
    [InlineData("[")]
    [InlineData("{a: ")]
    [InlineData("- ")]
    [InlineData("? ")]
    [InlineData("\n? - ")]
    [InlineData("!")]
    [InlineData("&")]
    [InlineData("\n---\n")]
    [InlineData("'")]
    [InlineData("\"\\")]
    [InlineData("a.")]
    [InlineData("# ")]
    [InlineData("%")]
    [InlineData("a: [")]
    public void A_text_as_long_as_a_body_may_be_is_refused(string piece) =>
        NetworkPolicyYamlTests.Refused(string.Concat(Enumerable.Repeat(piece, Limits.BodyBytes / piece.Length))).Message.Length.ShouldBeLessThan(500);

    [Fact]
    public void Nesting_of_32_is_read_and_of_more_is_refused()
    {
        NetworkPolicyYaml.Read(Nested(32)).ShouldHaveSingleItem();

        NetworkPolicyYamlTests.Refused(Nested(33)).Message.ShouldStartWith("Document 1, line 1, metadata.annotations[0]");
        NetworkPolicyYamlTests.Refused(Nested(33)).Message.ShouldEndWith(": it is nested more than 32 deep.");
        NetworkPolicyYamlTests.Refused(Nested(100_000)).Message.ShouldEndWith(": it is nested more than 32 deep.");

        static string Nested(int depth) =>
            $"{{metadata: {{name: a, annotations: {new string('[', depth - 2)}{new string(']', depth - 2)}}}, apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, spec: {{}}}}";
    }

    [Fact]
    public void More_rules_peers_or_ports_than_a_policy_has_are_refused_where_they_stand()
    {
        NetworkPolicyYaml.Read(NetworkPolicyYamlTests.Document("many", $"ingress: [{Times(Limits.PolicyRules, "{}")}]")).Single().Rules.Count.ShouldBe(Limits.PolicyRules);
        Message($"ingress: [{Times(Limits.PolicyRules, "{}")}], egress: [{{}}]").ShouldBe($"spec: {Limits.PolicyRules + 1} are more than {Limits.PolicyRules}.");
        Message($"ingress: [{{from: [{Times(Limits.PolicyPeers + 1, "{podSelector: {}}")}]}}]").ShouldBe($"spec.ingress[0].from: {Limits.PolicyPeers + 1} are more than {Limits.PolicyPeers}.");
        Message($"ingress: [{{ports: [{Times(Limits.PolicyPorts + 1, "{port: 80}")}]}}]").ShouldBe($"spec.ingress[0].ports: {Limits.PolicyPorts + 1} are more than {Limits.PolicyPorts}.");

        static string Times(int count, string piece) => string.Join(", ", Enumerable.Repeat(piece, count));
        static string Message(string spec) => NetworkPolicyYamlTests.Refused(NetworkPolicyYamlTests.Document("many", spec)).Message["Document 1, line 5, ".Length..];
    }

    [Fact]
    public void A_message_shows_little_of_a_long_text_and_nothing_that_moves_the_cursor()
    {
        var message = NetworkPolicyYamlTests.Refused($"kind: \"\\e[2J\\n{new string('x', 100_000)}\"\napiVersion: v1").Message;

        message.ShouldStartWith("Document 1, line 1, kind: '?[2J?xxx");
        message.Length.ShouldBeLessThan(200);
        NetworkPolicyYamlTests.Refused($"? {new string('x', 100_000)}\n: {{a: 1, a: 2}}").Message.Length.ShouldBeLessThan(200);
    }
}
