using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gantry.Contracts;

/// <summary>The answer of <c>GET /system/health</c>, the one route besides the OpenAPI document that asks for no sign-in.</summary>
/// <param name="Status"><c>ok</c>, or <c>degraded</c> with the reason.</param>
public sealed record SystemHealth(string Status, string? Reason = null);

public sealed record SystemInfo(
    string Version, Id<NodeInfo> NodeId, string Node, string Root,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? HttpsUrl, string CertificateSha256,
    DateTimeOffset StartedAt, int Pid);

/// <summary>One setting: what it is, and which of default, file, environment or flag it came from.</summary>
public sealed record Setting(string Name, JsonElement Value, string Source, string Description);

public sealed record Settings(IReadOnlyList<Setting> Items);
