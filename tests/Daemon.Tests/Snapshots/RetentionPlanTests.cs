using System.Globalization;
using FsCheck;
using FsCheck.Fluent;
using Gantry.Contracts;
using Gantry.Daemon.Snapshots;

namespace Gantry.Daemon.Tests.Snapshots;

/// <summary>Which snapshots stay: a year by hand, and what must hold whatever the snapshots and the rule.</summary>
public sealed class RetentionPlanTests
{
    private static readonly TimeZoneInfo Berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");
    private static readonly DateTimeOffset Start = new(2025, 1, 1, 2, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_year_of_daily_snapshots_comes_down_to_the_newest_of_each_span()
    {
        var items = Enumerable.Range(0, 365).Select(day => Item(day, Start.AddDays(day)));

        var kept = RetentionPlan.Of(items, new(KeepLast: 2, Daily: 3, Weekly: 3, Monthly: 2, Yearly: 5), Berlin).Where(v => v.Keep).ToList();

        kept.Select(v => v.Item.Time.ToString("MM-dd", CultureInfo.InvariantCulture)).ShouldBe(["12-31", "12-30", "12-29", "12-28", "12-21", "11-30"]);
        kept[0].Reasons.ShouldBe(["one of the last 2", "newest of the day 2025-12-31", "newest of the week 2026-W01", "newest of the month 2025-12", "newest of the year 2025"]);
        kept[^1].Reasons.ShouldBe(["newest of the month 2025-11"]);
    }

    [Fact]
    public void Days_end_at_the_midnight_of_the_zone()
    {
        var items = new[] { Item(1, new(2026, 7, 1, 21, 59, 0, TimeSpan.Zero)), Item(2, new(2026, 7, 1, 22, 0, 0, TimeSpan.Zero)) };

        RetentionPlan.Of(items, new(Daily: 9), Berlin).Count(v => v.Keep).ShouldBe(2);
        RetentionPlan.Of(items, new(Daily: 9), TimeZoneInfo.Utc).Count(v => v.Keep).ShouldBe(1);
    }

    [Fact]
    public void The_hour_that_comes_twice_is_two_hours()
    {
        var items = new[] { Item(1, new(2026, 10, 25, 0, 30, 0, TimeSpan.Zero)), Item(2, new(2026, 10, 25, 1, 30, 0, TimeSpan.Zero)) };

        RetentionPlan.Of(items, new(Hourly: 2), Berlin).ShouldAllBe(v => v.Keep);
    }

    [Fact]
    public void Age_is_counted_from_the_newest_so_that_a_pause_removes_nothing_at_its_end()
    {
        var items = new[] { Item(1, Start), Item(2, Start.AddHours(1)), Item(3, Start.AddHours(3)) };

        RetentionPlan.Of(items, new(MaxAge: 7_200), Berlin).Where(v => v.Keep).Select(v => v.Item.Id).ShouldBe(["3", "2"]);
    }

    [Fact]
    public void What_a_single_rule_keeps_the_whole_keeps() => Hold((items, rule) =>
        Singles(rule).All(single => Kept(items, single).IsSubsetOf(Kept(items, rule))));

    [Fact]
    public void What_no_single_rule_keeps_goes() => Hold((items, rule) =>
        rule == new SnapshotRetention() || Kept(items, rule).SetEquals(Singles(rule).SelectMany(single => Kept(items, single))));

    [Fact]
    public void Every_verdict_has_its_reason_and_the_newest_always_stays() => Hold((items, rule) =>
        RetentionPlan.Of(items, rule, Berlin) is var plan && plan.All(v => v.Keep == v.Reasons.Count > 0) && (plan.Count == 0 || plan[0].Keep));

    [Fact]
    public void A_rule_keeps_as_many_spans_as_it_says_and_of_each_the_newest() => Hold((items, rule) =>
        rule.Daily is not { } days || items.GroupBy(i => TimeZoneInfo.ConvertTime(i.Time, Berlin).Date).OrderByDescending(g => g.Key).Take(days)
            .Select(g => g.OrderBy(i => i.Time).ThenBy(i => i.Id, StringComparer.Ordinal).Last().Id).ToHashSet().SetEquals(Kept(items, new(Daily: days))));

    [Fact]
    public void Applied_again_it_removes_nothing_more() => Hold((items, rule) =>
        Kept(items, rule) is var kept && Kept([.. items.Where(i => kept.Contains(i.Id))], rule).SetEquals(kept));

    [Fact]
    public void Applied_after_each_snapshot_it_comes_to_the_same_as_once_at_the_end() => Hold((items, rule) =>
    {
        var left = new List<RetentionItem>();
        foreach (var item in items.OrderBy(i => i.Time).ThenBy(i => i.Id, StringComparer.Ordinal))
        {
            left.Add(item);
            var kept = Kept(left, rule);
            left.RemoveAll(i => !kept.Contains(i.Id));
        }

        return left.Select(i => i.Id).ToHashSet().SetEquals(Kept(items, rule));
    });

    [Fact]
    public void One_more_rule_or_a_larger_number_removes_nothing() => Hold((items, rule) =>
        rule == new SnapshotRetention() || Larger(rule).All(larger => Kept(items, rule).IsSubsetOf(Kept(items, larger))));

    [Fact]
    public void The_order_they_are_given_in_is_irrelevant() => Hold((items, rule) =>
        RetentionPlan.Of(items.Reverse(), rule, Berlin).Select(v => (v.Item, v.Keep)).SequenceEqual(RetentionPlan.Of(items, rule, Berlin).Select(v => (v.Item, v.Keep))));

    [Fact]
    public void Without_a_rule_all_stay() => Hold((items, _) => Kept(items, new()).Count == items.Count);

    private static void Hold(Func<IReadOnlyList<RetentionItem>, SnapshotRetention, bool> holds)
    {
        var items = from gaps in Gen.Choose(0, 60 * 30).ListOf()
                    from wide in Gen.Choose(1, 200)
                    select (IReadOnlyList<RetentionItem>)[.. gaps.Aggregate(new List<int> { 0 }, (at, gap) => [.. at, at[^1] + (gap * wide)]).Skip(1).Select((minutes, i) => Item(i, Start.AddMinutes(minutes)))];
        var count = Gen.OneOf(Gen.Constant((int?)null), Gen.Choose(1, 6).Select(n => (int?)n));
        var rules = from last in count from age in count from hourly in count from daily in count from weekly in count from monthly in count from yearly in count
                    select new SnapshotRetention(last, age * 40_000d, hourly, daily, weekly, monthly, yearly);
        Prop.ForAll(Arb.From(items), Arb.From(rules), holds).Check(FsCheck.Config.QuickThrowOnFailure.WithMaxTest(300));
    }

    private static HashSet<string> Kept(IEnumerable<RetentionItem> items, SnapshotRetention rule) => [.. RetentionPlan.Of(items, rule, Berlin).Where(v => v.Keep).Select(v => v.Item.Id)];

    private static IEnumerable<SnapshotRetention> Singles(SnapshotRetention rule) => ((SnapshotRetention[])[
        new(KeepLast: rule.KeepLast), new(MaxAge: rule.MaxAge), new(Hourly: rule.Hourly), new(Daily: rule.Daily), new(Weekly: rule.Weekly), new(Monthly: rule.Monthly), new(Yearly: rule.Yearly)])
        .Where(single => single != new SnapshotRetention());

    private static IEnumerable<SnapshotRetention> Larger(SnapshotRetention rule) =>
    [
        rule with { KeepLast = (rule.KeepLast ?? 0) + 1 }, rule with { MaxAge = (rule.MaxAge ?? 0) + 90_000 }, rule with { Hourly = (rule.Hourly ?? 0) + 1 }, rule with { Daily = (rule.Daily ?? 0) + 1 },
        rule with { Weekly = (rule.Weekly ?? 0) + 1 }, rule with { Monthly = (rule.Monthly ?? 0) + 1 }, rule with { Yearly = (rule.Yearly ?? 0) + 1 },
    ];

    private static RetentionItem Item(int number, DateTimeOffset time) => new(number.ToString(CultureInfo.InvariantCulture), time, 1);
}
