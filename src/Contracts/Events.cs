using System.Text.Json;

namespace Gantry.Contracts;

/// <summary>Something that happened. Numbered without holes in the order in which the changes were committed.</summary>
/// <param name="Seq">1 and up; a reader resumes with <c>since=</c> the last one it saw.</param>
/// <param name="Topic">The word before the dot of <paramref name="Type"/>.</param>
/// <param name="Type">One of <see cref="EventTypes"/>.</param>
/// <param name="Subject">What it is about, as a path: <c>instances/{id}</c>.</param>
/// <param name="Actor">Who caused it; <c>system</c> when nobody did.</param>
public sealed record Event(
    long Seq, DateTimeOffset Time, string Topic, string Type, string Subject, string Actor, string? RequestId = null, JsonElement? Data = null);

/// <summary>Told to a reader whose <c>since=</c> is older than what is kept, in place of the events it missed.</summary>
public sealed record EventGap(string Type, long Missed);

/// <summary>Frozen strings; docs/api/events.md lists them and a test compares.</summary>
public static class EventTypes
{
    public const string InstanceCreated = "instance.created";
    public const string InstanceStarted = "instance.started";
    public const string InstanceStopped = "instance.stopped";
    public const string InstancePaused = "instance.paused";
    public const string InstanceResumed = "instance.resumed";
    public const string InstanceFailed = "instance.failed";
    public const string InstanceReset = "instance.reset";
    public const string InstanceResized = "instance.resized";
    public const string InstanceRenamed = "instance.renamed";
    public const string InstanceChanged = "instance.changed";
    public const string InstanceDeleted = "instance.deleted";
    public const string ConsoleOpened = "console.opened";
    public const string ConsoleClosed = "console.closed";
    public const string ImageBuilt = "image.built";
    public const string ImageImported = "image.imported";
    public const string ImageCaptured = "image.captured";
    public const string ImageUpdated = "image.updated";
    public const string ImageDeleted = "image.deleted";
    public const string TemplateCreated = "template.created";
    public const string TemplateUpdated = "template.updated";
    public const string TemplateDeleted = "template.deleted";
    public const string NetworkCreated = "network.created";
    public const string NetworkUpdated = "network.updated";
    public const string NetworkRepaired = "network.repaired";
    public const string NetworkFailed = "network.failed";
    public const string NetworkDeleted = "network.deleted";
    public const string PoolCreated = "pool.created";
    public const string PoolDeleted = "pool.deleted";
    public const string PoolFailed = "pool.failed";
    public const string PoolRecovered = "pool.recovered";
    public const string PoolFilling = "pool.filling";
    public const string VolumeCreated = "volume.created";
    public const string VolumeUpdated = "volume.updated";
    public const string VolumeAttached = "volume.attached";
    public const string VolumeDetached = "volume.detached";
    public const string VolumeDeleted = "volume.deleted";
    public const string SnapshotCreated = "snapshot.created";
    public const string SnapshotUpdated = "snapshot.updated";
    public const string SnapshotRestored = "snapshot.restored";
    public const string SnapshotDamaged = "snapshot.damaged";
    public const string SnapshotNotThawed = "snapshot.not_thawed";
    public const string SnapshotDeleted = "snapshot.deleted";
    public const string QuotaUpdated = "quota.updated";
    public const string QuotaRemoved = "quota.removed";
    public const string QuotaWarned = "quota.warned";
    public const string QuotaExceeded = "quota.exceeded";
    public const string QuotaRecovered = "quota.recovered";
    public const string QuotaEnforced = "quota.enforced";
    public const string ScheduleCreated = "schedule.created";
    public const string ScheduleUpdated = "schedule.updated";
    public const string ScheduleStarted = "schedule.started";
    public const string ScheduleFinished = "schedule.finished";
    public const string ScheduleFailed = "schedule.failed";
    public const string ScheduleMissed = "schedule.missed";
    public const string ScheduleDeleted = "schedule.deleted";
    public const string OperationCreated = "operation.created";
    public const string OperationProgressed = "operation.progressed";
    public const string OperationFinished = "operation.finished";
    public const string DaemonStarted = "daemon.started";
    public const string DaemonStopping = "daemon.stopping";

    public static IReadOnlyList<string> All { get; } =
    [
        InstanceCreated, InstanceStarted, InstanceStopped, InstancePaused, InstanceResumed, InstanceFailed,
        InstanceReset, InstanceResized, InstanceRenamed, InstanceChanged, InstanceDeleted,
        ConsoleOpened, ConsoleClosed,
        ImageBuilt, ImageImported, ImageCaptured, ImageUpdated, ImageDeleted,
        TemplateCreated, TemplateUpdated, TemplateDeleted,
        NetworkCreated, NetworkUpdated, NetworkRepaired, NetworkFailed, NetworkDeleted,
        PoolCreated, PoolDeleted, PoolFailed, PoolRecovered, PoolFilling,
        VolumeCreated, VolumeUpdated, VolumeAttached, VolumeDetached, VolumeDeleted,
        SnapshotCreated, SnapshotUpdated, SnapshotRestored, SnapshotDamaged, SnapshotNotThawed, SnapshotDeleted,
        QuotaUpdated, QuotaRemoved, QuotaWarned, QuotaExceeded, QuotaRecovered, QuotaEnforced,
        ScheduleCreated, ScheduleUpdated, ScheduleStarted, ScheduleFinished, ScheduleFailed, ScheduleMissed, ScheduleDeleted,
        OperationCreated, OperationProgressed, OperationFinished,
        DaemonStarted, DaemonStopping,
    ];
}
