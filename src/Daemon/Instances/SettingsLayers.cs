using System.Text.Json;
using System.Text.Json.Nodes;
using Gantry.Contracts;

namespace Gantry.Daemon.Instances;

/// <summary>What one of those who have a say about an instance says.</summary>
/// <param name="Name">As origins show it: <c>request</c>, <c>template web</c>, <c>built-in linux</c>, <c>image debian</c>, <c>default</c>.</param>
/// <param name="Least">What it lets no instance stay under.</param>
internal sealed record SettingsLayer(string Name, InstanceSettings Settings, LeastSize? Least = null);

/// <summary>The layers a template puts below a request, the strongest first.</summary>
/// <exception cref="Refusal"><c>template.unknown</c></exception>
internal delegate Task<IReadOnlyList<SettingsLayer>> TemplateLayers(string template, CancellationToken ct);

/// <param name="Origins">For each value's JSON path the name of the layer it came from; paths in the order of the settings.</param>
internal sealed record LayeredSettings(InstanceSettings Settings, IReadOnlyDictionary<string, string> Origins);

/// <summary>
/// Lays settings over each other: a pure function. Objects are merged field by field; volumes and NICs are merged by their names,
/// in the order of the weakest layer that has them, labels by their keys; any other list is taken whole. What a volume
/// shows (<c>image</c>, <c>path</c> or <c>generated</c>) is one choice: a layer that makes it takes away a weaker one's; so is raw
/// user-data or network-config of cloud-init, or the fields in their place.
/// </summary>
internal static class SettingsLayers
{
    private static readonly string[] Contents = ["image", "path", "generated"];

    private static readonly (string Raw, string[] Others)[] RawForms =
    [
        ("userData", ["users", "sshKeys", "packages", "runcmd", "writeFiles", "timezone"]),
        ("networkConfig", ["nics", "dnsServers", "searchDomains"]),
    ];

    /// <param name="layers">The strongest first.</param>
    public static LayeredSettings Resolve(IReadOnlyList<SettingsLayer> layers)
    {
        JsonNode? whole = new JsonObject();
        var marks = new Dictionary<JsonNode, string>(ReferenceEqualityComparer.Instance);
        foreach (var layer in layers.Reverse())
        {
            var node = JsonSerializer.SerializeToNode(layer.Settings, WireJson.Default.InstanceSettings)!;
            Mark(node, layer.Name, marks);
            whole = Over(node, whole, marks);
        }

        var origins = new Dictionary<string, string>();
        Collect(whole!, "$", marks, origins);
        return new(whole.Deserialize(WireJson.Default.InstanceSettings)!, origins);
    }

    private static JsonNode Over(JsonNode strong, JsonNode? weak, Dictionary<JsonNode, string> marks) => (strong, weak) switch
    {
        (JsonObject fields, JsonObject below) => OverObject(fields, below, marks),
        (JsonArray list, JsonArray below) when IsNamed(list) && IsNamed(below) => OverList(list, below, marks),
        _ => strong,
    };

    private static JsonObject OverObject(JsonObject strong, JsonObject weak, Dictionary<JsonNode, string> marks)
    {
        foreach (var (raw, others) in RawForms)
        {
            foreach (var name in strong.ContainsKey(raw) ? others : others.Any(strong.ContainsKey) ? [raw] : [])
            {
                weak.Remove(name);
            }
        }

        if (Contents.Any(strong.ContainsKey))
        {
            foreach (var content in Contents)
            {
                weak.Remove(content);
            }
        }

        foreach (var (name, value) in strong.ToList())
        {
            strong.Remove(name);
            var below = weak[name];
            weak[name] = null;
            weak[name] = Over(value!, below, marks);
        }

        marks[weak] = marks[strong]; // told of an object that is empty and stays so
        return weak;
    }

    /// <summary>An item meets the first of its name that none before it has met, so a name given twice stays twice, to be refused.</summary>
    private static JsonArray OverList(JsonArray strong, JsonArray weak, Dictionary<JsonNode, string> marks)
    {
        var met = new HashSet<int>();
        foreach (var item in strong.ToList())
        {
            strong.Remove(item);
            var at = Enumerable.Range(0, weak.Count).Where(i => !met.Contains(i) && NameOf(weak[i]) == NameOf(item)).Select(i => (int?)i).FirstOrDefault();
            if (at is { } place)
            {
                var below = weak[place]!;
                weak[place] = null;
                weak[place] = Over(item!, below, marks);
                met.Add(place);
            }
            else
            {
                weak.Add(item);
                met.Add(weak.Count - 1);
            }
        }

        return weak;
    }

    private static void Mark(JsonNode node, string layer, Dictionary<JsonNode, string> marks)
    {
        marks[node] = layer;
        foreach (var child in node switch { JsonObject o => o.Select(f => f.Value), JsonArray a when IsNamed(a) => a, _ => [] })
        {
            Mark(child!, layer, marks);
        }
    }

    private static void Collect(JsonNode node, string path, Dictionary<JsonNode, string> marks, Dictionary<string, string> origins)
    {
        switch (node)
        {
            case JsonObject { Count: > 0 } fields:
                foreach (var (name, value) in fields)
                {
                    Collect(value!, $"{path}.{name}", marks, origins);
                }

                break;
            case JsonArray { Count: > 0 } list when IsNamed(list):
                foreach (var (index, item) in list.Index())
                {
                    Collect(item!, $"{path}[{index}]", marks, origins);
                }

                break;
            case JsonObject when path == "$":
                break;
            default:
                origins[path] = marks[node];
                break;
        }
    }

    private static bool IsNamed(JsonArray list) => list.All(item => NameOf(item) is not null);

    private static string? NameOf(JsonNode? item) => item is JsonObject fields && fields["name"] is JsonValue name && name.TryGetValue<string>(out var text) ? text : null;
}
