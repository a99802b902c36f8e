using System.Text.Json;
using System.Text.Json.Serialization;
using Gantry.Contracts;

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
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, UseStringEnumConverter = true, WriteIndented = true,
    RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(InstanceSpec))]
internal sealed partial class SpecJson : JsonSerializerContext;
