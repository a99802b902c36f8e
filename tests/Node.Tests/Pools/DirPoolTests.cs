using Gantry.Contracts;
using Gantry.Node.Images;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Pools;

public sealed class DirPoolTests : PoolConformance
{
    private protected override PoolKind Kind => PoolKind.Dir;

    private protected override string Source => $"{Node.Root.Path}/disks";

    private protected override IPool Reopen() => new DirPool(Source, $"{PoolId}", new QemuImg(Node.Shell, Node.ToolUids), Node.Time) { Written = Faults.Pass };
}
