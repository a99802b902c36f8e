using System.Collections.Concurrent;
using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Daemon.Networks;

/// <summary>The policies of networks as they were read or written last: thousands of rules are parsed once for each change, not at every reading of the row.</summary>
internal sealed class ParsedPolicies
{
    private readonly ConcurrentDictionary<Guid, (string Json, IReadOnlyList<Policy> Policies)> _newest = [];

    public IReadOnlyList<Policy> Of(Guid network, string json)
    {
        if (_newest.TryGetValue(network, out var known) && known.Json == json)
        {
            return known.Policies;
        }

        var policies = JsonSerializer.Deserialize(json, WireJson.Default.IReadOnlyListPolicy)!;
        Note(network, json, policies);
        return policies;
    }

    public void Note(Guid network, string json, IReadOnlyList<Policy> policies) => _newest[network] = (json, policies);

    public void Forget(Guid network) => _newest.TryRemove(network, out _);
}
