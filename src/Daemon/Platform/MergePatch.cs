using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Gantry.Contracts;
using Microsoft.AspNetCore.Http.Metadata;

namespace Gantry.Daemon.Platform;

/// <summary>The body of a PATCH: a JSON merge patch (RFC 7396) of a <typeparamref name="T"/>.</summary>
internal readonly record struct MergePatch<T>(JsonObject Patch) : IEndpointParameterMetadataProvider
{
    public static async ValueTask<MergePatch<T>> BindAsync(HttpContext http)
    {
        using var document = await Body<T>.ParseAsync(http);
        return document.RootElement.ValueKind == JsonValueKind.Object
            ? new(JsonObject.Create(document.RootElement.Clone())!)
            : throw Refusal.Malformed("request.malformed", "The body is not a JSON object.", "Send the fields to change; null takes one away.");
    }

    public static void PopulateMetadata(ParameterInfo parameter, EndpointBuilder builder) =>
        builder.Metadata.Add(new AcceptsMetadata(["application/merge-patch+json", "application/json"], typeof(T)));

    /// <summary>What becomes of <paramref name="current"/>, with every fault of the result told at once.</summary>
    public T Applied(T current, Func<T, IEnumerable<Fault>> rules)
    {
        var type = (JsonTypeInfo<T>)WireJson.Default.GetTypeInfo(typeof(T))!;
        try
        {
            using var document = JsonDocument.Parse(Merge(JsonSerializer.SerializeToNode(current, type), Patch)!.ToJsonString());
            var faults = JsonFaults.Of(document.RootElement, type);
            return faults.Count > 0 ? throw Body<T>.Invalid(faults) : new Body<T>(document.RootElement.Deserialize(type)!).Checked(rules);
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            // Half a surrogate pair: JSON's grammar lets it pass, UTF-8 does not.
            throw Refusal.Malformed("request.malformed", $"The body is not JSON: {e.Message}", "Send UTF-8 JSON.");
        }
    }

    /// <summary>The algorithm of RFC 7396, section 2.</summary>
    private static JsonNode? Merge(JsonNode? target, JsonNode? patch)
    {
        if (patch is not JsonObject fields)
        {
            return patch?.DeepClone();
        }

        var result = target as JsonObject ?? [];
        foreach (var (name, value) in fields)
        {
            var before = result[name];
            result.Remove(name);
            if (value is not null)
            {
                result[name] = Merge(before, value);
            }
        }

        return result;
    }
}
