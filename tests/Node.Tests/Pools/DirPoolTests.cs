using Gantry.Contracts;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Pools;

public sealed class DirPoolTests : PoolConformance
{
    private protected override async Task<IPool> OpenAsync(NodeContext node)
    {
        var id = Id<Pool>.New();
        await node.Pools.OpenAsync(new(id, PoolKind.Dir, $"{node.Root.Path}/disks"), default);
        return node.Pools.Of(id);
    }
}
