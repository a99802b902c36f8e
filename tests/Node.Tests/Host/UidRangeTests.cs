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

        var claimed = await Task.WhenAll(roots.Select(r => Task.Run(() => UidRange.Claim(r, null, $"{_root.Path}/claims").First)));

        claimed.Distinct().Count().ShouldBe(40);
        roots.Select(r => UidRange.Claim(r, null, $"{_root.Path}/claims").First).ShouldBe(claimed);
    }

    [Fact]
    public void The_lowest_free_pair_is_next()
    {
        var range = UidRange.Of(new(100_000, 100_099));

        range.Next(new HashSet<int>()).ShouldBe((100_000, 100_040));
        range.Next(new HashSet<int> { 100_000, 100_001, 100_003 }).ShouldBe((100_002, 100_042));
        range.Next(new HashSet<int> { 100_040 }).ShouldBe((100_001, 100_041));
        (range.FirstTool, range.Tools).ShouldBe((100_080, 10));
        (range.FirstNetwork, range.Networks).ShouldBe((100_090, 10));
        Should.Throw<Refusal>(() => range.Next(Enumerable.Range(100_000, 40).ToHashSet())).Code.ShouldBe("node.uids_used_up");
    }

    [Fact]
    public void What_a_block_gives_out_stays_as_it_was()
    {
        var block = UidRange.Block(1_900_010_000);

        block.Next(new HashSet<int>()).ShouldBe((1_900_010_000, UidRange.TpmOf(1_900_010_000)));
        (block.Guests, block.FirstTool, block.Tools).ShouldBe((9_900, 1_900_019_900, 100));
        (block.FirstNetwork, block.Networks).ShouldBe((1_910_010_000, 10_000));
    }

    [Fact]
    public async Task A_node_whose_ids_are_used_up_refuses_the_next_instance_and_takes_it_once_one_is_gone()
    {
        // Outside every block: what has just ended under an id of a block would keep that id taken for a moment.
        const int first = 2_100_000_000;
        var context = _root.Context with { Uids = new(first, 2, first + 1000, first + 2000, 100) };
        await using var node = new LocalNode(context);
        List<Id<Instance>> ids = [Id<Instance>.New(), Id<Instance>.New(), Id<Instance>.New()];
        await DefineAsync(ids[0]);
        await DefineAsync(ids[1]);

        (await Should.ThrowAsync<Refusal>(() => DefineAsync(ids[2]))).Code.ShouldBe("node.uids_used_up");
        Directory.Exists(context.Folders.Data(ids[2])).ShouldBeFalse();
        await node.RemoveAsync(ids[0], default);
        await DefineAsync(ids[2]);

        context.Folders.Read(ids[2]).Uid.ShouldBe(first);

        Task DefineAsync(Id<Instance> id) => node.DefineAsync(new(id, $"i{ids.IndexOf(id)}", InstanceKind.Microvm, "sim", 1, 32 << 20, Firmware.Direct, "/k", null, null, 0), default);
    }

    [Fact]
    public void A_range_from_the_configuration_is_claimed_against_every_other_root()
    {
        var (one, other) = (Root("one"), Root("other"));
        var claims = $"{_root.Path}/claims";
        UidRange.Claim(one, new(3_000_000, 3_000_999), claims).First.ShouldBe(3_000_000);
        UidRange.Claim(one, new(3_000_000, 3_000_999), claims).First.ShouldBe(3_000_000);

        Should.Throw<Refusal>(() => UidRange.Claim(other, new(3_000_999, 3_001_999), claims)).Code.ShouldBe("node.uids_taken");
        Should.Throw<Refusal>(() => UidRange.Claim(other, new(1_900_000_000, 1_900_019_999), claims)).Message.ShouldContain("the system's daemon");
        UidRange.Claim(GantryRoot.At("/"), new(1_900_000_000, 1_900_019_999), claims).Guests.ShouldBe(9_450);
        UidRange.Claim(other, new(3_001_000, 3_001_999), claims).First.ShouldBe(3_001_000);
        Directory.Delete(one.Path);
        UidRange.Claim(other, new(3_000_000, 3_000_999), claims).First.ShouldBe(3_000_000);
    }

    [Fact]
    public void A_root_without_a_range_keeps_away_from_those_that_have_one()
    {
        var claims = $"{_root.Path}/claims";
        var first = UidRange.Claim(Root("one"), null, claims).First;
        Directory.Delete(claims, recursive: true);
        UidRange.Claim(Root("two"), new(first + 5, first + 500), claims);

        UidRange.Claim(Root("one"), null, claims).First.ShouldBe(first + 10_000);
    }

    [Theory]
    [InlineData("1000-70000", "ids below 65536 are for the system and for people")]
    [InlineData("3000000-3000009", "there must be at least 100")]
    [InlineData("524000-525000", "524288-1879048191 belongs to the containers of systemd")]
    [InlineData("200000-300000", "250000 belongs to the user ldap")]
    [InlineData("70000-80000", "75000 belongs to the group staff2")]
    [InlineData("100000-120000", "100000-165535 belongs to alice (")]
    [InlineData("1900000000-1900019999", null)]
    public void A_range_that_belongs_to_others_is_not_for_guests(string range, string? why)
    {
        File.WriteAllText($"{_root.Path}/passwd", "root:x:0:0::/root:/bin/sh\nldap:x:250000:250000::/:/bin/sh\n+::::::\n");
        File.WriteAllText($"{_root.Path}/group", "staff2:x:75000:\n");
        File.WriteAllText($"{_root.Path}/subuid", "alice:100000:65536\n");

        var fault = IdRange.Parse(range)!.WhyNot(_root.Path);
        (fault is null).ShouldBe(why is null, fault);
        fault?.ShouldStartWith(why!);
    }

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("9-5")]
    [InlineData("1-2-3")]
    [InlineData("-1-5")]
    [InlineData("1-99999999999")]
    public void What_is_no_range_is_not_read_as_one(string text) => IdRange.Parse(text).ShouldBeNull();

    private GantryRoot Root(string name) => GantryRoot.At(Directory.CreateDirectory($"{_root.Path}/{name}").FullName);
}
