using Gantry.Contracts;

namespace Gantry.Daemon.Schedules;

/// <summary>A schedule as it is kept.</summary>
/// <param name="Settings">All defaults filled in, with the name that its instance has now.</param>
internal sealed record StoredSchedule(
    Id<Schedule> Id, ScheduleSettings Settings, Id<Instance>? Instance, DateTimeOffset? NextRun, ScheduleRun? LastRun,
    DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt, long Version)
{
    public string Etag => $"\"{Version}\"";

    public bool Enabled => Settings.Enabled == true;

    public Schedule ToWire() => new()
    {
        Id = Id,
        Name = Settings.Name,
        Description = Settings.Description,
        Instance = Settings.Instance,
        Filter = Settings.Filter,
        Action = Settings.Action,
        When = Settings.When,
        TimeZone = Settings.TimeZone!,
        Enabled = Enabled,
        Missed = Settings.Missed!.Value,
        MissedWithinSeconds = Settings.MissedWithinSeconds!.Value,
        TimeoutSeconds = Settings.TimeoutSeconds,
        Force = Settings.Force,
        Snapshot = Settings.Snapshot,
        NextRun = NextRun,
        LastRun = LastRun,
        CreatedAt = CreatedAt,
        UpdatedAt = UpdatedAt,
        Etag = Etag,
    };

    /// <summary>When it is due behind an instant; null for never, and while it is disabled.</summary>
    /// <exception cref="Refusal"><c>schedule.unknown_time_zone</c></exception>
    public static DateTimeOffset? NextOf(ScheduleSettings settings, DateTimeOffset after) =>
        settings.Enabled == true ? DueTimes.Next(settings.When, TimeZones.Get(settings.TimeZone!), after) : null;

    /// <summary>With what was left out filled in. Instants are whole seconds.</summary>
    public static ScheduleSettings Settled(ScheduleSettings asked) => asked with
    {
        TimeZone = asked.TimeZone ?? TimeZones.OfNode,
        Enabled = asked.Enabled ?? true,
        Missed = asked.Missed ?? MissedRuns.Once,
        MissedWithinSeconds = asked.MissedWithinSeconds ?? ScheduleRules.DefaultMissedWithinSeconds,
        When = asked.When with { At = asked.When.At is { } at ? new DateTimeOffset(at.UtcTicks - (at.UtcTicks % TimeSpan.TicksPerSecond), TimeSpan.Zero) : null },
    };
}
