using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Gantry.Cli;

/// <summary>JSON as block-style YAML 1.2. Own and small: a string is either plain, where nothing could take it for something else, or a JSON string.</summary>
internal static partial class Yaml
{
    public static void Write(TextWriter writer, JsonElement value)
    {
        if (IsLeaf(value))
        {
            writer.WriteLine(Leaf(value));
        }
        else
        {
            WriteBlock(writer, value, "", "");
        }
    }

    /// <param name="first">What stands before the first line: the rest of a list item's dash, or the indent.</param>
    private static void WriteBlock(TextWriter writer, JsonElement value, string first, string indent)
    {
        foreach (var (head, item) in Children(value))
        {
            writer.Write(first);
            writer.Write(head);
            first = indent;
            if (IsLeaf(item))
            {
                writer.WriteLine((head == "-" ? " " : ": ") + Leaf(item));
            }
            else if (head == "-")
            {
                WriteBlock(writer, item, " ", indent + "  ");
            }
            else
            {
                writer.WriteLine(':');
                WriteBlock(writer, item, indent + "  ", indent + "  ");
            }
        }
    }

    private static IEnumerable<(string Head, JsonElement Item)> Children(JsonElement value) =>
        value.ValueKind == JsonValueKind.Array
            ? value.EnumerateArray().Select(item => ("-", item))
            : value.EnumerateObject().Select(property => (Scalar(property.Name), property.Value));

    private static bool IsLeaf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => !value.EnumerateObject().Any(),
        JsonValueKind.Array => value.GetArrayLength() == 0,
        _ => true,
    };

    private static string Leaf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "{}",
        JsonValueKind.Array => "[]",
        JsonValueKind.String => Scalar(value.GetString()!),
        _ => value.GetRawText(),
    };

    private static string Scalar(string text) =>
        Plain().IsMatch(text) && !Reserved().IsMatch(text) ? text : Quoted(text);

    private static string Quoted(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var rune in text.EnumerateRunes())
        {
            quoted.Append(rune.Value switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\t' => "\\t",
                '\r' => "\\r",
                var value when Words.IsUnsafe(rune) => value > 0xffff ? $"\\U{value:X8}" : $"\\u{value:x4}",
                _ => rune.ToString(),
            });
        }

        return quoted.Append('"').ToString();
    }

    [GeneratedRegex(@"\A[A-Za-z_/][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*\z")]
    private static partial Regex Plain();

    [GeneratedRegex(@"\A(true|false|null|yes|no|on|off|y|n)\z", RegexOptions.IgnoreCase)]
    private static partial Regex Reserved();
}
