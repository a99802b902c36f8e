using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Tests.Host;

public sealed class UidRangeTests : IAsyncDisposable
{
    private readonly TestRoot _root = new();

    public ValueTask DisposeAsync() => _root.DisposeAsync();

    [Fact]
    public async Task Roots_that_claim_at_once_get_blocks_of_their_own_and_keep_them()
    {
        var roots = Enumerable.Range(0, 40).Select(i => GantryRoot.At($"{_root.Path}/root{i}")).ToList();
        roots.ForEach(r => Directory.CreateDirectory(r.Path));

        var claimed = await Task.WhenAll(roots.Select(r => Task.Run(() => UidRange.Claim(r, $"{_root.Path}/claims").First)));

        claimed.Distinct().Count().ShouldBe(40);
        roots.Select(r => UidRange.Claim(r, $"{_root.Path}/claims").First).ShouldBe(claimed);
    }

    [Fact]
    public void The_lowest_free_id_is_next()
    {
        var range = new UidRange(1000);

        range.Next(new HashSet<int>()).ShouldBe(1000);
        range.Next(new HashSet<int> { 1000, 1001, 1003 }).ShouldBe(1002);
        Should.Throw<Refusal>(() => range.Next(Enumerable.Range(1000, UidRange.Count - UidRange.ForTools).ToHashSet())).Code.ShouldBe("node.uids_used_up");
    }
}
