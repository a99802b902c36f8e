using System.Globalization;
using Gantry.Contracts;
using Gantry.Node.Networks;

namespace Gantry.Daemon.Networks;

/// <summary>One NetworkPolicy. Fields and defaults are those of the Kubernetes API reference, "NetworkPolicy v1".</summary>
internal sealed class NetworkPolicyDocument(YamlItem document)
{
    private const string ApiVersion = "networking.k8s.io/v1";

    /// <summary>By the path in the policy (as <see cref="PolicyRules"/> names it), what of the document became it.</summary>
    private readonly Dictionary<string, YamlItem> _places = [];

    public Policy Read()
    {
        CheckKind();
        document.Only("apiVersion", "kind", "metadata", "spec", "status");
        var name = ReadMetadata(document.Needed("metadata", "Give at least `metadata:` and below it `name:`."));
        var spec = document.Needed("spec", "Give at least `spec:` and below it `podSelector: {}`.").Only("podSelector", "policyTypes", "ingress", "egress");
        var ingress = spec["ingress"]?.List() ?? [];
        var egress = spec["egress"]?.List() ?? [];
        var isolates = Isolates(spec["policyTypes"], hasEgress: egress.Count > 0);
        var applies = spec["podSelector"] is { } selector ? ReadSelector("$.appliesTo", selector) : new();
        var rules = new List<PolicyRule>();
        foreach (var (direction, rule) in ingress.Select(r => (PolicyDirection.In, r)).Concat(egress.Select(r => (PolicyDirection.Out, r))))
        {
            rules.Add(ReadRule($"$.rules[{rules.Count}]", direction, rule));
        }

        _places["$"] = document;
        _places["$.rules"] = spec;
        var whole = new Policy { Name = name, AppliesTo = applies, Isolates = isolates, Rules = rules };
        return PolicyRules.Faults(whole).FirstOrDefault() is { } fault
            ? throw PlaceOf(fault.Path).Wrong(fault.Message, "Correct it: Gantry's policies keep to that.")
            : whole with { Rules = [.. rules.Where(r => isolates.Contains(r.Direction))] };
    }

    private void CheckKind()
    {
        var kind = document.Needed("kind", "Give `kind: NetworkPolicy`.");
        if (kind.Text() == "List")
        {
            throw kind.Wrong("a List is not read, only what would be in it", "Write its items as documents of their own, with --- between them.");
        }

        if (kind.Text() != "NetworkPolicy")
        {
            throw kind.Wrong($"'{YamlItem.Shown(kind.Text())}' is not read, only NetworkPolicy", "Leave other kinds out of the text.");
        }

        var version = document.Needed("apiVersion", $"Give `apiVersion: {ApiVersion}`.");
        if (version.Text() != ApiVersion)
        {
            throw version.Wrong($"'{YamlItem.Shown(version.Text())}' is not read, only {ApiVersion}", $"Write the policy as {ApiVersion} has it.");
        }
    }

    private string ReadMetadata(YamlItem metadata)
    {
        metadata.Only("name", "namespace", "labels", "annotations");
        if (metadata["namespace"] is { } space && space.Text() is not ("default" or ""))
        {
            throw space.Wrong("a Gantry network has no namespaces", "Leave it out, and give the policy to the network it is for.");
        }

        _places["$.name"] = metadata.Needed("name", "Give the policy a name.");
        return _places["$.name"].Text();
    }

    /// <summary>Left out or empty, In, and Out too where there are rules for it.</summary>
    private static IReadOnlyList<PolicyDirection> Isolates(YamlItem? types, bool hasEgress)
    {
        if (types?.List() is not { Count: > 0 } listed)
        {
            return hasEgress ? [PolicyDirection.In, PolicyDirection.Out] : [PolicyDirection.In];
        }

        return listed.Count > 2 ? throw types.Wrong($"{listed.Count} are more than 2", "List Ingress, Egress or both.") : [.. listed.Select(type => type.Text() switch
        {
            "Ingress" => PolicyDirection.In,
            "Egress" => PolicyDirection.Out,
            var other => throw type.Wrong($"'{YamlItem.Shown(other)}' is no type of policy", "Write Ingress or Egress."),
        }).Distinct().Order()];
    }

    private PolicyRule ReadRule(string at, PolicyDirection direction, YamlItem rule)
    {
        var other = direction == PolicyDirection.In ? "from" : "to";
        rule.Only(other, "ports");
        _places[at] = rule;
        return new()
        {
            Direction = direction,
            Action = PolicyAction.Allow,
            Peers = ReadList($"{at}.peers", rule[other], ReadPeer),
            Ports = ReadList($"{at}.ports", rule["ports"], ReadPorts),
        };
    }

    /// <summary>Null where it is left out or empty.</summary>
    private IReadOnlyList<T>? ReadList<T>(string at, YamlItem? list, Func<string, YamlItem, T> read)
    {
        if (list?.List() is not { Count: > 0 } items)
        {
            return null;
        }

        _places[at] = list;
        return [.. items.Select((item, number) => read(string.Create(CultureInfo.InvariantCulture, $"{at}[{number}]"), _places[$"{at}[{number}]"] = item))];
    }

    private PolicyPeer ReadPeer(string at, YamlItem peer)
    {
        if (peer["namespaceSelector"] is { } space)
        {
            throw space.Wrong("a Gantry network has no namespaces", "Leave it out, and choose instances by podSelector.");
        }

        peer.Only("ipBlock", "podSelector", "namespaceSelector");
        return (peer["ipBlock"], peer["podSelector"]) switch
        {
            ({ } block, null) => ReadBlock(at, block),
            (null, { } selector) => new(Instances: ReadSelector($"{at}.instances", selector)),
            _ => throw peer.Wrong("a peer has ipBlock or podSelector, one of both", "Write two peers for two; podSelector: {} is all instances."),
        };
    }

    private PolicyPeer ReadBlock(string at, YamlItem block)
    {
        var cidr = block.Only("cidr", "except").Needed("cidr", "Give a range of addresses such as 10.0.0.0/8.");
        if (!AddressRange.TryParse(cidr.Text(), out var whole))
        {
            throw cidr.Wrong($"'{YamlItem.Shown(cidr.Text())}' is no range of addresses", "Give one such as 10.0.0.0/8 or fd00::/8, with zeros behind the prefix.");
        }

        return new(cidr.Text(), ReadList($"{at}.except", block["except"], (_, item) => AddressRange.TryParse(item.Text(), out var except) && except == whole
            ? throw item.Wrong("nothing is left of the block", "Except less than all of cidr, or leave the peer out.") : item.Text()));
    }

    private static PolicyPorts ReadPorts(string at, YamlItem ports)
    {
        var protocol = ports.Only("protocol", "port", "endPort")["protocol"] is not { } named ? PolicyProtocol.Tcp : named.Text() switch
        {
            "TCP" => PolicyProtocol.Tcp,
            "UDP" => PolicyProtocol.Udp,
            "SCTP" => PolicyProtocol.Sctp,
            var other => throw named.Wrong($"'{YamlItem.Shown(other)}' is no protocol here", "Write TCP, UDP or SCTP."),
        };
        if (ports["port"] is not { } port)
        {
            return ports["endPort"] is { } alone ? throw alone.Wrong("there is no port beside it", "Give the first port of the range as port.") : new(protocol);
        }

        if (port.IsText)
        {
            throw port.Wrong($"'{YamlItem.Shown(port.Text())}' is the name of a port, and guests have no named ports", "Give the number, without quotes.");
        }

        var first = port.Number(1, ushort.MaxValue);
        var last = ports["endPort"]?.Number(1, ushort.MaxValue) ?? first;
        return last < first ? throw ports["endPort"]!.Wrong($"{last} is less than port, {first}", "Give the last port of the range.") : new(protocol, new PortRange(first, last).ToString());
    }

    private LabelSelector ReadSelector(string at, YamlItem selector)
    {
        _places[at] = selector.Only("matchLabels", "matchExpressions");
        Dictionary<string, string>? labels = null;
        if (selector["matchLabels"] is { } match && match.Map().Count > 0)
        {
            _places[$"{at}.labels"] = match;
            labels = match.Map().ToDictionary(l => l.Key, l => (_places[$"{at}.labels.{l.Key}"] = l.Value).Text());
        }

        return new(labels, ReadList($"{at}.expressions", selector["matchExpressions"], ReadExpression));
    }

    private LabelExpression ReadExpression(string at, YamlItem expression)
    {
        expression.Only("key", "operator", "values");
        var key = _places[$"{at}.key"] = expression.Needed("key", "Give the label's key.");
        var named = expression.Needed("operator", "Write In, NotIn, Exists or DoesNotExist.");
        var does = named.Text() switch
        {
            "In" => LabelOperator.In,
            "NotIn" => LabelOperator.NotIn,
            "Exists" => LabelOperator.Exists,
            "DoesNotExist" => LabelOperator.DoesNotExist,
            var other => throw named.Wrong($"'{YamlItem.Shown(other)}' is no operator", "Write In, NotIn, Exists or DoesNotExist."),
        };
        return new(key.Text(), does, ReadList($"{at}.values", expression["values"], (_, value) => value.Text()));
    }

    /// <summary>Where that stands in the document, or what it would be in.</summary>
    private YamlItem PlaceOf(string path)
    {
        for (var at = path; at.Length > 0; at = at[..Math.Max(at.LastIndexOfAny(['.', '[']), 0)])
        {
            if (_places.TryGetValue(at, out var place))
            {
                return place;
            }
        }

        return document;
    }
}
