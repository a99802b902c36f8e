using Gantry.Contracts;
using Gantry.Node.Images;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Pools;

public sealed class DirPoolTests : PoolConformance
{
    private protected override PoolKind Kind => PoolKind.Dir;

    private protected override string Source => $"{Node.Root.Path}/disks";

    private protected override IPool Reopen() => new DirPool(Source, $"{PoolId}", new QemuImg(Node.Shell, Node.ToolUids), Node.Time) { Written = Faults.Pass };

    [Fact]
    public async Task Where_the_record_is_lost_nothing_is_made_in_its_disks_places_and_nothing_removed()
    {
        await Pool.CreateAsync(Root, 16 * TestDisks.BlockBytes, null, default);
        File.Delete($"{Source}/{Owner}/disks.json");

        (await Should.ThrowAsync<Refusal>(() => Pool.CreateAsync(new(Owner, "data"), 16 * TestDisks.BlockBytes, null, default))).Code.ShouldBe("pool.damaged");

        Directory.GetFiles($"{Source}/{Owner}/root", "*.qcow2").ShouldHaveSingleItem();
    }

    [Fact]
    public async Task What_somebody_else_has_put_into_it_stays_and_keeps_it_this_pool()
    {
        Directory.CreateDirectory($"{Source}/letters");
        await File.WriteAllTextAsync($"{Source}/letters/one", "dear");

        await Pool.CloseAsync(default);

        File.Exists($"{Source}/letters/one").ShouldBeTrue();
        (await Pool.LookAsync(default)).Healthy.ShouldBeTrue();
    }
}
