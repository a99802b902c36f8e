using System.Globalization;
using Gantry.Contracts;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Snapshots;

/// <summary>The routes of all snapshots there are, and of the tree of an instance's.</summary>
internal static class SnapshotOverviewApi
{
    public static void MapSnapshotOverview(this IEndpointRouteBuilder api)
    {
        var all = api.MapGroup("/snapshots").WithTags("Snapshots");
        all.MapGet("/", List).Produces<Page<Snapshot>>().Requires(Privilege.InstanceAudit);
        all.MapGet("/statistics", Statistics).Produces<SnapshotStatistics>().Requires(Privilege.InstanceAudit);
        api.MapGet("/instances/{instance}/snapshots/tree", Tree).WithTags("Snapshots").Produces<SnapshotTree>().Requires(Privilege.InstanceAudit);
    }

    private static async Task<IResult> List(
        string? instance, string? pool, string? schedule, string? takenBefore, string? takenAfter, HttpContext http, Paging paging, InstanceStore instances, SnapshotOverview overview,
        CancellationToken ct)
    {
        var choice = new SnapshotChoice(
            instance is null ? null : (await instances.GetAsync(instance, ct)).Id,
            pool is null ? null : await overview.PoolAsync(pool, ct) ?? throw SnapshotErrors.NotChosenBy("pool", pool),
            schedule is null ? null : await overview.ScheduleAsync(schedule, ct) ?? throw SnapshotErrors.NotChosenBy("schedule", schedule),
            TimeOf("takenBefore", takenBefore), TimeOf("takenAfter", takenAfter));
        var page = await overview.ListAsync(choice, paging, ct);
        return http.Answer(new Page<Snapshot>([.. page.Items.Select(s => s.ToWire(s.MeasuredBytes))], page.NextCursor), WireJson.Default.PageSnapshot);
    }

    private static Task<SnapshotStatistics> Statistics(SnapshotOverview overview, CancellationToken ct) => overview.StatisticsAsync(ct);

    private static async Task<IResult> Tree(string instance, InstanceStore instances, SnapshotStore store, LocalNode node, TimeProvider time, CancellationToken ct)
    {
        var found = await instances.GetAsync(instance, ct);
        var all = (await store.ListAsync(found.Id, new(Limits.Snapshots, null, null), ct)).Items;
        var sizes = all.Count == 0 ? null : await SnapshotApi.SizesAsync(node, found.Id, time, ct);
        return TypedResults.Json(TreeOf([.. all.Select(s => s.ToWire(SnapshotApi.SizeOf(sizes, s.Id)))]), WireJson.Deep.SnapshotTree);
    }

    /// <summary>One whose parent is not whole now is shown as a root.</summary>
    private static SnapshotTree TreeOf(IReadOnlyList<Snapshot> snapshots)
    {
        var names = snapshots.Select(s => s.Name).ToHashSet();
        var after = snapshots.ToLookup(s => s.Parent is { } parent && names.Contains(parent) ? parent : "");
        return new(Below(""), snapshots.Count, snapshots.FirstOrDefault(s => s.Current)?.Name, snapshots.All(s => s.SizeBytes is not null) ? snapshots.Sum(s => s.SizeBytes) : null);

        IReadOnlyList<SnapshotBranch> Below(string parent) => [.. after[parent].Select(s => new SnapshotBranch(s, Below(s.Name)))];
    }

    private static DateTimeOffset? TimeOf(string name, string? text) => text is null ? null
        : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time
        : throw Refusal.Invalid("request.time", $"{name} is no time.", "Write it like 2026-03-01T02:00:00Z.");
}
