namespace Gantry.Contracts;

/// <summary>Something that is done to instances whenever it is due.</summary>
public sealed record Schedule
{
    public required Id<Schedule> Id { get; init; }
    public required string Name { get; init; }
    public string? Description { get; init; }

    /// <summary>The one it is for, by name; it goes when the instance is deleted. Null where <see cref="Filter"/> chooses.</summary>
    public string? Instance { get; init; }

    /// <summary>Chooses its instances anew at each run, as in lists: <c>labels.tier eq front</c>.</summary>
    public string? Filter { get; init; }
    public required ScheduledAction Action { get; init; }
    public required ScheduleWhen When { get; init; }

    /// <summary>An IANA name, such as <c>Europe/Berlin</c>.</summary>
    public required string TimeZone { get; init; }
    public required bool Enabled { get; init; }
    public required MissedRuns Missed { get; init; }
    public required double MissedWithinSeconds { get; init; }
    public double? TimeoutSeconds { get; init; }
    public bool? Force { get; init; }
    public ScheduledSnapshot? Snapshot { get; init; }

    /// <summary>Null when it is disabled, or never due again.</summary>
    public DateTimeOffset? NextRun { get; init; }

    /// <summary>Without its results. Null before the first.</summary>
    public ScheduleRun? LastRun { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required DateTimeOffset UpdatedAt { get; init; }
    public required string Etag { get; init; }
}

/// <summary>The body of <c>POST /schedules</c>, and what <c>PATCH /schedules/{schedule}</c> changes as a JSON merge patch (RFC 7396).</summary>
public sealed record ScheduleSettings
{
    public required string Name { get; init; }
    public string? Description { get; init; }

    /// <summary>A name or an id. Either this or <see cref="Filter"/>.</summary>
    public string? Instance { get; init; }
    public string? Filter { get; init; }
    public required ScheduledAction Action { get; init; }
    public required ScheduleWhen When { get; init; }

    /// <summary>Default: the node's.</summary>
    public string? TimeZone { get; init; }

    /// <summary>Default true.</summary>
    public bool? Enabled { get; init; }

    /// <summary>Default <c>once</c>.</summary>
    public MissedRuns? Missed { get; init; }

    /// <summary>For <c>once</c>: how old the newest missed due time may be. 60 to 2,592,000; default 3,600.</summary>
    public double? MissedWithinSeconds { get; init; }

    /// <summary>For shutdown and restart: as in <see cref="ShutdownInstance"/>.</summary>
    public double? TimeoutSeconds { get; init; }

    /// <summary>For restart: as in <see cref="RestartInstance"/>.</summary>
    public bool? Force { get; init; }

    /// <summary>For snapshot.</summary>
    public ScheduledSnapshot? Snapshot { get; init; }
}

/// <summary>Numbers are stored and never change (a golden test holds them).</summary>
public enum ScheduledAction
{
    Start = 1,
    Shutdown = 2,
    Stop = 3,
    Restart = 4,
    Pause = 5,
    Resume = 6,
    Snapshot = 7,
}

public enum ScheduleKind
{
    Once = 1,
    Hourly = 2,
    Daily = 3,
    Weekly = 4,
    Monthly = 5,
    Cron = 6,
}

public enum Weekday
{
    Monday = 1,
    Tuesday = 2,
    Wednesday = 3,
    Thursday = 4,
    Friday = 5,
    Saturday = 6,
    Sunday = 7,
}

/// <summary>When something is due. Each kind takes its own fields and no others.</summary>
/// <param name="At">Of <c>once</c>: an instant.</param>
/// <param name="Minute">Of <c>hourly</c>: 0 to 59.</param>
/// <param name="Time">Of <c>daily</c>, <c>weekly</c> and <c>monthly</c>: <c>HH:mm</c> on the zone's clocks.</param>
/// <param name="Weekdays">Of <c>weekly</c>: at least one.</param>
/// <param name="Days">Of <c>monthly</c>: 1 to 31; a month without that day is left out.</param>
/// <param name="LastDay">Of <c>monthly</c>: the last of each month, alone or beside <paramref name="Days"/>.</param>
/// <param name="Cron">Of <c>cron</c>: minute, hour, day of month, month, day of week.</param>
public sealed record ScheduleWhen(
    ScheduleKind Kind, DateTimeOffset? At = null, int? Minute = null, string? Time = null, IReadOnlyList<Weekday>? Weekdays = null,
    IReadOnlyList<int>? Days = null, bool? LastDay = null, string? Cron = null);

/// <summary>What becomes of due times at which no daemon ran.</summary>
public enum MissedRuns
{
    /// <summary>They are noted and left out.</summary>
    Skip = 1,

    /// <summary>One run is made up for, if the newest of them is young enough; never all of them.</summary>
    Once = 2,
}

/// <param name="Retention">Which of the schedule's snapshots stay when a new one is there. Null for all.</param>
/// <param name="Memory">With what the guest has in memory. One that is stopped has none: its snapshot is taken without.</param>
/// <param name="Quiesce"><c>auto</c> when left out.</param>
public sealed record ScheduledSnapshot(string? Description = null, SnapshotRetention? Retention = null, bool? Memory = null, SnapshotQuiesce? Quiesce = null);

/// <summary>
/// Which snapshots stay: each that at least one rule keeps. Without any rule all of them do. Of an hour, day, week (ISO 8601), month
/// or year the newest is kept, for as many of the newest such spans as have a snapshot at all.
/// </summary>
/// <param name="KeepLast">The newest so many.</param>
/// <param name="MaxAge">Seconds: those that are not older than the newest by more.</param>
public sealed record SnapshotRetention(
    int? KeepLast = null, double? MaxAge = null, int? Hourly = null, int? Daily = null, int? Weekly = null, int? Monthly = null, int? Yearly = null);

/// <summary>Numbers are stored and never change (a golden test holds them).</summary>
public enum RunTrigger
{
    Due = 1,

    /// <summary>It was due while no daemon ran, and is made up for.</summary>
    Missed = 2,
    Asked = 3,
}

/// <summary>Numbers are stored and never change (a golden test holds them).</summary>
public enum RunState
{
    Running = 1,
    Succeeded = 2,
    Failed = 3,

    /// <summary>Of a run: it was left out. Of an instance: it was so already.</summary>
    Skipped = 4,
}

/// <summary>What was done at one due time; there is never a second run for it.</summary>
/// <param name="Reason">Why it failed or was left out.</param>
/// <param name="Results">One for each instance; null where they are not shown.</param>
public sealed record ScheduleRun(
    Id<ScheduleRun> Id, DateTimeOffset Due, RunTrigger Trigger, RunState State, DateTimeOffset StartedAt, DateTimeOffset? FinishedAt = null, string? Reason = null,
    IReadOnlyList<ScheduleResult>? Results = null);

/// <param name="Operation">What was begun; null where nothing was.</param>
public sealed record ScheduleResult(Id<Instance> InstanceId, string Instance, RunState State, Id<Operation>? Operation = null, Problem? Error = null);

/// <summary>The body of <c>POST /schedules:preview</c>; nothing is changed.</summary>
/// <param name="TimeZone">Default: the node's.</param>
/// <param name="After">Default: now.</param>
/// <param name="Count">How many due times; 1 to 1,000, default 10.</param>
/// <param name="Retention">Played through over a snapshot at each of <paramref name="HistoryRuns"/> due times.</param>
/// <param name="HistoryRuns">1 to 10,000; default 1,000.</param>
public sealed record PreviewSchedule(
    ScheduleWhen When, string? TimeZone = null, DateTimeOffset? After = null, int? Count = null, SnapshotRetention? Retention = null, int? HistoryRuns = null);

/// <param name="Runs">With the zone's offset at each.</param>
public sealed record SchedulePreview(string TimeZone, IReadOnlyList<DateTimeOffset> Runs, RetentionPreview? Retention = null);

/// <param name="From">The first simulated snapshot.</param>
/// <param name="To">The last one.</param>
/// <param name="Kept">The newest first.</param>
public sealed record RetentionPreview(int Snapshots, DateTimeOffset From, DateTimeOffset To, IReadOnlyList<KeptSnapshot> Kept);

/// <param name="Reasons">What each rule that keeps it says.</param>
public sealed record KeptSnapshot(DateTimeOffset Time, IReadOnlyList<string> Reasons);
