using System.Text.Json.Serialization;

namespace Gantry.Contracts;

/// <summary>A machine that runs instances.</summary>
public sealed record NodeInfo(
    Id<NodeInfo> Id, string Name, int Cpus, long MemoryBytes, string Kernel, string Architecture);

/// <summary>What runs instances, and what it can do on this host today.</summary>
/// <param name="Capabilities">Read from the optional interfaces the driver implements: <c>pause</c>, <c>serialLog</c>, …</param>
/// <param name="Reason">Why it is not usable and what would make it so, or a remark (<c>TCG: no hardware virtualisation here</c>).</param>
public sealed record DriverInfo(
    string Name, IReadOnlyList<InstanceKind> Kinds, DriverHealth Health,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Version,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Accelerator,
    IReadOnlyList<string> Capabilities, string? Reason = null);

/// <summary>Numbers are stored and never change (a golden test holds them).</summary>
public enum DriverHealth
{
    Usable = 1,
    Unusable = 2,
}

/// <summary>One line of <c>gantry doctor</c>.</summary>
/// <param name="Hint">What to do when <paramref name="Level"/> is not <see cref="CheckLevel.Ok"/>.</param>
public sealed record Check(string Name, CheckLevel Level, string Finding, string? Hint = null);

public enum CheckLevel
{
    Ok = 1,
    Warning = 2,
    Failed = 3,
}

public sealed record DoctorReport(IReadOnlyList<Check> Items);
