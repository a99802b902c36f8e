using FsCheck;
using FsCheck.Fluent;
using Gantry.Contracts;
using Gantry.Daemon.Quotas;

namespace Gantry.Daemon.Tests.Quotas;

/// <summary>Which snapshots a quota removes: some by hand, and what must hold whatever the snapshots and the quota.</summary>
public sealed class QuotaPlanTests
{
    private static readonly DateTimeOffset Now = new(2031, 5, 6, 7, 8, 9, TimeSpan.Zero);

    [Theory]
    [InlineData(QuotaPolicy.Oldest, "a b")]
    [InlineData(QuotaPolicy.Largest, "c a")]
    [InlineData(QuotaPolicy.LeastUsed, "b d")]
    [InlineData(QuotaPolicy.Manual, "")]
    public void The_policy_says_which_goes_first(QuotaPolicy policy, string gone)
    {
        QuotaItem[] items = [Item("a", days: 4, size: 30, used: 0), Item("b", days: 3, size: 10), Item("c", days: 2, size: 40, used: 0), Item("d", days: 1, size: 20)];

        var decision = QuotaPlan.Of(items, new(MaxCount: 2, Policy: policy), Now);

        string.Join(' ', decision.Remove.Select(r => r.Item.Name)).ShouldBe(gone);
        (decision.NotMet is null).ShouldBe(policy != QuotaPolicy.Manual);
    }

    [Fact]
    public void Each_reason_says_how_far_it_was()
    {
        QuotaItem[] items = [Item("a", days: 9, size: 30), Item("b", days: 3, size: 30), Item("c", days: 2, size: 30), Item("d", days: 1, size: 30)];

        QuotaPlan.Of(items, new(MaxCount: 2, MaxBytes: 50, MaxAge: 8 * 86_400, Policy: QuotaPolicy.Oldest), Now).Remove.Select(r => $"{r.Item.Name}: {r.Reason}")
            .ShouldBe(["a: older than 691200 s", "b: the oldest, and there are 3 of 2", "c: the oldest, and they occupy 60 of 50 bytes"]);
        QuotaPlan.Of(items, new(MaxCount: 4, Policy: QuotaPolicy.Largest), Now, QuotaAddition.OneSnapshot).Remove.ShouldHaveSingleItem().Reason
            .ShouldBe("the largest, and there would be 5 of 4");
    }

    [Fact]
    public void What_stays_although_there_are_too_many_is_told()
    {
        QuotaItem[] items = [Item("a", days: 4, size: 1) with { Kept = "it is protected" }, Item("b", days: 3, size: 1) with { Kept = "it is protected" }];

        QuotaPlan.Of(items, new(MaxCount: 1, Policy: QuotaPolicy.Oldest), Now).NotMet.ShouldBe("there are 2 of 1; the others stay: vm/a (it is protected), vm/b (it is protected)");
        QuotaPlan.Of(items, new(MaxCount: 1), Now).NotMet.ShouldBe("there are 2 of 1; its policy is manual, so none is removed");
    }

    [Theory]
    [InlineData(7, QuotaLevel.Ok)]
    [InlineData(8, QuotaLevel.Warned)]
    [InlineData(10, QuotaLevel.Warned)]
    [InlineData(11, QuotaLevel.Exceeded)]
    public void It_warns_from_its_threshold_and_is_exceeded_above_its_limit(int used, QuotaLevel level)
    {
        QuotaPlan.LevelOf(used, 0, new(MaxCount: 10)).ShouldBe(level);
        QuotaPlan.LevelOf(0, used, new(MaxBytes: 10, WarnPercent: 80)).ShouldBe(level);
        QuotaPlan.LevelOf(0, long.MaxValue, new(MaxBytes: long.MaxValue)).ShouldBe(QuotaLevel.Warned);
    }

    [Fact]
    public void What_is_kept_never_goes() => Hold((items, rule, adding) => QuotaPlan.Of(items, rule, Now, adding).Remove.All(r => r.Item.Kept is null));

    [Fact]
    public void Nothing_goes_once_the_quota_is_kept() => Hold((items, rule, adding) =>
    {
        var gone = QuotaPlan.Of(items, rule, Now, adding).Remove;
        return gone.Count == 0 || gone[^1] is var (last, _) && (IsOld(last, rule) || IsOver([.. Left(items, gone), last], rule, adding));
    });

    [Fact]
    public void The_next_by_policy_goes_and_no_other() => Hold((items, rule, adding) =>
    {
        var gone = QuotaPlan.Of(items, rule, Now, adding).Remove.Select(r => r.Item).Where(i => !IsOld(i, rule)).ToList();
        return gone.Zip(gone.Skip(1)).All(pair => rule.Policy switch
        {
            QuotaPolicy.Oldest => pair.First.CreatedAt <= pair.Second.CreatedAt,
            QuotaPolicy.Largest => (pair.First.SizeBytes ?? 0) >= (pair.Second.SizeBytes ?? 0),
            QuotaPolicy.LeastUsed => pair.First.UsedAt <= pair.Second.UsedAt,
            _ => false,
        });
    });

    [Fact]
    public void Done_again_it_removes_nothing_more() => Hold((items, rule, adding) =>
        QuotaPlan.Of(Left(items, QuotaPlan.Of(items, rule, Now, adding).Remove), rule, Now, adding).Remove.Count == 0);

    [Fact]
    public void Afterwards_it_is_kept_or_says_why_not_and_then_nothing_more_would_have_helped() => Hold((items, rule, adding) =>
    {
        var decision = QuotaPlan.Of(items, rule, Now, adding);
        var left = Left(items, decision.Remove);
        var isMet = !IsOver(left, rule, adding) && !left.Any(i => IsOld(i, rule));
        var helps = left.Where(i => i.Kept is null && rule.Policy is not (null or QuotaPolicy.Manual) && (left.Count + adding.Count > rule.MaxCount || i.SizeBytes > 0));
        return isMet == decision.NotMet is null && (isMet || !IsOver(left, rule, adding) || !helps.Any())
            && (decision.Before.Count, decision.After.Count, decision.After.Bytes) == (items.Count, left.Count, left.Sum(i => i.SizeBytes ?? 0));
    });

    [Fact]
    public void The_order_in_which_they_are_told_does_not_matter() => Hold((items, rule, adding) =>
        QuotaPlan.Of(items, rule, Now, adding).Remove.Select(r => r.Item.Id).SequenceEqual(QuotaPlan.Of([.. items.Reverse()], rule, Now, adding).Remove.Select(r => r.Item.Id)));

    private static QuotaItem Item(string name, int days, long size, int? used = null) => new(
        new(new Guid((int)name[0], 0, 0, new byte[8])), name, new(Guid.Empty), "vm", Now.AddDays(-days), Now.AddDays(-(used ?? days)), size);

    private static bool IsOld(QuotaItem item, QuotaSettings rule) => (Now - item.CreatedAt).TotalSeconds > rule.MaxAge;

    private static bool IsOver(IReadOnlyCollection<QuotaItem> items, QuotaSettings rule, QuotaAddition adding) =>
        items.Count + adding.Count > rule.MaxCount || items.Sum(i => i.SizeBytes ?? 0) + adding.Bytes > rule.MaxBytes;

    private static List<QuotaItem> Left(IEnumerable<QuotaItem> items, IEnumerable<(QuotaItem Item, string Reason)> gone)
    {
        var ids = gone.Select(r => r.Item.Id).ToHashSet();
        return [.. items.Where(i => !ids.Contains(i.Id))];
    }

    private static void Hold(Func<IReadOnlyList<QuotaItem>, QuotaSettings, QuotaAddition, bool> holds)
    {
        var item = from id in Gen.Choose(1, 1_000_000)
                   from age in Gen.Choose(0, 20)
                   from used in Gen.Choose(0, 20)
                   from size in Gen.Choose(-1, 10)
                   from kept in Gen.Choose(0, 4)
                   select new QuotaItem(
                       new(new Guid(id, 0, 0, new byte[8])), $"s{id}", new(Guid.Empty), "vm", Now.AddDays(-age), Now.AddDays(-Math.Min(age, used)), size < 0 ? null : size, kept == 0 ? "kept" : null);
        var cases = from items in item.ListOf()
                    from count in Gen.Choose(0, 10)
                    from bytes in Gen.Choose(0, 40)
                    from age in Gen.Choose(0, 25)
                    from policy in Gen.Elements(Enum.GetValues<QuotaPolicy>())
                    from adding in Gen.Elements(default, QuotaAddition.OneSnapshot)
                    select (Items: items.DistinctBy(i => i.Id).ToList(),
                        Rule: new QuotaSettings(count == 0 ? null : count, bytes == 0 ? null : bytes, age > 20 ? null : age * 86_400L, Policy: policy), Adding: adding);
        Prop.ForAll(Arb.From(cases), c => holds(c.Items, c.Rule, c.Adding)).Check(FsCheck.Config.QuickThrowOnFailure.WithMaxTest(500));
    }
}
