using Gantry.Contracts;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Pools;

/// <summary>What a volume must keep to by itself.</summary>
internal static class PoolVolumeRules
{
    public static IEnumerable<Fault> Faults(CreatePoolVolume wanted) => Faults(wanted.Name, wanted.SizeBytes, wanted.Description);

    public static IEnumerable<Fault> Faults(ChangePoolVolume wanted) => Faults(wanted.Name, wanted.SizeBytes, wanted.Description);

    public static IEnumerable<Fault> Faults(DetachVolume wanted) => wanted.Name is null ? [] : TextRules.Name("$.name", wanted.Name);

    /// <param name="bytes">Null is no fault.</param>
    public static IEnumerable<Fault> Size(string at, long? bytes) =>
        bytes is < Limits.MinVolumeBytes or > Limits.MaxVolumeBytes ? [new(at, $"{bytes} is not from {Limits.MinVolumeBytes} to {Limits.MaxVolumeBytes}")]
        : bytes % Limits.MiB > 0 ? [new(at, $"{bytes} is not a multiple of 1 MiB")]
        : [];

    private static IEnumerable<Fault> Faults(string name, long? sizeBytes, string? description) =>
        [.. TextRules.Name("$.name", name), .. Size("$.sizeBytes", sizeBytes), .. TextRules.Description(description)];
}
