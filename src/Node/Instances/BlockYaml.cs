using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Gantry.Node.Instances;

/// <summary>
/// JSON as YAML in blocks. Texts stand in double quotes, where nothing has a meaning of its own but what is escaped here
/// (https://yaml.org/spec/1.1/#id904245), so no text of a user's becomes anything but that text.
/// </summary>
internal static partial class BlockYaml
{
    public static string Write(JsonNode node)
    {
        var text = new StringBuilder();
        Append(text, node, 0);
        return text.ToString();
    }

    private static void Append(StringBuilder text, JsonNode? node, int depth)
    {
        switch (node)
        {
            case JsonObject { Count: > 0 } fields:
                foreach (var (name, value) in fields)
                {
                    text.Append(' ', 2 * depth).Append(PlainKey().IsMatch(name) ? name : Quoted(name)).Append(':');
                    Below(text, value, depth + 1);
                }

                break;
            case JsonArray { Count: > 0 } items:
                foreach (var item in items)
                {
                    text.Append(' ', 2 * depth).Append('-');
                    Below(text, item, depth + 1);
                }

                break;
            default:
                text.Append(Scalar(node)).Append('\n');
                break;
        }
    }

    private static void Below(StringBuilder text, JsonNode? node, int depth)
    {
        if (node is JsonObject { Count: > 0 } or JsonArray { Count: > 0 })
        {
            text.Append('\n');
            Append(text, node, depth);
        }
        else
        {
            text.Append(' ').Append(Scalar(node)).Append('\n');
        }
    }

    private static string Scalar(JsonNode? node) => node switch
    {
        null => "null",
        JsonObject => "{}",
        JsonArray => "[]",
        _ when node.GetValueKind() == JsonValueKind.String => Quoted(node.GetValue<string>()),
        _ => node.ToJsonString(),
    };

    /// <summary>What is a text without quotes too: not what YAML 1.1 takes for a truth, nothing or a number.</summary>
    [GeneratedRegex(@"\A(?!(y|n|yes|no|on|off|true|false|null)\z)[a-z_][a-z0-9_-]*\z", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex PlainKey();

    internal static string Quoted(string value)
    {
        var text = new StringBuilder("\"");
        foreach (var rune in value.EnumerateRunes())
        {
            _ = rune.Value switch
            {
                '"' or '\\' => text.Append('\\').Append((char)rune.Value),
                '\n' => text.Append("\\n"),
                '\t' => text.Append("\\t"),
                < 0x20 or (>= 0x7F and <= 0xA0) => text.Append(CultureInfo.InvariantCulture, $"\\x{rune.Value:X2}"),
                0x2028 or 0x2029 or 0xFEFF or 0xFFFE or 0xFFFF => text.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:X4}"),
                _ => text.Append(rune.ToString()),
            };
        }

        return text.Append('"').ToString();
    }
}
