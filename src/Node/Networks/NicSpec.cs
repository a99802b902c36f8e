using Gantry.Contracts;

namespace Gantry.Node.Networks;

/// <summary>A network card as the node keeps it.</summary>
/// <param name="Network">Null for one that is plugged in nowhere.</param>
/// <param name="Limits">For a guest's packets in each direction; null for none.</param>
/// <param name="Port">Where in a VM it is plugged in, from 0, so that it keeps its place when others go; null for the first that is free.</param>
public sealed record NicSpec(string Name, string Mac, NicModel? Model = null, Id<Network>? Network = null, NicLimits? Limits = null, int? Port = null)
{
    /// <summary>The same NICs, each with its port.</summary>
    public static IReadOnlyList<NicSpec> WithPorts(IReadOnlyList<NicSpec> nics)
    {
        var taken = nics.Select(n => n.Port).OfType<int>().ToHashSet();
        return [.. nics.Select(n => n.Port is null ? n with { Port = Enumerable.Range(0, int.MaxValue).First(taken.Add) } : n)];
    }
}
