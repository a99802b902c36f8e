using Gantry.Contracts;

namespace Gantry.Daemon.Networks;

/// <summary>One rule of a policy added, replaced or taken away, while thousands may stay.</summary>
/// <param name="Number">From 0, in the order of the rules.</param>
/// <param name="Rule">Null to take that of the number away.</param>
/// <param name="Insert">Before that of the number, rather than in its place.</param>
internal sealed record PolicyRuleChange(string Policy, int Number, PolicyRule? Rule = null, bool Insert = false)
{
    /// <summary>The policies with it.</summary>
    /// <exception cref="Refusal"><c>policy.unknown</c>, <c>policy.no_such_rule</c>, <c>policy.too_many_rules</c></exception>
    public IReadOnlyList<Policy> AppliedTo(IReadOnlyList<Policy> policies, string network)
    {
        var policy = policies.FirstOrDefault(p => p.Name == Policy) ?? throw PolicyErrors.Unknown(network, Policy);
        var last = Insert ? policy.Rules.Count : policy.Rules.Count - 1;
        if (Number < 0 || Number > last)
        {
            throw PolicyErrors.NoSuchRule(Policy, Number, policy.Rules.Count);
        }

        if (Insert && policy.Rules.Count >= Limits.PolicyRules)
        {
            throw PolicyErrors.TooManyRules(Policy);
        }

        var rules = policy.Rules.ToList();
        if (!Insert)
        {
            rules.RemoveAt(Number);
        }

        if (Rule is not null)
        {
            rules.Insert(Number, Rule);
        }

        return [.. policies.Select(p => p.Name == Policy ? p with { Rules = rules } : p)];
    }
}
