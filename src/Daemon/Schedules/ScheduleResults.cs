using Gantry.Contracts;

namespace Gantry.Daemon.Schedules;

/// <summary>What became of each instance of a run so far.</summary>
internal sealed class ScheduleResults
{
    private readonly Lock _lock = new();
    private readonly List<ScheduleResult> _results = [];

    public IReadOnlyList<ScheduleResult> All
    {
        get
        {
            lock (_lock)
            {
                return [.. _results];
            }
        }
    }

    public ScheduleResult Of(Id<Instance> instance)
    {
        lock (_lock)
        {
            return _results.First(r => r.InstanceId == instance);
        }
    }

    public void Set(ScheduleResult result)
    {
        lock (_lock)
        {
            var at = _results.FindIndex(r => r.InstanceId == result.InstanceId);
            if (at >= 0)
            {
                _results[at] = result;
            }
            else
            {
                _results.Add(result);
            }
        }
    }
}
