using System.Text.Json;
using System.Text.Json.Serialization;
using Gantry.Contracts;

namespace Gantry.Node.Pools;

/// <summary>A pool as its node keeps it, in <c>data/pools/{id}.json</c>, so a node recovers without a control plane.</summary>
/// <param name="Source">As <see cref="CreatePool.Source"/>.</param>
/// <param name="Mount">Null where nothing is said of it.</param>
/// <param name="Raw">Of a kind that keeps disks in files of its own choice: they begin as raw ones.</param>
public sealed record PoolSpec(Id<Pool> Id, PoolKind Kind, string Source, PoolMount? Mount = null, bool Raw = false);

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, UseStringEnumConverter = true, WriteIndented = true,
    RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(PoolSpec))]
[JsonSerializable(typeof(OwnerRecord))]
[JsonSerializable(typeof(CephRecord))]
internal sealed partial class PoolJson : JsonSerializerContext;
