using Gantry.Contracts;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Pools;

/// <summary>What a pool must keep to by itself; whether its place will do, the node says.</summary>
internal static class PoolRules
{
    public static IEnumerable<Fault> Faults(CreatePool pool) =>
    [
        .. TextRules.Name("$.name", pool.Name), .. TextRules.Description(pool.Description),
        .. !Enum.IsDefined(pool.Kind) ? [new("$.kind", "it is none of dir, zfs and btrfs")]
            : pool.Kind == PoolKind.Zfs ? TextRules.Text("$.source", pool.Source, Limits.PathLength) : TextRules.Path("$.source", pool.Source),
    ];
}
