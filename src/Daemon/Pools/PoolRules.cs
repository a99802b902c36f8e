using Gantry.Contracts;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Pools;

/// <summary>What a pool must keep to by itself; whether its place will do, the node says.</summary>
internal static class PoolRules
{
    public static IEnumerable<Fault> Faults(CreatePool pool) =>
    [
        .. TextRules.Name("$.name", pool.Name), .. TextRules.Description(pool.Description),
        .. pool.Kind is PoolKind.Dir or PoolKind.Btrfs ? TextRules.Path("$.source", pool.Source) : TextRules.Text("$.source", pool.Source, Limits.PathLength),
        .. Enum.IsDefined(pool.Kind) ? (Fault[])[] : [new("$.kind", $"it is none of {string.Join(", ", Enum.GetNames<PoolKind>()).ToLowerInvariant()}")],
        .. pool.Mount?.Protocol is null || pool.Kind is PoolKind.Nfs or PoolKind.Cifs ? (Fault[])[] : [new("$.mount.protocol", "only nfs and cifs have one")],
        .. pool.Mount?.Credentials is { } credentials
            ? pool.Kind is PoolKind.Cifs or PoolKind.Ceph ? TextRules.Name("$.mount.credentials", credentials) : [new("$.mount.credentials", "only cifs and ceph have them")]
            : pool.Kind == PoolKind.Ceph ? [new("$.mount.credentials", "ceph needs them: the name of a file with a keyring")] : [],
        .. pool.Format is null || pool.Kind is PoolKind.Dir or PoolKind.Nfs or PoolKind.Cifs or PoolKind.Glusterfs ? (Fault[])[] : [new("$.format", "only dir, nfs, cifs and glusterfs have one")],
    ];
}
