using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>Settings from a file and from <c>--set</c>, for commands that have an option only for the everyday ones.</summary>
internal static class SettingsInput
{
    public static Option<string> File() => Choose.Text("--settings", "Settings as JSON, as the API has them; - reads standard input. Options and --set win over it.", "FILE");

    public static Option<string[]> Sets()
    {
        var option = new Option<string[]>("--set") { HelpName = "PATH=VALUE" };
        option.Description = "Any setting there is: cpu.model=max, volumes[data].sizeBytes=10GiB, labels.tier=front. May be given several times.";
        return option;
    }

    /// <exception cref="WrongUseException">It is no JSON object.</exception>
    public static async Task<JsonObject> ReadAsync(Session session, string? path, CancellationToken ct)
    {
        if (path is null)
        {
            return [];
        }

        using var bytes = new MemoryStream();
        await using (var file = path == "-" ? session.Terminal.In : System.IO.File.OpenRead(path))
        {
            await file.CopyToAsync(bytes, ct);
        }

        try
        {
            return JsonNode.Parse(bytes.ToArray()) as JsonObject ?? throw new JsonException("it is no object");
        }
        catch (JsonException e)
        {
            throw new WrongUseException($"{(path == "-" ? "What was read" : path)} is not JSON: {e.Message}", "Accepted is an object as in `gantry template info NAME -o json`, under \"settings\".");
        }
    }

    /// <summary>Lays what options say over what a file says: objects field by field, volumes and NICs by name.</summary>
    public static JsonObject Over(JsonObject weak, JsonObject strong)
    {
        foreach (var (name, value) in strong)
        {
            weak[name] = (weak[name], value) switch
            {
                (JsonObject below, JsonObject above) => Over((JsonObject)below.DeepClone(), above),
                (JsonArray below, JsonArray above) when above.All(item => item is JsonObject) => ByName(below, above),
                _ => value?.DeepClone(),
            };
        }

        return weak;
    }

    public static JsonObject Of<T>(T body, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type) => (JsonObject)JsonSerializer.SerializeToNode(body, type)!;

    private static JsonArray ByName(JsonArray weak, JsonArray strong)
    {
        var merged = (JsonArray)weak.DeepClone();
        foreach (var item in strong.OfType<JsonObject>())
        {
            var at = merged.Index().Where(below => below.Item is JsonObject fields && JsonNode.DeepEquals(fields["name"], item["name"])).Select(below => (int?)below.Index).FirstOrDefault();
            if (at is { } place)
            {
                merged[place] = Over((JsonObject)merged[place]!.DeepClone(), item);
            }
            else
            {
                merged.Add((JsonNode)item.DeepClone());
            }
        }

        return merged;
    }
}
