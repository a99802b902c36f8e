using System.Collections.Concurrent;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Networks;

/// <summary>Tells the node what the tables say of its networks: always all of a network, always the newest.</summary>
internal sealed class NetworkSync(NetworkStore networks, AddressStore addresses, LocalNode node) : IDisposable
{
    private readonly SemaphoreSlim _oneAtATime = new(1);
    private readonly ConcurrentDictionary<Id<Network>, NetworkStatus> _statuses = new();

    /// <summary>As they were found last.</summary>
    public NetworkStatus StatusOf(Id<Network> network) => _statuses.GetValueOrDefault(network) ?? new(false, "It was not set up yet.");

    /// <summary>Set up as their rows say when this returns.</summary>
    /// <exception cref="Refusal"><c>network.*</c></exception>
    public async Task ApplyAsync(IReadOnlyCollection<Id<Network>> which, CancellationToken ct)
    {
        if (which.Count == 0)
        {
            return;
        }

        await _oneAtATime.WaitAsync(ct);
        try
        {
            var stored = await networks.TheseAsync(which, ct);
            await node.Networks.ApplyAsync([.. await SpecsAsync(stored, ct)], ct);
            foreach (var network in stored)
            {
                _statuses[network.Id] = new(true);
                await networks.NoteAppliedAsync(network.Id, network.Revision, ct);
            }
        }
        catch (Refusal refusal)
        {
            foreach (var id in which)
            {
                _statuses[id] = new(false, refusal.Message);
            }

            throw;
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    public async Task RemoveAsync(Id<Network> network, CancellationToken ct)
    {
        await _oneAtATime.WaitAsync(ct);
        try
        {
            await node.Networks.RemoveAsync(network, ct);
            _statuses.TryRemove(network, out _);
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    /// <summary>Of what the node was not told yet; one that cannot be set up keeps no other from it.</summary>
    /// <returns>What could not be.</returns>
    public async Task<IReadOnlyList<Refusal>> ApplyNewAsync(CancellationToken ct)
    {
        var refusals = new List<Refusal>();
        foreach (var network in await networks.ToApplyAsync(ct))
        {
            try
            {
                await ApplyAsync([network], ct);
            }
            catch (Refusal refusal)
            {
                refusals.Add(refusal);
            }
        }

        return refusals;
    }

    /// <summary>Puts back what somebody removed.</summary>
    /// <returns>In words, what that was.</returns>
    public async Task<IReadOnlyList<string>> RepairAsync(CancellationToken ct)
    {
        await _oneAtATime.WaitAsync(ct);
        try
        {
            var repaired = await node.Networks.RepairAsync(ct);
            foreach (var (network, status) in await node.Networks.StatusesAsync(ct))
            {
                _statuses[network] = status;
            }

            return repaired;
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    public void Dispose() => _oneAtATime.Dispose();

    private async Task<List<Node.Networks.NetworkSpec>> SpecsAsync(IReadOnlyList<StoredNetwork> stored, CancellationToken ct)
    {
        var specs = new List<Node.Networks.NetworkSpec>();
        foreach (var network in stored)
        {
            specs.Add(network.ToSpec(await addresses.OfAsync(network.Id, ct)));
        }

        return specs;
    }
}
