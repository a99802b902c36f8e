using Gantry.Contracts;

namespace Gantry.Daemon.Networks;

/// <summary>
/// Reads Kubernetes NetworkPolicy documents (networking.k8s.io/v1) as policies of the same meaning. What a Gantry network has no
/// counterpart for, such as namespaces and named ports, is refused rather than passed over: a rule half understood lets too much through.
/// </summary>
internal static class NetworkPolicyYaml
{
    /// <param name="text">Documents with <c>---</c> between them; empty ones are passed over.</param>
    /// <returns>At least one policy, no two of the same name, each within the limits of <see cref="PolicyRules"/>.</returns>
    /// <exception cref="Refusal"><c>policy.yaml_invalid</c> with the document, the line and the field of the first fault.</exception>
    public static IReadOnlyList<Policy> Read(string text)
    {
        var policies = new List<Policy>();
        var seen = new Dictionary<string, int>();
        foreach (var document in new YamlDocuments(text).Read().Where(d => !d.IsNull))
        {
            if (policies.Count == Limits.Policies)
            {
                throw document.Wrong($"there are more than {Limits.Policies} policies in the text", "A network has no more; put rules together.");
            }

            var policy = new NetworkPolicyDocument(document).Read();
            if (!seen.TryAdd(policy.Name, document.Document))
            {
                throw document["metadata"]!["name"]!.Wrong($"document {seen[policy.Name]} has the name '{policy.Name}' too", "Give each policy a name of its own.");
            }

            policies.Add(policy);
        }

        return policies.Count > 0 ? policies : throw new YamlItem(1, 1, null, "").Wrong("there is no NetworkPolicy in the text", "Give one or more, with --- between them.");
    }
}
