using Gantry.Contracts;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Schedules;

/// <summary>Which instances a schedule is for.</summary>
internal sealed class ScheduleTargets(InstanceStore instances)
{
    /// <summary>The id of the one it names, or null where a filter chooses: one that can be read.</summary>
    /// <exception cref="Refusal"><c>request.invalid</c>, naming the field</exception>
    public async Task<Id<Instance>?> SettleAsync(ScheduleSettings settings, CancellationToken ct)
    {
        try
        {
            if (settings.Instance is { } name)
            {
                return (await instances.GetAsync(name, ct)).Id;
            }

            await instances.ListAsync(new Paging(1, null, settings.Filter), ct);
            return null;
        }
        catch (Refusal refusal) when (refusal.Code is "instance.unknown" or "request.filter")
        {
            throw Body<ScheduleSettings>.Invalid([new(settings.Instance is null ? "$.filter" : "$.instance", refusal.Message.TrimEnd('.'))]);
        }
    }

    /// <summary>As they are now.</summary>
    /// <exception cref="Refusal"><c>instance.unknown</c>, <c>schedule.too_many_instances</c></exception>
    public async Task<IReadOnlyList<Instance>> FindAsync(StoredSchedule schedule, CancellationToken ct)
    {
        if (schedule.Instance is { } one)
        {
            return [await instances.GetAsync(one.ToString(), ct)];
        }

        var page = await instances.ListAsync(new Paging(Limits.MaxBatch, null, schedule.Settings.Filter), ct);
        return page.NextCursor is null ? page.Items : throw ScheduleErrors.TooManyInstances(schedule.Settings.Name);
    }
}
