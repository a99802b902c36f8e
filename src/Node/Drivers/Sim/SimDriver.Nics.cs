using Gantry.Contracts;
using Gantry.Node.Networks;

namespace Gantry.Node.Drivers.Sim;

/// <summary>Its NICs are those of the specification; nothing ever passes them.</summary>
public sealed partial class SimDriver
{
    public async Task<NicChange?> PlugNicAsync(Id<Instance> id, string nic, CancellationToken ct)
    {
        await Before("plugNic", id, ct);
        return StateOf(id) == InstanceState.Stopped ? null
            : new(DemandNic(id, nic) == InstanceKind.Vm ? null : NicReasons.NoPlug);
    }

    public async Task<NicChange?> UnplugNicAsync(Id<Instance> id, string nic, CancellationToken ct)
    {
        await Before("unplugNic", id, ct);
        return StateOf(id) switch
        {
            InstanceState.Stopped => null,
            _ when node.Folders.Read(id).Kind != InstanceKind.Vm => new(NicReasons.NoUnplug),
            InstanceState.Paused => new(NicReasons.Unanswered),
            _ => new(),
        };
    }

    public async Task<NicChange?> LimitNicAsync(Id<Instance> id, string nic, CancellationToken ct)
    {
        await Before("limitNic", id, ct);
        if (StateOf(id) == InstanceState.Stopped)
        {
            return null;
        }

        DemandNic(id, nic);
        return new();
    }

    public async Task<IReadOnlyList<NicStatistics>> NicStatisticsAsync(Id<Instance> id, CancellationToken ct)
    {
        await Before("nicStatistics", id, ct);
        return StateOf(id) == InstanceState.Stopped ? []
            : [.. (node.Folders.Read(id).Nics ?? []).Where(n => n.Network is not null).Select(n => new NicStatistics(n.Name, 0, 0, 0, 0, 0, 0))];
    }

    private InstanceKind DemandNic(Id<Instance> id, string nic)
    {
        var spec = node.Folders.Read(id);
        return (spec.Nics ?? []).Any(n => n.Name == nic) ? spec.Kind : throw NicErrors.Unknown(spec.Name, nic);
    }
}
