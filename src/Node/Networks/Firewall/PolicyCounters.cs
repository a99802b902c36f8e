using System.Globalization;
using System.Text.RegularExpressions;
using Gantry.Contracts;

namespace Gantry.Node.Networks.Firewall;

/// <summary>Reads the counters of policies from what <c>nft list table</c> shows.</summary>
internal static partial class PolicyCounters
{
    public static IReadOnlyList<PolicyCounter> Read(NetworkSpec network, string listing)
    {
        var counts = new Dictionary<(string Policy, int? Rule, PolicyDirection Direction), (long Packets, long Bytes)>();
        var chains = new Dictionary<string, (string Policy, PolicyDirection Direction)>();
        foreach (var policy in network.Policies.OrderBy(p => p.Name, StringComparer.Ordinal))
        {
            foreach (var (number, rule) in policy.Rules.Index())
            {
                counts[(policy.Name, number, rule.Direction)] = default;
            }

            foreach (var direction in Enum.GetValues<PolicyDirection>())
            {
                chains[PolicyChains.ChainOf(network.Id, policy.Name, direction)] = (policy.Name, direction);
                if (policy.Isolates.Contains(direction))
                {
                    counts[(policy.Name, null, direction)] = default;
                }
            }
        }

        (string Policy, PolicyDirection Direction)? inside = null;
        foreach (var line in listing.Split('\n'))
        {
            if (Chain().Match(line) is { Success: true } chain)
            {
                var name = chain.Groups[1].Value;
                inside = chains.TryGetValue(name[..Math.Max(0, name.LastIndexOf('.'))], out var found) ? found : null;
            }
            else if (inside is var (policy, direction) && Counter().Match(line) is { Success: true } counter)
            {
                int? rule = counter.Groups[3].Success ? int.Parse(counter.Groups[3].ValueSpan, CultureInfo.InvariantCulture) : null;
                if (counts.TryGetValue((policy, rule, direction), out var before))
                {
                    counts[(policy, rule, direction)] = (before.Packets + Number(counter.Groups[1]), before.Bytes + Number(counter.Groups[2]));
                }
            }
        }

        return [.. counts.Select(c => new PolicyCounter(c.Key.Policy, c.Key.Rule, c.Key.Direction, c.Value.Packets, c.Value.Bytes))];
    }

    private static long Number(Group group) => long.Parse(group.ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^\tchain (\S+) \{")]
    private static partial Regex Chain();

    [GeneratedRegex("""counter packets (\d+) bytes (\d+)(?:.* comment "(\d+)")?""")]
    private static partial Regex Counter();
}
