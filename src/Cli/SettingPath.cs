using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>
/// Places in an instance's settings as one writes them: <c>cpu.model</c>, <c>volumes[root].sizeBytes</c>, <c>labels.tier</c>.
/// What there is, and of which kind, is known from the API's own types.
/// </summary>
internal static class SettingPath
{
    private const string ItemName = "name";

    /// <summary>Puts <c>PATH=VALUE</c> into <paramref name="settings"/>.</summary>
    /// <param name="lists">Where a list that is not there yet is taken from whole, because it is replaced whole; null begins an empty one.</param>
    /// <exception cref="WrongUseException"/>
    public static void Set(JsonObject settings, string assignment, JsonObject? lists = null)
    {
        var at = assignment.IndexOf('=', StringComparison.Ordinal);
        if (at < 1)
        {
            throw new WrongUseException($"'{assignment}' does not do for --set.", "Accepted is PATH=VALUE: --set cpu.model=max, --set volumes[root].sizeBytes=20GiB.");
        }

        var (path, text) = (assignment[..at], assignment[(at + 1)..]);
        Walk(settings, WireJson.Default.InstanceSettings, path, path, lists, (place, name, type) => place[name] = Value(path, name, text, type));
    }

    /// <summary>Takes a value away: null in its place, as a merge patch has it; what is in a list goes out of that.</summary>
    /// <exception cref="WrongUseException"/>
    public static void Unset(JsonObject settings, string path, JsonObject current)
    {
        if (path.EndsWith(']') && path.IndexOf('[', StringComparison.Ordinal) is > 0 and var open && NamedList(path[..open]))
        {
            var (list, item) = (path[..open], path[(open + 1)..^1]);
            settings[list] ??= current[list]?.DeepClone();
            var found = (settings[list] as JsonArray)?.FirstOrDefault(i => i?[ItemName]?.GetValue<string>() == item);
            _ = found is null ? throw new WrongUseException($"There is no {path}.", "`gantry template info NAME` shows what there is.") : ((JsonArray)settings[list]!).Remove(found);
            return;
        }

        Walk(settings, WireJson.Default.InstanceSettings, path, path, current, (place, name, _) =>
        {
            if (IsInList(path))
            {
                place.Remove(name);
            }
            else
            {
                place[name] = null;
            }
        });
    }

    private static bool IsInList(string path) => path.Contains('[', StringComparison.Ordinal);

    private static bool NamedList(string name) =>
        WireJson.Default.InstanceSettings.Properties.FirstOrDefault(p => p.Name == name) is { } property && TypeOf(property, WireJson.Default.InstanceSettings) is { Kind: JsonTypeInfoKind.Enumerable };

    private static void Walk(JsonObject place, JsonTypeInfo type, string rest, string path, JsonObject? lists, Action<JsonObject, string, JsonTypeInfo> atEnd)
    {
        var end = rest.IndexOfAny(['.', '[']);
        var name = end < 0 ? rest : rest[..end];
        var before = path[..^rest.Length].TrimEnd('.');
        var inner = type.Properties.FirstOrDefault(p => p.Name == name) is { } property ? TypeOf(property, type)
            : throw new WrongUseException(
                $"There is no setting '{(before.Length == 0 ? name : $"{before}.{name}")}'.", $"{(before.Length == 0 ? "There are" : $"'{before}' has")} {Words.Join(type.Properties.Select(p => p.Name))}.");
        switch (inner.Kind, end < 0 ? '\0' : rest[end])
        {
            case (_, '\0'):
                atEnd(place, name, inner);
                break;
            case (JsonTypeInfoKind.Object, '.'):
                Walk(Child(place, name), inner, rest[(end + 1)..], path, lists, atEnd);
                break;
            case (JsonTypeInfoKind.Dictionary, '.'):
                atEnd(Child(place, name), rest[(end + 1)..], inner.Options.GetTypeInfo(inner.ElementType!));
                break;
            case (JsonTypeInfoKind.Enumerable, '[') when rest.IndexOf("].", end, StringComparison.Ordinal) is > 0 and var close && NamedList(name):
                Walk(Item(place, name, rest[(end + 1)..close], lists), inner.Options.GetTypeInfo(inner.ElementType!), rest[(close + 2)..], path, lists, atEnd);
                break;
            default:
                throw new WrongUseException($"'{path}' leads to no setting.", NamedList(name) ? $"Say of which of the {name}, and what: {name}[NAME].{Example(inner)}." : $"'{name}' takes a value itself.");
        }
    }

    private static string Example(JsonTypeInfo list) => list.Options.GetTypeInfo(list.ElementType!).Properties.First(p => p.Name != ItemName).Name;

    private static JsonObject Child(JsonObject place, string name)
    {
        if (place[name] is not JsonObject child)
        {
            place[name] = child = [];
        }

        return child;
    }

    private static JsonObject Item(JsonObject place, string list, string name, JsonObject? lists)
    {
        if (place[list] is not JsonArray items)
        {
            place[list] = items = lists?[list]?.DeepClone() as JsonArray ?? [];
        }

        var item = items.OfType<JsonObject>().FirstOrDefault(i => i[ItemName] is JsonValue value && value.TryGetValue<string>(out var text) && text == name);
        if (item is null)
        {
            items.Add((JsonNode)(item = new JsonObject { [ItemName] = name }));
        }

        return item;
    }

    private static JsonTypeInfo TypeOf(JsonPropertyInfo property, JsonTypeInfo of) => of.Options.GetTypeInfo(Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType);

    private static JsonNode Value(string path, string name, string text, JsonTypeInfo type) => type.Kind switch
    {
        JsonTypeInfoKind.None => Scalar(path, name, text, type.Type),
        JsonTypeInfoKind.Enumerable when !text.StartsWith('[') && type.ElementType == typeof(string) =>
            new JsonArray([.. text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(part => (JsonNode)part)]),
        _ => Json(path, text, type.Kind == JsonTypeInfoKind.Enumerable ? "a list: one,two or [\"one\", \"two\"]" : $"a setting of it, such as --set {path}.{type.Properties.Select(p => p.Name).FirstOrDefault("KEY")}=VALUE, or JSON"),
    };

    private static JsonNode Scalar(string path, string name, string text, Type type)
    {
        if (type.IsEnum)
        {
            string[] words = [.. Enum.GetNames(type).Select(JsonNamingPolicy.CamelCase.ConvertName)];
            return words.FirstOrDefault(word => word.Equals(text, StringComparison.OrdinalIgnoreCase)) ?? throw Wrong(path, text, Words.Join(words));
        }

        return type switch
        {
            _ when type == typeof(string) => text,
            _ when type == typeof(bool) => bool.TryParse(text, out var flag) ? flag : throw Wrong(path, text, "true, false"),
            _ when name.Contains("Bytes", StringComparison.Ordinal) => Sizes.TryParse(text, out var bytes) ? bytes : throw Wrong(path, text, Sizes.Accepted),
            _ => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : throw Wrong(path, text, "a whole number"),
        };
    }

    private static JsonNode Json(string path, string text, string accepted)
    {
        try
        {
            return JsonNode.Parse(text) is { } node and (JsonObject or JsonArray) ? node : throw Wrong(path, text, accepted);
        }
        catch (JsonException)
        {
            throw Wrong(path, text, accepted);
        }
    }

    private static WrongUseException Wrong(string path, string text, string accepted) => new($"'{text}' does not do for {path}.", $"Accepted is {accepted}.");
}
