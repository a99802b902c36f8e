using Gantry.Contracts;
using Gantry.Daemon.Config;
using Gantry.Daemon.Networks;
using Gantry.Node.Networks;

namespace Gantry.Daemon.Instances;

/// <summary>Which network each NIC is on, and what the node is told of it.</summary>
internal sealed class NicPlan(NetworkStore networks, NetworkKeeper keeper, GantryConfig config)
{
    /// <summary>In place of a network: the NIC is plugged in nowhere.</summary>
    public const string Nowhere = "none";

    private const string FirstNic = "eth0";

    /// <summary>The NICs with nothing left out but addresses, which are allotted when the instance is written down, and what the node keeps of each.</summary>
    /// <param name="wanted">Null for one on the default network, where there is one.</param>
    /// <exception cref="Refusal"><c>network.unknown</c>, <c>network.not_ready</c></exception>
    public async Task<(IReadOnlyList<Nic>? Shown, IReadOnlyList<NicSpec>? Kept)> ResolveAsync(IReadOnlyList<Nic>? wanted, InstanceKind kind, Id<Instance> id, CancellationToken ct)
    {
        var standard = await DefaultAsync(ct);
        var nics = wanted ?? (standard is null || kind == InstanceKind.Container ? null : (IReadOnlyList<Nic>)[new() { Name = FirstNic }]);
        if (nics is null)
        {
            return (null, null);
        }

        List<Nic> shown = [];
        List<NicSpec> kept = [];
        foreach (var nic in nics)
        {
            var network = nic.Network switch { null => standard, Nowhere => null, var name => await networks.GetReadyAsync(name, ct) };
            if (network is null && (nic.Address ?? nic.Address6) is { } address)
            {
                throw NetworkErrors.AddressOutside(Nowhere, address, null);
            }

            shown.Add(nic with { Model = nic.Model ?? NicModel.Virtio, Mac = nic.Mac?.ToLowerInvariant() ?? MachinePlan.MacOf(id, nic.Name), Network = network?.Name ?? Nowhere });
            kept.Add(new(nic.Name, shown[^1].Mac!, shown[^1].Model, network?.Id, nic.Limits));
        }

        return (shown, kept);
    }

    private async Task<StoredNetwork?> DefaultAsync(CancellationToken ct)
    {
        if (config.DefaultNetwork is not { } name)
        {
            return null;
        }

        await keeper.Settled.WaitAsync(ct); // at the daemon's very start it may still be being made
        return await networks.TryGetAsync(name, ct) is { IsReady: true } found ? found : null;
    }
}
