using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gantry.Contracts;

namespace Gantry.Daemon.Platform;

/// <summary>Holds JSON against the shape of a type and lists all that does not fit, by JSON path. The serialiser stops at the first.</summary>
internal static class JsonFaults
{
    public static IReadOnlyList<Fault> Of(JsonElement json, JsonTypeInfo type)
    {
        var faults = new List<Fault>();
        Walk(json, type, "$", faults);
        return faults;
    }

    private static void Walk(JsonElement json, JsonTypeInfo type, string path, List<Fault> faults)
    {
        switch (type.Kind)
        {
            case JsonTypeInfoKind.Object when json.ValueKind == JsonValueKind.Object:
                Fields(json, type, path, faults);
                break;
            case JsonTypeInfoKind.Enumerable when json.ValueKind == JsonValueKind.Array:
                var item = type.Options.GetTypeInfo(type.ElementType!);
                var index = 0;
                foreach (var element in json.EnumerateArray())
                {
                    Child(element, item, $"{path}[{index++}]", mayBeNull: false, faults);
                }

                break;
            case JsonTypeInfoKind.Dictionary when json.ValueKind == JsonValueKind.Object:
                var value = type.Options.GetTypeInfo(type.ElementType!);
                foreach (var entry in json.EnumerateObject())
                {
                    Child(entry.Value, value, $"{path}.{entry.Name}", mayBeNull: false, faults);
                }

                break;
            case JsonTypeInfoKind.None:
                Leaf(json, type, path, faults);
                break;
            default:
                faults.Add(new(path, $"{Expected(type)} is expected, not {Kind(json)}"));
                break;
        }
    }

    private static void Fields(JsonElement json, JsonTypeInfo type, string path, List<Fault> faults)
    {
        var known = type.Properties.ToDictionary(p => p.Name);
        foreach (var field in json.EnumerateObject())
        {
            if (known.Remove(field.Name, out var property))
            {
                Child(field.Value, type.Options.GetTypeInfo(property.PropertyType), $"{path}.{field.Name}", property.IsSetNullable, faults);
            }
            else
            {
                faults.Add(new($"{path}.{field.Name}", $"there is no such field; there are {string.Join(", ", type.Properties.Select(p => p.Name))}"));
            }
        }

        faults.AddRange(known.Values.Where(p => p.IsRequired).Select(p => new Fault($"{path}.{p.Name}", "it is missing")));
    }

    private static void Child(JsonElement json, JsonTypeInfo type, string path, bool mayBeNull, List<Fault> faults)
    {
        if (json.ValueKind != JsonValueKind.Null)
        {
            Walk(json, type, path, faults);
        }
        else if (!mayBeNull)
        {
            faults.Add(new(path, "it must not be null"));
        }
    }

    private static void Leaf(JsonElement json, JsonTypeInfo type, string path, List<Fault> faults)
    {
        try
        {
            _ = json.Deserialize(type);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            faults.Add(new(path, $"{Expected(type)} is expected, not {Kind(json)}"));
        }
    }

    private static string Expected(JsonTypeInfo type)
    {
        var bare = Nullable.GetUnderlyingType(type.Type) ?? type.Type;
        return bare switch
        {
            { IsEnum: true } => $"one of {string.Join(", ", Enum.GetNames(bare).Select(JsonNamingPolicy.CamelCase.ConvertName))}",
            _ when bare == typeof(string) => "a string",
            _ when bare == typeof(bool) => "true or false",
            _ when bare == typeof(int) => "a whole number of at most 2147483647",
            _ when bare == typeof(long) => "a whole number",
            _ when bare == typeof(double) => "a number",
            _ when type.Kind == JsonTypeInfoKind.Enumerable => "a list",
            _ => "an object",
        };
    }

    private static string Kind(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Array => "a list",
        JsonValueKind.Object => "an object",
        _ when json.GetRawText() is { Length: <= 42 } raw => raw,
        JsonValueKind.String => "a string",
        _ => "a number",
    };
}
