using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>Settings as a table: each with its value and where that comes from.</summary>
internal static class SettingsTable
{
    public static void Write(Session session, InstanceSettings settings, IReadOnlyDictionary<string, string> origins)
    {
        var table = new Table("SETTING", "VALUE", "COMES FROM");
        Add(table, SettingsInput.Of(settings, WireJson.Default.InstanceSettings), "", "$", "", origins);
        table.Write(session.Out);
    }

    /// <param name="path">As one writes it, with items of lists by their names.</param>
    /// <param name="at">The JSON path.</param>
    private static void Add(Table table, JsonNode? node, string path, string at, string name, IReadOnlyDictionary<string, string> origins)
    {
        switch (node)
        {
            case JsonObject { Count: > 0 } fields:
                var item = at.EndsWith(']');
                foreach (var (field, value) in fields.Where(f => !(item && f.Key == "name" && fields.Count > 1)))
                {
                    Add(table, value, path.Length == 0 ? field : $"{path}.{field}", $"{at}.{field}", field, origins);
                }

                break;
            case JsonArray list when list.Count > 0 && list.All(i => i is JsonObject):
                foreach (var (index, child) in list.Index())
                {
                    Add(table, child, $"{path}[{child!["name"]}]", string.Create(CultureInfo.InvariantCulture, $"{at}[{index}]"), "", origins);
                }

                break;
            default:
                table.Add(path, Text(node, name), origins.GetValueOrDefault(at));
                break;
        }
    }

    private static string Text(JsonNode? node, string name) => node switch
    {
        JsonArray list => Words.Join(list.Select(i => i!.ToString())),
        JsonValue value when name.EndsWith("Bytes", StringComparison.Ordinal) && value.GetValueKind() == JsonValueKind.Number => Sizes.Format((double)value),
        JsonValue value when name.EndsWith("BytesPerSecond", StringComparison.Ordinal) && value.GetValueKind() == JsonValueKind.Number => $"{Sizes.Format((double)value)}/s",
        JsonValue value => value.ToString(),
        _ => "",
    };
}
