using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gantry.Contracts;

namespace Gantry.Daemon.Platform;

/// <summary><c>?fields=name,state</c>: a list whose items have those fields alone.</summary>
internal static class Fields
{
    /// <exception cref="Refusal"><c>request.fields</c></exception>
    public static byte[] Write<T>(Page<T> page, string fields, JsonTypeInfo<Page<T>> type)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(page, type);
        if (fields.Length == 0)
        {
            return json;
        }

        var known = type.Options.GetTypeInfo(typeof(T)).Properties.Select(p => p.Name).ToList();
        var wanted = fields.Split(',').ToHashSet();
        if (wanted.FirstOrDefault(w => !known.Contains(w)) is { } unknown)
        {
            throw Refusal.Invalid("request.fields", $"'{(unknown.Length <= 40 ? unknown : unknown[..40])}' is no field; there are {string.Join(", ", known)}.", "Write them as they are in the answer, with commas between.");
        }

        using var whole = JsonDocument.Parse(json);
        using var picked = new MemoryStream();
        using (var writer = new Utf8JsonWriter(picked))
        {
            writer.WriteStartObject();
            writer.WriteStartArray("items");
            foreach (var item in whole.RootElement.GetProperty("items").EnumerateArray())
            {
                writer.WriteStartObject();
                foreach (var field in item.EnumerateObject().Where(f => wanted.Contains(f.Name)))
                {
                    field.WriteTo(writer);
                }

                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            if (page.NextCursor is { } cursor)
            {
                writer.WriteString("nextCursor", cursor);
            }

            writer.WriteEndObject();
        }

        return picked.ToArray();
    }

    /// <summary>The answer of a route that lists.</summary>
    public static IResult Answer<T>(this HttpContext http, Page<T> page, JsonTypeInfo<Page<T>> type) =>
        TypedResults.Bytes(Write(page, http.Request.Query["fields"].ToString(), type), "application/json; charset=utf-8");
}
