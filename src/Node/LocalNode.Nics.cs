using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Instances;
using Gantry.Node.Networks;

namespace Gantry.Node;

public sealed partial class LocalNode
{
    /// <summary>Stores a NIC for the next start, in place of one of the same name, and plugs it into a running instance as far as that can be done.</summary>
    /// <returns>Null when it does not run.</returns>
    /// <exception cref="Refusal"><c>network.not_working</c></exception>
    public async Task<NicChange?> PlugNicAsync(Id<Instance> id, NicSpec nic, CancellationToken ct)
    {
        await ChangeNicsAsync(id, nics => nics.Any(n => n.Name == nic.Name) ? nics.Select(n => n.Name == nic.Name ? nic with { Port = nic.Port ?? n.Port } : n) : nics.Append(nic), ct);
        return await NowAsync(id, "plug NICs into a running instance", (INics able) => able.PlugNicAsync(id, nic.Name, ct), ct);
    }

    /// <summary>Removes a NIC from the next start on, and from a running instance as far as that can be done.</summary>
    /// <returns>Null when it does not run.</returns>
    public async Task<NicChange?> UnplugNicAsync(Id<Instance> id, string nic, CancellationToken ct)
    {
        await ChangeNicsAsync(id, nics => nics.Where(n => n.Name != nic), ct);
        return await NowAsync(id, "unplug NICs of a running instance", (INics able) => able.UnplugNicAsync(id, nic, ct), ct);
    }

    /// <summary>Stores the limits of a NIC and makes them hold at once; null for none.</summary>
    /// <returns>Null when it does not run.</returns>
    /// <exception cref="Refusal"><c>nic.unknown</c></exception>
    public async Task<NicChange?> LimitNicAsync(Id<Instance> id, string nic, NicLimits? limits, CancellationToken ct)
    {
        var spec = Context.Folders.Read(id);
        _ = (spec.Nics ?? []).SingleOrDefault(n => n.Name == nic) ?? throw NicErrors.Unknown(spec.Name, nic);
        await ChangeNicsAsync(id, nics => nics.Select(n => n.Name == nic ? n with { Limits = limits } : n), ct);
        return await NowAsync(id, "limit the NICs of a running instance", (INics able) => able.LimitNicAsync(id, nic, ct), ct);
    }

    /// <summary>Of an instance's NICs that are on a network; none when it does not run.</summary>
    public Task<IReadOnlyList<NicStatistics>> NicStatisticsAsync(Id<Instance> id, CancellationToken ct) =>
        Able<INics>(id, "count what passes NICs").NicStatisticsAsync(id, ct);

    private Task ChangeNicsAsync(Id<Instance> id, Func<IReadOnlyList<NicSpec>, IEnumerable<NicSpec>> change, CancellationToken ct) =>
        ChangeAsync(id, spec => spec with { Nics = NicSpec.WithPorts([.. change(NicSpec.WithPorts(spec.Nics ?? []))]) }, ct);
}
