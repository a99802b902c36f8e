using System.Security.Cryptography;
using System.Text;
using Gantry.Contracts;

namespace Gantry.Node.Networks.Firewall;

/// <summary>
/// A network's policies as chains: one for each policy and direction (in pieces, so that a change of one rule replaces few), one for each
/// list of policies that NICs have in common, and two for each NIC. The first verdict decides.
/// </summary>
internal sealed class PolicyChains
{
    /// <summary>Rules of one piece.</summary>
    private const int Piece = 50;

    private readonly NftTable _table;
    private readonly NetworkSpec _network;
    private readonly List<Policy> _policies;

    public PolicyChains(NftTable table, NetworkSpec network)
    {
        (_table, _network) = (table, network);
        _policies = [.. network.Policies.OrderBy(p => p.Priority).ThenBy(p => p.Name, StringComparer.Ordinal)];
        foreach (var policy in _policies)
        {
            if (!Limits.IsName(policy.Name))
            {
                throw FirewallErrors.NotValid(network, "a policy's name is none");
            }

            foreach (var direction in Enum.GetValues<PolicyDirection>().Where(d => Speaks(policy, d)))
            {
                AddPolicy(policy, direction);
            }
        }
    }

    /// <summary>The chain with the rules of a policy, where it has any; that of its piece N is called the same and <c>.N</c>.</summary>
    public static string ChainOf(Id<Network> network, string policy, PolicyDirection direction) => $"{NetworkNames.Bridge(network)}.{policy}.{Word(direction)}";

    /// <summary>The chain of what no rule of an isolating policy fitted.</summary>
    public static string RestOf(Id<Network> network, string policy, PolicyDirection direction) => $"{ChainOf(network, policy, direction)}.rest";

    /// <summary>Whether anything is said of a NIC: else every connection is allowed.</summary>
    public bool Concern(NicAddress nic) =>
        _network.Defaults != new PolicyDefaults() || _policies.Any(p => Enum.GetValues<PolicyDirection>().Any(d => Speaks(p, d)) && p.AppliesTo.Chooses(nic.Labels));

    /// <summary>The chains <c>TAP.in</c> and <c>TAP.out</c>.</summary>
    /// <param name="gateway">Who DHCP is spoken with; null for anybody.</param>
    public void Add(string tap, NicAddress nic, string? gateway)
    {
        if (!_table.Chains.ContainsKey(Said))
        {
            _table.Chain(Said,
            [
                "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept",
                "icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept",
                $"{(gateway is null ? "" : $"ip saddr {gateway} ")}udp sport 67 udp dport 68 accept",
                "ip6 saddr fe80::/64 udp sport 547 udp dport 546 accept",
            ]);
        }

        foreach (var direction in Enum.GetValues<PolicyDirection>())
        {
            var mine = _policies.Where(p => Speaks(p, direction) && p.AppliesTo.Chooses(nic.Labels)).ToList();
            var verdict = mine.FirstOrDefault(p => p.Isolates.Contains(direction)) is { } isolating ? $"goto {RestOf(_network.Id, isolating.Name, direction)}"
                : (direction == PolicyDirection.In ? _network.Defaults.In : _network.Defaults.Out) == PolicyAction.Deny ? "counter drop" : "accept";
            string[] rules = [.. mine.Where(p => HasRules(p, direction)).Select(p => $"jump {ChainOf(_network.Id, p.Name, direction)}"), verdict];
            _table.Chain($"{tap}.{Word(direction)}",
            [
                $"jump {tap}.known", .. direction == PolicyDirection.In ? (string[])[$"jump {Said}"] : [],
                .. rules.Length == 1 ? rules : [$"goto {Shared(rules, direction)}"],
            ]);
        }
    }

    /// <summary>What neighbours and DHCP servers say to guests of the network.</summary>
    private string Said => $"{NetworkNames.Bridge(_network.Id)}._said";

    private static bool HasRules(Policy policy, PolicyDirection direction) => policy.Rules.Any(r => r.Direction == direction);

    private static bool Speaks(Policy policy, PolicyDirection direction) => HasRules(policy, direction) || policy.Isolates.Contains(direction);

    private static string Word(PolicyDirection direction) => direction == PolicyDirection.In ? "in" : "out";

    /// <summary>Many NICs are chosen by the same policies: they share the chain that goes through them.</summary>
    private string Shared(string[] rules, PolicyDirection direction)
    {
        var digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', rules))))[..16];
        // No policy's name has an underscore.
        var name = $"{NetworkNames.Bridge(_network.Id)}._{digest}.{Word(direction)}";
        if (!_table.Chains.ContainsKey(name))
        {
            _table.Chain(name, rules);
        }

        return name;
    }

    private void AddPolicy(Policy policy, PolicyDirection direction)
    {
        var chain = ChainOf(_network.Id, policy.Name, direction);
        var pieces = policy.Rules.Index().Where(r => r.Item.Direction == direction)
            .GroupBy(r => r.Index / Piece, r => PolicyMatch.Rules(_network, policy, r.Index)).Select(p => (p.Key, Rules: p.SelectMany(r => r).ToList())).ToList();
        if (pieces.Count > 0)
        {
            _table.Chain(chain, pieces.Select(p => $"jump {chain}.{p.Key}"));
        }

        foreach (var (number, rules) in pieces)
        {
            _table.Chain($"{chain}.{number}", rules);
        }

        if (policy.Isolates.Contains(direction))
        {
            _table.Chain(RestOf(_network.Id, policy.Name, direction), ["counter drop"]);
        }
    }
}
