using Gantry.Contracts;

namespace Gantry.Daemon.Quotas;

/// <summary>Whose snapshots a quota is about.</summary>
/// <param name="Subject">The pool's or the instance's id; null for the system.</param>
/// <param name="Name">As callers write it: <c>system</c>, <c>pool:NAME</c> or <c>instance:NAME</c>.</param>
internal sealed record QuotaOwner(QuotaScope Scope, Guid? Subject, string Name)
{
    public static QuotaOwner System { get; } = new(QuotaScope.System, null, "system");

    /// <summary>As the table calls it; names may change.</summary>
    public string Key => KeyOf(Scope, Subject);

    public Guid? Pool => Scope == QuotaScope.Pool ? Subject : null;

    public Guid? Instance => Scope == QuotaScope.Instance ? Subject : null;

    public static string KeyOf(QuotaScope scope, Guid? subject) => scope switch
    {
        QuotaScope.Pool => $"pool:{subject}",
        QuotaScope.Instance => $"instance:{subject}",
        _ => "system",
    };
}

/// <summary>A quota as it is kept.</summary>
/// <param name="Settings">As they were given; see <see cref="Limit"/>.</param>
/// <param name="Told">The level that was told last.</param>
/// <param name="Version">0 for one that nobody set.</param>
internal sealed record StoredQuota(QuotaOwner Owner, QuotaSettings Settings, QuotaUsage Usage, QuotaLevel Told, DateTimeOffset? UpdatedAt = null, long Version = 0)
{
    public bool IsDefault => Version == 0;

    public string Etag => $"\"{Version}\"";

    /// <summary>What holds: an instance has at most <see cref="Limits.Snapshots"/>, whatever else is said.</summary>
    public QuotaSettings Limit => LimitOf(Owner.Scope, Settings);

    public static QuotaSettings LimitOf(QuotaScope scope, QuotaSettings settings) => settings with
    {
        MaxCount = settings.MaxCount ?? (scope == QuotaScope.Instance ? Limits.Snapshots : null),
        WarnPercent = settings.WarnPercent ?? QuotaPlan.WarnPercent,
        Policy = settings.Policy ?? QuotaPolicy.Manual,
    };

    public Quota ToWire() => new()
    {
        Name = Owner.Name,
        Scope = Owner.Scope,
        IsDefault = IsDefault,
        Settings = Limit,
        Usage = Usage,
        UpdatedAt = UpdatedAt,
        Etag = Etag,
    };
}
