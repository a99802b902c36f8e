using Gantry.Contracts;

namespace Gantry.Node.Networks;

/// <summary>A network card as the node keeps it.</summary>
/// <param name="Network">Null for one that is plugged in nowhere.</param>
/// <param name="Limits">For a guest's packets in each direction; null for none.</param>
public sealed record NicSpec(string Name, string Mac, NicModel? Model = null, Id<Network>? Network = null, NicLimits? Limits = null);
