using Gantry.Contracts;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Gantry.Daemon.Networks;

/// <summary>
/// Kubernetes NetworkPolicy documents as policies of a network (networking.k8s.io/v1; k8s.io/docs/concepts/services-networking/network-policies).
/// Pods are instances and labels are theirs; the network stands for the namespace, so <c>metadata.namespace</c> says nothing and
/// <c>namespaceSelector</c> is refused. Otherwise than in Kubernetes the node itself has no exemption: allow its address where it should connect.
/// </summary>
internal static class NetworkPolicyYaml
{
    private const string ApiVersion = "networking.k8s.io/v1";

    /// <summary>Documents that are empty are passed over.</summary>
    /// <exception cref="Refusal"><c>policy.yaml_not_valid</c>, with document, line and field of each fault.</exception>
    public static IReadOnlyList<Policy> Read(string text)
    {
        var faults = new List<Fault>();
        var policies = new List<Policy>();
        foreach (var (number, document) in Documents(text, faults).Index())
        {
            if (document.RootNode is YamlScalarNode { Value: null or "" })
            {
                continue;
            }

            var at = new YamlPlace(document.RootNode, number + 1, "", faults);
            if (policies.Count == Limits.Policies)
            {
                at.Wrong($"there are more than {Limits.Policies} documents");
                break;
            }

            var before = faults.Count;
            var policy = ReadPolicy(at);
            if (faults.Count == before && policy is not null)
            {
                faults.AddRange(PolicyRules.Faults(policy).Select(f => f with { Path = $"document {number + 1}, line {document.RootNode.Start.Line}: {f.Path}" }));
                if (policies.Any(p => p.Name == policy.Name))
                {
                    at.Wrong($"there is another policy '{policy.Name}'");
                }

                policies.Add(policy);
            }
        }

        if (faults.Count == 0 && policies.Count == 0)
        {
            faults.Add(new("document 1", "there is no NetworkPolicy in it"));
        }

        return faults.Count == 0 ? policies : throw PolicyErrors.YamlNotValid([.. faults.Take(PolicyRules.MostFaults)]);
    }

    private static IReadOnlyList<YamlDocument> Documents(string text, List<Fault> faults)
    {
        try
        {
            return YamlReading.Documents(text, Limits.BodyBytes, Limits.JsonDepth);
        }
        catch (YamlException e)
        {
            faults.Add(new($"line {e.Start.Line}", e.InnerException?.Message ?? e.Message));
            return [];
        }
    }

    private static Policy? ReadPolicy(YamlPlace document)
    {
        document.HasOnly("apiVersion", "kind", "metadata", "spec", "status");
        document.Needs("apiVersion")?.Is(ApiVersion);
        document.Needs("kind")?.Is("NetworkPolicy");
        var metadata = document.Needs("metadata");
        metadata?.HasOnly("name", "namespace", "labels", "annotations", "creationTimestamp", "generation", "managedFields", "resourceVersion", "uid");
        var name = metadata?.Needs("name")?.Text();
        if (document.Needs("spec") is not { } spec)
        {
            return null;
        }

        spec.HasOnly("podSelector", "policyTypes", "ingress", "egress");
        var selector = spec.Needs("podSelector") is { } pods ? Selector(pods) : null;

        // What is not said is ingress, and egress if there is a rule for it; a rule for a direction that is not of the types has no effect.
        var types = spec.Items("policyTypes").Select(Direction).OfType<PolicyDirection>().Distinct().ToList();
        if (types.Count == 0)
        {
            types = spec.Items("egress").Count > 0 ? [PolicyDirection.In, PolicyDirection.Out] : [PolicyDirection.In];
        }

        var rules = Rules(spec, "ingress", "from", PolicyDirection.In).Concat(Rules(spec, "egress", "to", PolicyDirection.Out)).ToList();
        return name is null || selector is null ? null : new() { Name = name, AppliesTo = selector, Isolates = types, Rules = [.. rules.Where(r => types.Contains(r.Direction))] };
    }

    private static PolicyDirection? Direction(YamlPlace type) => type.Text() switch
    {
        "Ingress" => PolicyDirection.In,
        "Egress" => PolicyDirection.Out,
        _ => type.Wrong<PolicyDirection?>("it is neither Ingress nor Egress", null),
    };

    /// <summary>No rules allow nothing; a rule without peers or without ports, or with none in the list, allows all of them.</summary>
    private static IEnumerable<PolicyRule> Rules(YamlPlace spec, string field, string peers, PolicyDirection direction) =>
        spec.Items(field).Select(rule =>
        {
            rule.HasOnly(peers, "ports");
            return new PolicyRule
            {
                Direction = direction, Action = PolicyAction.Allow,
                Peers = rule.Items(peers) is { Count: > 0 } others ? [.. others.Select(Peer)] : null,
                Ports = rule.Items("ports") is { Count: > 0 } ports ? [.. ports.Select(Ports)] : null,
            };
        });

    private static PolicyPeer Peer(YamlPlace peer)
    {
        peer.HasOnly("ipBlock", "podSelector", "namespaceSelector");
        peer.Child("namespaceSelector")?.Wrong("a Gantry network has no namespaces: choose instances of the network by podSelector alone");
        if (peer.Child("ipBlock") is not { } block)
        {
            return peer.Child("podSelector") is { } pods ? new(Instances: Selector(pods)) : peer.Wrong("it says nobody: give an ipBlock or a podSelector", new PolicyPeer());
        }

        peer.Child("podSelector")?.Wrong("it cannot stand beside an ipBlock");
        block.HasOnly("cidr", "except");
        return new(block.Needs("cidr")?.Text(), block.Items("except") is { Count: > 0 } except ? [.. except.Select(e => e.Text() ?? "")] : null);
    }

    private static PolicyPorts Ports(YamlPlace place)
    {
        place.HasOnly("protocol", "port", "endPort");
        var protocol = place.Child("protocol") is not { } given ? PolicyProtocol.Tcp : given.Text() switch
        {
            "TCP" => PolicyProtocol.Tcp,
            "UDP" => PolicyProtocol.Udp,
            "SCTP" => PolicyProtocol.Sctp,
            _ => given.Wrong("it is none of TCP, UDP and SCTP", PolicyProtocol.Tcp),
        };
        var first = place.Child("port")?.Number("ports by name are not taken: an instance names none, so give the number");
        var last = place.Child("endPort")?.Number("it is no number");
        if (last is not null && place.Child("port") is null)
        {
            place.Child("endPort")!.Wrong("it needs a port");
        }
        else if (last < first)
        {
            place.Child("endPort")!.Wrong($"it is less than the port, {first}");
        }

        return new(protocol, first is null ? null : last is null || last == first ? $"{first}" : $"{first}-{last}");
    }

    private static LabelSelector Selector(YamlPlace place)
    {
        place.HasOnly("matchLabels", "matchExpressions");
        var labels = place.Child("matchLabels")?.Map();
        var expressions = place.Items("matchExpressions").Select(Expression).ToList();
        return new(labels is { Count: > 0 } ? labels : null, expressions.Count > 0 ? expressions : null);
    }

    private static LabelExpression Expression(YamlPlace place)
    {
        place.HasOnly("key", "operator", "values");
        var how = place.Needs("operator") is not { } given ? LabelOperator.Exists : given.Text() switch
        {
            "In" => LabelOperator.In,
            "NotIn" => LabelOperator.NotIn,
            "Exists" => LabelOperator.Exists,
            "DoesNotExist" => LabelOperator.DoesNotExist,
            _ => given.Wrong("it is none of In, NotIn, Exists and DoesNotExist", LabelOperator.Exists),
        };
        var values = place.Items("values").Select(v => v.Text() ?? "").ToList();
        if (how is LabelOperator.In or LabelOperator.NotIn != values.Count > 0)
        {
            place.Wrong(values.Count > 0 ? "Exists and DoesNotExist take no values" : "In and NotIn need values");
        }

        return new(place.Needs("key")?.Text() ?? "", how, values.Count > 0 ? values : null);
    }
}
