using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Node.Networks;

namespace Gantry.Daemon.Networks;

/// <summary>What policies must keep to, each fault by its JSON path.</summary>
internal static class PolicyRules
{
    /// <summary>As many as are told at once.</summary>
    public const int MostFaults = 100;

    public static IEnumerable<Fault> Faults(Policy policy)
    {
        IEnumerable<Fault> all =
        [
            .. TextRules.Name("$.name", policy.Name), .. TextRules.Description(policy.Description),
            .. policy.Priority is < 0 or > Limits.MaxPriority ? (Fault[])[new("$.priority", $"{policy.Priority} is not from 0 to {Limits.MaxPriority}")] : [],
            .. OfSelector("$.appliesTo", policy.AppliesTo),
            .. OfIsolation(policy.Isolates),
            .. policy.Rules.Count > Limits.PolicyRules ? [new("$.rules", $"{policy.Rules.Count} are more than {Limits.PolicyRules}")]
                : policy.Rules.Index().SelectMany(r => OfRule($"$.rules[{r.Index}]", r.Item)).Take(MostFaults),
        ];
        return all.Take(MostFaults);
    }

    private static IEnumerable<Fault> OfIsolation(IReadOnlyList<PolicyDirection> isolates) =>
        isolates.Index().Where(i => !Enum.IsDefined(i.Item) || isolates.Take(i.Index).Contains(i.Item))
            .Select(i => new Fault($"$.isolates[{i.Index}]", Enum.IsDefined(i.Item) ? "it is there twice" : "it is neither in nor out"));

    private static IEnumerable<Fault> OfRule(string at, PolicyRule rule)
    {
        if (!Enum.IsDefined(rule.Direction))
        {
            yield return new($"{at}.direction", "it is neither in nor out");
        }

        if (!Enum.IsDefined(rule.Action))
        {
            yield return new($"{at}.action", "it is neither allow nor deny");
        }

        foreach (var fault in (IEnumerable<Fault>)
            [.. Counted($"{at}.peers", rule.Peers, Limits.PolicyPeers, "anybody", OfPeer), .. Counted($"{at}.ports", rule.Ports, Limits.PolicyPorts, "all", OfPorts),
             .. TextRules.Text($"{at}.description", rule.Description, Limits.DescriptionLength, lines: true)])
        {
            yield return fault;
        }
    }

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
            return [new(at, "it is either a cidr or instances")];
        }

        if (peer.Instances is { } instances)
        {
            return peer.Except is null ? OfSelector($"{at}.instances", instances) : [new($"{at}.except", "only a cidr has exceptions")];
        }

        if (!AddressRange.TryParse(peer.Cidr, out var range))
        {
            return [new($"{at}.cidr", NoCidr)];
        }

        return peer.Except?.Count > Limits.PolicyExceptions
            ? [new($"{at}.except", $"{peer.Except.Count} are more than {Limits.PolicyExceptions}")]
            : (peer.Except ?? []).Index().Where(e => !AddressRange.TryParse(e.Item, out var except) || !range.Contains(except))
                .Select(e => new Fault($"{at}.except[{e.Index}]", AddressRange.TryParse(e.Item, out _) ? $"it is not in {peer.Cidr}" : NoCidr));
    }

    private const string NoCidr = "it is no range of addresses such as 10.0.0.0/8 or fd00::/8, with zeros behind the prefix";

    private static IEnumerable<Fault> OfPorts(string at, PolicyPorts ports)
    {
        if (!Enum.IsDefined(ports.Protocol))
        {
            yield return new($"{at}.protocol", "it is none of tcp, udp, sctp and icmp");
        }
        else if (ports.Protocol == PolicyProtocol.Icmp && ports.Ports is not null)
        {
            yield return new($"{at}.ports", "icmp has no ports");
        }
        else if (ports.Ports is not null && !PortRange.TryParse(ports.Ports, out _))
        {
            yield return new($"{at}.ports", "it is no port from 1 to 65535 such as 80, and no range such as 8000-8099");
        }
    }

    private static IEnumerable<Fault> OfSelector(string at, LabelSelector selector)
    {
        if (selector.Labels?.Count > Limits.Labels)
        {
            yield return new($"{at}.labels", $"{selector.Labels.Count} are more than {Limits.Labels}");
            yield break;
        }

        foreach (var (key, value) in selector.Labels ?? new Dictionary<string, string>())
        {
            foreach (var fault in (IEnumerable<Fault>)[.. Key($"{at}.labels", key), .. TextRules.Text($"{at}.labels.{key}", value, Limits.LabelValueLength)])
            {
                yield return fault;
            }
        }

        if (selector.Expressions?.Count > Limits.SelectorExpressions)
        {
            yield return new($"{at}.expressions", $"{selector.Expressions.Count} are more than {Limits.SelectorExpressions}");
            yield break;
        }

        foreach (var (number, expression) in (selector.Expressions ?? []).Index())
        {
            foreach (var fault in OfExpression($"{at}.expressions[{number}]", expression))
            {
                yield return fault;
            }
        }
    }

    private static IEnumerable<Fault> OfExpression(string at, LabelExpression expression)
    {
        foreach (var fault in Key($"{at}.key", expression.Key))
        {
            yield return fault;
        }

        var takesValues = expression.Operator is LabelOperator.In or LabelOperator.NotIn;
        if (!Enum.IsDefined(expression.Operator))
        {
            yield return new($"{at}.operator", "it is none of in, notIn, exists and doesNotExist");
        }
        else if (takesValues != expression.Values is { Count: > 0 })
        {
            yield return new($"{at}.values", takesValues ? "in and notIn need values" : "exists and doesNotExist take no values");
        }
        else if (expression.Values?.Count > Limits.SelectorValues)
        {
            yield return new($"{at}.values", $"{expression.Values.Count} are more than {Limits.SelectorValues}");
        }
        else
        {
            foreach (var fault in (expression.Values ?? []).Index().SelectMany(v => TextRules.Text($"{at}.values[{v.Index}]", v.Item, Limits.LabelValueLength)))
            {
                yield return fault;
            }
        }
    }

    private static IEnumerable<Fault> Key(string at, string key) =>
        key.Length is >= 1 and <= Limits.LabelKeyLength && key.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '/') ? []
        : [new(at, $"a key has 1 to {Limits.LabelKeyLength} of A-Z, a-z, 0-9, '-', '_', '.' and '/'")];
}
