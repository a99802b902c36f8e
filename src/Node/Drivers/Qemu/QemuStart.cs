using System.Text.Json;
using System.Text.Json.Serialization;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>How one was started, kept in its run folder as start.json.</summary>
/// <param name="Files">What the launcher hands over.</param>
internal sealed record QemuStart(string Program, IReadOnlyList<string> Arguments, string Accelerator, IReadOnlyList<HandedFile>? Files = null)
{
    /// <summary>For how much memory it was started with room.</summary>
    public long? MaxMemoryBytes { get; init; }

    /// <summary>What the launcher hands over of its NICs.</summary>
    public IReadOnlyList<HandedTap>? Taps { get; init; }

    /// <summary>What the launcher listens at for it.</summary>
    public IReadOnlyList<HandedSocket>? Sockets { get; init; }

    /// <summary>It reaches some of its disks by the node's network.</summary>
    public bool IsNetworked { get; init; }

    /// <summary>Those disks, whose keys it needs.</summary>
    [JsonIgnore]
    public IReadOnlyList<RbdImage> Images { get; init; } = [];

    /// <summary>The file of the memory it was started from; null for one that booted.</summary>
    public string? Loads { get; init; }

    public static QemuStart? Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), QemuStartJson.Default.QemuStart);
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            return null;
        }
    }

    public void Write(string path) => AtomicFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(this, QemuStartJson.Default.QemuStart));
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(QemuStart))]
internal sealed partial class QemuStartJson : JsonSerializerContext;
