using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Node.Networks;

namespace Gantry.Daemon.Networks;

/// <summary>What a policy must keep to by itself.</summary>
internal static class PolicyRules
{
    private const int MostPriority = 65_535;

    /// <summary>Of faults in rules as many are told as anybody reads.</summary>
    private const int MostFaults = 100;

    public static IEnumerable<Fault> Faults(Policy policy) =>
    [
        .. TextRules.Name("$.name", policy.Name), .. TextRules.Description(policy.Description),
        .. policy.Priority is < 0 or > MostPriority ? [new("$.priority", $"{policy.Priority} is not from 0 to {MostPriority}")] : (Fault[])[],
        .. OfSelector("$.appliesTo", policy.AppliesTo),
        .. policy.Isolates.Distinct().Count() < policy.Isolates.Count ? [new("$.isolates", "a direction is there twice")] : (Fault[])[],
        .. policy.Isolates.All(Enum.IsDefined) ? (Fault[])[] : [new("$.isolates", "a direction is neither in nor out")],
        .. policy.Rules.Count > Limits.PolicyRules ? [new("$.rules", $"{policy.Rules.Count} are more than {Limits.PolicyRules}")]
            : policy.Rules.Index().SelectMany(r => OfRule($"$.rules[{r.Index}]", r.Item)).Take(MostFaults),
    ];

    public static IEnumerable<Fault> Faults(PolicyRule rule) => OfRule("$", rule);

    public static IEnumerable<Fault> Faults(ExplainPolicy asked)
    {
        if (asked.Protocol == PolicyProtocol.Icmp != asked.Port is null)
        {
            yield return new("$.port", asked.Port is null ? "name the port" : "ICMP has no ports");
        }
        else if (asked.Port is < 1 or > ushort.MaxValue)
        {
            yield return new("$.port", $"{asked.Port} is not from 1 to {ushort.MaxValue}");
        }
    }

    private static IEnumerable<Fault> OfRule(string at, PolicyRule rule) =>
    [
        .. TextRules.Text($"{at}.description", rule.Description, Limits.DescriptionLength),
        .. Enum.IsDefined(rule.Direction) ? (Fault[])[] : [new($"{at}.direction", "it is neither in nor out")],
        .. Enum.IsDefined(rule.Action) ? (Fault[])[] : [new($"{at}.action", "it is neither allow nor deny")],
        .. Counted($"{at}.peers", rule.Peers, Limits.PolicyPeers, "anybody", OfPeer),
        .. Counted($"{at}.ports", rule.Ports, Limits.PolicyPorts, "all", OfPorts),
    ];

    /// <summary>An empty list would fit nothing, which nobody means.</summary>
    private static IEnumerable<Fault> Counted<T>(string at, IReadOnlyList<T>? items, int most, string whenNull, Func<string, T, IEnumerable<Fault>> faults) => items switch
    {
        null => [],
        { Count: 0 } => [new(at, $"it is empty; leave it out for {whenNull}")],
        { Count: var count } when count > most => [new(at, $"{count} are more than {most}")],
        _ => items.Index().SelectMany(i => faults($"{at}[{i.Index}]", i.Item)),
    };

    private static IEnumerable<Fault> OfPeer(string at, PolicyPeer peer)
    {
        if (peer.Cidr is null == peer.Instances is null)
        {
            yield return new(at, "give cidr or instances");
        }

        if (peer.Instances is { } selector)
        {
            foreach (var fault in OfSelector($"{at}.instances", selector))
            {
                yield return fault;
            }
        }

        AddressRange? whole = AddressRange.TryParse(peer.Cidr, out var range) ? range : null;
        if (peer.Cidr is not null && whole is null)
        {
            yield return new($"{at}.cidr", "it is no range of addresses such as 10.0.0.0/8 or fd00::/8");
        }

        if (peer.Except?.Count > Limits.PolicyPeers)
        {
            yield return new($"{at}.except", $"{peer.Except.Count} are more than {Limits.PolicyPeers}");
            yield break;
        }

        if (peer.Except is not null && peer.Cidr is null)
        {
            yield return new($"{at}.except", "only a cidr has exceptions");
            yield break;
        }

        foreach (var (number, text) in (peer.Except ?? []).Index())
        {
            if (!AddressRange.TryParse(text, out var except) || whole?.Contains(except) == false)
            {
                yield return new($"{at}.except[{number}]", $"it is no range of addresses within {peer.Cidr}");
            }
        }
    }

    private static IEnumerable<Fault> OfPorts(string at, PolicyPorts ports)
    {
        if (!Enum.IsDefined(ports.Protocol))
        {
            yield return new($"{at}.protocol", "it is none of tcp, udp, sctp and icmp");
        }
        else if (ports.Ports is not null && ports.Protocol == PolicyProtocol.Icmp)
        {
            yield return new($"{at}.ports", "ICMP has no ports");
        }
        else if (ports.Ports is not null && !PortRange.TryParse(ports.Ports, out _))
        {
            yield return new($"{at}.ports", "it is no port and no range, such as 80 or 8000-8099");
        }
    }

    private static IEnumerable<Fault> OfSelector(string at, LabelSelector selector)
    {
        foreach (var fault in LabelRules.Faults(selector.Labels))
        {
            yield return fault with { Path = at + fault.Path[1..] };
        }

        if (selector.Expressions?.Count > Limits.Labels)
        {
            yield return new($"{at}.expressions", $"{selector.Expressions.Count} are more than {Limits.Labels}");
            yield break;
        }

        foreach (var (number, expression) in (selector.Expressions ?? []).Index())
        {
            foreach (var fault in LabelRules.Faults(new Dictionary<string, string> { [expression.Key] = "" }))
            {
                yield return new($"{at}.expressions[{number}].key", fault.Message);
            }

            if (!Enum.IsDefined(expression.Operator))
            {
                yield return new($"{at}.expressions[{number}].operator", "it is none of in, notIn, exists and doesNotExist");
            }
            else if (expression.Operator is LabelOperator.In or LabelOperator.NotIn != expression.Values is { Count: > 0 })
            {
                yield return new($"{at}.expressions[{number}].values", expression.Operator is LabelOperator.In or LabelOperator.NotIn ? "give values" : "this operator takes none");
            }

            if (expression.Values?.Count > Limits.PolicyPeers || expression.Values?.Any(v => v.Length > Limits.LabelValueLength) == true)
            {
                yield return new($"{at}.expressions[{number}].values", $"there are at most {Limits.PolicyPeers} of at most {Limits.LabelValueLength} characters");
            }
        }
    }
}
