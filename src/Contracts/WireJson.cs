using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gantry.Contracts;

/// <summary>The one way Gantry's JSON is written and read: camelCase, enums as words, nulls left out.
/// A record's nullable parameter has the default null, because one left out is otherwise refused when read; where it cannot, its null is written.
/// Readers pass over fields they do not know, so an older client reads a newer daemon; bodies sent to the daemon are checked there.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    Converters =
    [
        typeof(Words<InstanceKind>), typeof(Words<InstanceState>), typeof(Words<InstanceAction>), typeof(Words<Firmware>),
        typeof(Words<StopCause>), typeof(Words<PauseCause>),
        typeof(Words<ImageState>), typeof(Words<DiskFormat>), typeof(Words<OperationState>), typeof(Words<DriverHealth>), typeof(Words<CheckLevel>),
        typeof(Words<ConsoleKind>), typeof(Words<ConsoleEnd>),
        typeof(Words<Architecture>), typeof(Words<NumaMode>), typeof(Words<VolumeDevice>), typeof(Words<VolumeBus>), typeof(Words<VolumeCache>), typeof(Words<NicModel>),
        typeof(Words<GeneratedDisc>), typeof(Words<ClockBase>),
        typeof(Words<NetworkKind>), typeof(Words<PoolKind>), typeof(Words<VolumeFormat>), typeof(Words<PoolVolumeState>),
        typeof(Words<Ipv6Mode>), typeof(Words<TransportProtocol>), typeof(Words<PolicyAction>), typeof(Words<PolicyDirection>),
        typeof(Words<PolicyProtocol>), typeof(Words<LabelOperator>),
        typeof(Words<SnapshotLevel>),
        typeof(Words<SnapshotQuiesce>),
        typeof(Words<QuotaScope>), typeof(Words<QuotaPolicy>), typeof(Words<QuotaLevel>),
        typeof(Words<ScheduledAction>), typeof(Words<ScheduleKind>), typeof(Words<Weekday>), typeof(Words<MissedRuns>), typeof(Words<RunTrigger>), typeof(Words<RunState>),
    ],
    NumberHandling = JsonNumberHandling.Strict,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    MaxDepth = Limits.JsonDepth)]
[JsonSerializable(typeof(Instance))]
[JsonSerializable(typeof(Page<Instance>))]
[JsonSerializable(typeof(Machine))]
[JsonSerializable(typeof(CreateInstance))]
[JsonSerializable(typeof(InstanceSettings))]
[JsonSerializable(typeof(InstancePreview))]
[JsonSerializable(typeof(CloudInit))]
[JsonSerializable(typeof(Template))]
[JsonSerializable(typeof(Page<Template>))]
[JsonSerializable(typeof(CreateTemplate))]
[JsonSerializable(typeof(ChangeTemplate))]
[JsonSerializable(typeof(ShutdownInstance))]
[JsonSerializable(typeof(RestartInstance))]
[JsonSerializable(typeof(RenameInstance))]
[JsonSerializable(typeof(ResizeInstance))]
[JsonSerializable(typeof(ChangeInstance))]
[JsonSerializable(typeof(PendingResize))]
[JsonSerializable(typeof(CloneInstance))]
[JsonSerializable(typeof(BatchInstances))]
[JsonSerializable(typeof(BatchResults))]
[JsonSerializable(typeof(SerialOutput))]
[JsonSerializable(typeof(DriverCommandLine))]
[JsonSerializable(typeof(OpenConsole))]
[JsonSerializable(typeof(ConsoleTicket))]
[JsonSerializable(typeof(Page<ConsoleInfo>))]
[JsonSerializable(typeof(ConsoleRequest))]
[JsonSerializable(typeof(ConsoleNews))]
[JsonSerializable(typeof(Operation))]
[JsonSerializable(typeof(Page<Operation>))]
[JsonSerializable(typeof(OperationLog))]
[JsonSerializable(typeof(Event))]
[JsonSerializable(typeof(EventGap))]
[JsonSerializable(typeof(Image))]
[JsonSerializable(typeof(Page<Image>))]
[JsonSerializable(typeof(BuildImage))]
[JsonSerializable(typeof(ImportImage))]
[JsonSerializable(typeof(CreateImage))]
[JsonSerializable(typeof(RenameImage))]
[JsonSerializable(typeof(ChangeImage))]
[JsonSerializable(typeof(Nic))]
[JsonSerializable(typeof(Page<NicInfo>))]
[JsonSerializable(typeof(ChangeNic))]
[JsonSerializable(typeof(Page<Pool>))]
[JsonSerializable(typeof(CreatePool))]
[JsonSerializable(typeof(PoolVolume))]
[JsonSerializable(typeof(Page<PoolVolume>))]
[JsonSerializable(typeof(CreatePoolVolume))]
[JsonSerializable(typeof(ChangePoolVolume))]
[JsonSerializable(typeof(Page<Volume>))]
[JsonSerializable(typeof(AddVolume))]
[JsonSerializable(typeof(DetachVolume))]
[JsonSerializable(typeof(ChangeVolume))]
[JsonSerializable(typeof(MoveVolume))]
[JsonSerializable(typeof(Page<Network>))]
[JsonSerializable(typeof(NetworkSettings))]
[JsonSerializable(typeof(NetworkRepair))]
[JsonSerializable(typeof(Page<NicAddress>))]
[JsonSerializable(typeof(Page<Forward>))]
[JsonSerializable(typeof(CreateForward))]
[JsonSerializable(typeof(Page<Policy>))]
[JsonSerializable(typeof(ExplainPolicy))]
[JsonSerializable(typeof(PolicyDecision))]
[JsonSerializable(typeof(Page<PolicyCounter>))]
[JsonSerializable(typeof(Snapshot))]
[JsonSerializable(typeof(Page<Snapshot>))]
[JsonSerializable(typeof(CreateSnapshot))]
[JsonSerializable(typeof(ChangeSnapshot))]
[JsonSerializable(typeof(RestoreSnapshot))]
[JsonSerializable(typeof(SnapshotVerdict))]
[JsonSerializable(typeof(SnapshotTree))]
[JsonSerializable(typeof(SnapshotStatistics))]
[JsonSerializable(typeof(Quota))]
[JsonSerializable(typeof(Page<Quota>))]
[JsonSerializable(typeof(QuotaSettings))]
[JsonSerializable(typeof(QuotaSummary))]
[JsonSerializable(typeof(QuotaEnforced))]
[JsonSerializable(typeof(Page<Schedule>))]
[JsonSerializable(typeof(ScheduleSettings))]
[JsonSerializable(typeof(Page<ScheduleRun>))]
[JsonSerializable(typeof(IReadOnlyList<ScheduleResult>))]
[JsonSerializable(typeof(PreviewSchedule))]
[JsonSerializable(typeof(SchedulePreview))]
[JsonSerializable(typeof(NodeInfo))]
[JsonSerializable(typeof(Page<NodeInfo>))]
[JsonSerializable(typeof(Page<DriverInfo>))]
[JsonSerializable(typeof(DoctorReport))]
[JsonSerializable(typeof(SystemHealth))]
[JsonSerializable(typeof(SystemInfo))]
[JsonSerializable(typeof(Settings))]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(JsonElement))]
public sealed partial class WireJson : JsonSerializerContext
{
    /// <summary>For answers that are as deep as a tree of snapshots can get.</summary>
    public static WireJson Deep => field ??= new(new JsonSerializerOptions(Default.Options) { MaxDepth = (3 * Limits.Snapshots) + Limits.JsonDepth });
}

/// <summary>An enum as its camelCase word (<c>running</c>); a number is refused. Each enum on the wire has a place in <see cref="WireJson"/>.</summary>
public sealed class Words<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.CamelCase, allowIntegerValues: false)
    where T : struct, Enum;
