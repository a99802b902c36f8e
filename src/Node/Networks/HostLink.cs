using System.Text.Json;
using Gantry.Node.Host;

namespace Gantry.Node.Networks;

/// <summary>A network device of the host as <c>ip -json link show</c> tells of it; of what was not asked for (<c>-d</c>, <c>-s</c>) nothing.</summary>
/// <param name="Kind">Null for a real card.</param>
/// <param name="Received">By the host: what the device brought in.</param>
internal sealed record HostLink(string Name, string? Kind, int Mtu, string? Alias, IReadOnlyList<string> Flags, LinkCounters Received, LinkCounters Sent)
{
    /// <exception cref="CommandFailed">It is not what <c>ip</c> writes.</exception>
    public static IReadOnlyList<HostLink> ReadAll(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return [.. document.RootElement.EnumerateArray().Where(e => e.TryGetProperty("ifname", out _)).Select(Read)];
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new CommandFailed($"ip wrote something odd: {e.Message}", 0, "", e);
        }
    }

    private static HostLink Read(JsonElement link)
    {
        var counters = link.TryGetProperty("stats64", out var stats) ? (LinkCounters.Read(stats.GetProperty("rx")), LinkCounters.Read(stats.GetProperty("tx"))) : default;
        return new(
            link.GetProperty("ifname").GetString()!,
            link.TryGetProperty("linkinfo", out var info) && info.TryGetProperty("info_kind", out var kind) ? kind.GetString() : null,
            link.GetProperty("mtu").GetInt32(),
            link.TryGetProperty("ifalias", out var alias) ? alias.GetString() : null,
            [.. link.GetProperty("flags").EnumerateArray().Select(f => f.GetString()!)],
            counters.Item1,
            counters.Item2);
    }
}

internal readonly record struct LinkCounters(long Bytes, long Packets, long Dropped)
{
    public static LinkCounters Read(JsonElement counters) =>
        new(counters.GetProperty("bytes").GetInt64(), counters.GetProperty("packets").GetInt64(), counters.GetProperty("dropped").GetInt64());
}
