using System.Text.Json;
using System.Text.Json.Serialization;
using Gantry.Contracts;
using Gantry.Node.Networks;

namespace Gantry.Node.Instances;

/// <summary>All a node needs to run an instance, kept in its folder as <c>spec.json</c>, so a node recovers without a control plane.</summary>
/// <param name="Uid">The user and group id its processes run under.</param>
public sealed record InstanceSpec(
    Id<Instance> Id, string Name, InstanceKind Kind, string Driver, int Cpus, long MemoryBytes, Firmware Firmware,
    string? Kernel, string? Initrd, string? CommandLine, int Uid)
{
    public const int Newest = 1;

    /// <summary>For how many CPUs a start leaves room; none beside its own when null.</summary>
    public int? MaxCpus { get; init; }

    /// <summary>For how much memory a start leaves room; none beside its own when null.</summary>
    public long? MaxMemoryBytes { get; init; }

    /// <summary>Raised when the meaning of a field changes; a node refuses one newer than it knows.</summary>
    public int Version { get; init; } = Newest;

    /// <summary>Null in what was written before there was a choice: the host's.</summary>
    public Architecture? Architecture { get; init; }
    public CpuOptions? Cpu { get; init; }
    public MemoryOptions? Memory { get; init; }
    public IReadOnlyList<VolumeSpec>? Volumes { get; init; }
    public IReadOnlyList<NicSpec>? Nics { get; init; }
    public IReadOnlyList<string>? BootOrder { get; init; }
    public bool SecureBoot { get; init; }
    public bool Tpm { get; init; }
    public ClockBase? Clock { get; init; }
    public WindowsSetup? Windows { get; init; }

    /// <summary>Null where the guest is told nothing.</summary>
    public CloudInitSpec? CloudInit { get; init; }

    /// <summary>The user its TPM runs under; null in what was written before there was a choice.</summary>
    public int? TpmUid { get; init; }
}

/// <summary>A volume as the node keeps it.</summary>
/// <param name="Image">A disk keeps only what differs from this image; a disc drive shows it.</param>
/// <param name="Path">For a disc drive: a file on this node.</param>
/// <param name="SizeBytes">Of a disk; 0 for a disc drive.</param>
/// <param name="Generated">What is made in the instance's folder and shown here.</param>
public sealed record VolumeSpec(
    string Name, VolumeDevice Device, Id<Image>? Image, string? Path, long SizeBytes, VolumeBus Bus, VolumeCache Cache, bool ReadOnly, VolumeLimits? Limits = null,
    GeneratedDisc? Generated = null)
{
    /// <summary>Where a disk lies; null for the one beside the instances.</summary>
    public Id<Pool>? Pool { get; init; }

    /// <summary>Where in its machine it is plugged in, from 0, so that it keeps its place when others go; null for the first that is free.</summary>
    public int? Port { get; init; }

    /// <summary>The same volumes, each with its port. What is on virtio and on nvme shares ports, scsi and sata have their own.</summary>
    public static IReadOnlyList<VolumeSpec> WithPorts(IReadOnlyList<VolumeSpec> volumes)
    {
        var taken = volumes.Where(v => v.Port is not null).Select(v => (BusOf(v), v.Port!.Value)).ToHashSet();
        return [.. volumes.Select(v => v.Port is null ? v with { Port = Enumerable.Range(0, int.MaxValue).First(port => taken.Add((BusOf(v), port))) } : v)];

        static VolumeBus BusOf(VolumeSpec volume) => volume.Bus == VolumeBus.Nvme ? VolumeBus.Virtio : volume.Bus;
    }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, UseStringEnumConverter = true, WriteIndented = true,
    RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(InstanceSpec))]
internal sealed partial class SpecJson : JsonSerializerContext;
