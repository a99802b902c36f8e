using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gantry.Node.Networks;

/// <summary>
/// A network device of the host, as <c>ip -json -details address</c> has it (iproute2 6.1). What it may leave out can be set, not only given
/// at first: else the serializer would replace what stands here by null.
/// </summary>
internal sealed record HostLink
{
    [JsonPropertyName("ifname")]
    public string Name { get; set; } = "";

    /// <summary>Another one when a device of the same name is made anew.</summary>
    [JsonPropertyName("ifindex")]
    public int Index { get; set; }

    public IReadOnlyList<string> Flags { get; set; } = [];

    public int Mtu { get; set; }

    /// <summary>The bridge it is a port of.</summary>
    public string? Master { get; set; }

    [JsonPropertyName("address")]
    public string? Mac { get; set; }

    /// <summary>The device a VLAN is of.</summary>
    [JsonPropertyName("link")]
    public string? Parent { get; set; }

    [JsonPropertyName("ifalias")]
    public string? Alias { get; init; }

    /// <summary>Only where it was asked for, with <c>-s</c>.</summary>
    [JsonPropertyName("stats64")]
    public LinkStatistics Statistics { get; set; } = new();

    [JsonPropertyName("linkinfo")]
    public LinkInfo? Info { get; set; }

    [JsonPropertyName("addr_info")]
    public IReadOnlyList<LinkAddress> Addresses { get; set; } = [];

    [JsonIgnore]
    public bool IsUp => Flags.Contains("UP");

    [JsonIgnore]
    public string? Kind => Info?.Kind;

    /// <summary>What <c>ip</c> wrote; it leaves empty objects where it shows nothing.</summary>
    /// <exception cref="JsonException"/>
    public static IReadOnlyList<HostLink> ReadAll(string json) =>
        [.. (JsonSerializer.Deserialize(json, LinkJson.Default.IReadOnlyListHostLink) ?? []).Where(l => l.Name.Length > 0)];
}

/// <param name="Received">By the host: what the device brought in.</param>
internal sealed record LinkStatistics([property: JsonPropertyName("rx")] LinkCounters Received = default, [property: JsonPropertyName("tx")] LinkCounters Sent = default);

internal readonly record struct LinkCounters(long Bytes, long Packets, long Dropped);

internal sealed record LinkInfo
{
    [JsonPropertyName("info_kind")]
    public string? Kind { get; init; }

    [JsonPropertyName("info_data")]
    public LinkData? Data { get; init; }
}

/// <summary>Of bridges, VLANs and VXLANs what Gantry sets.</summary>
internal sealed record LinkData
{
    [JsonPropertyName("stp_state")]
    public int? Stp { get; init; }

    [JsonPropertyName("forward_delay")]
    public int? ForwardDelay { get; init; }

    /// <summary>The tag of a VLAN, the identifier of a VXLAN. Others have text here.</summary>
    public JsonElement Id { get; init; }

    public string? Local { get; init; }

    public string? Local6 { get; init; }

    /// <summary>Of a VXLAN, UDP. Others have other things here.</summary>
    public JsonElement Port { get; init; }
}

/// <param name="Local">The address itself.</param>
internal sealed record LinkAddress(string Family, string Local, [property: JsonPropertyName("prefixlen")] int PrefixLength, string? Scope);

/// <summary>An entry of a bridge's or VXLAN's table, as <c>bridge -json fdb show</c> has it.</summary>
/// <param name="Device">The port.</param>
/// <param name="To">Where a VXLAN sends it to.</param>
internal sealed record ForwardingEntry(string? Mac, [property: JsonPropertyName("ifname")] string? Device, [property: JsonPropertyName("dst")] string? To)
{
    /// <summary>Stands for every MAC that no entry has.</summary>
    public const string AnyMac = "00:00:00:00:00:00";

    /// <exception cref="JsonException"/>
    public static IReadOnlyList<ForwardingEntry> ReadAll(string json) => JsonSerializer.Deserialize(json, LinkJson.Default.IReadOnlyListForwardingEntry) ?? [];
}

/// <summary>A route, as <c>ip -json route</c> has it.</summary>
/// <param name="Type">Null for an ordinary one.</param>
/// <param name="To">An address, a subnet, or <c>default</c>.</param>
internal sealed record HostRoute(string? Type, [property: JsonPropertyName("dst")] string? To, [property: JsonPropertyName("dev")] string? Device)
{
    /// <exception cref="JsonException"/>
    public static IReadOnlyList<HostRoute> ReadAll(string json) => JsonSerializer.Deserialize(json, LinkJson.Default.IReadOnlyListHostRoute) ?? [];
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(IReadOnlyList<HostLink>))]
[JsonSerializable(typeof(IReadOnlyList<ForwardingEntry>))]
[JsonSerializable(typeof(IReadOnlyList<HostRoute>))]
internal sealed partial class LinkJson : JsonSerializerContext;
