using Gantry.Contracts;

namespace Gantry.Daemon.Networks;

internal static class PolicyErrors
{
    public static Refusal Unknown(string network, string policy) => Refusal.NotFound(
        "policy.unknown", $"There is no policy '{policy}' of the network '{network}'.", "`gantry policy list` shows those there are.");

    public static Refusal TooMany(string network) => Refusal.Conflict("policy.too_many", $"'{network}' would have more than {Limits.Policies} policies.", "Put rules together, or remove some first.");

    /// <param name="rules">How many it has.</param>
    public static Refusal NoSuchRule(string policy, int number, int rules) => Refusal.NotFound(
        "policy.no_such_rule", $"'{policy}' has no rule {number}: {(rules == 0 ? "it has none" : $"they are 0 to {rules - 1}")}.", $"`gantry policy info {policy}` shows them with their numbers.");

    public static Refusal TooManyRules(string policy) => Refusal.Conflict(
        "policy.too_many_rules", $"'{policy}' would have more than {Limits.PolicyRules} rules.", "Put rules together, or remove some first.");

    /// <param name="document">From 1, as is the line.</param>
    /// <param name="path">Of the field, such as <c>spec.ingress[0].from</c>; empty for the document.</param>
    public static Refusal YamlInvalid(int document, long line, string path, string what, string hint) => Refusal.Invalid(
        "policy.yaml_invalid", $"Document {document}, line {line}{(path.Length > 0 ? $", {path}" : "")}: {what}.", hint);

    public static Refusal NoEnd(string network, string end) => Refusal.Invalid(
        "policy.no_such_end", $"'{end}' is neither an IP address nor an instance on '{network}'.", $"`gantry network addresses {network}` shows the instances.");
}
