using Gantry.Contracts;

namespace Gantry.Daemon.Networks;

internal static class PolicyErrors
{
    public static Refusal YamlNotValid(IReadOnlyList<Fault> faults) => new(
        "policy.yaml_not_valid", 422, $"The NetworkPolicy documents have {(faults.Count == 1 ? "a fault" : $"{faults.Count} faults")}; nothing of them was applied.",
        "Correct what is named; docs of NetworkPolicy: `kubectl explain networkpolicy.spec`.", faults);
}
