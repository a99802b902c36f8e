using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gantry.Contracts;
using Microsoft.AspNetCore.Http.Metadata;

namespace Gantry.Daemon.Platform;

/// <summary>
/// A JSON body, read so that every fault is told at once: unknown fields, missing ones, values of the wrong kind.
/// An empty body is read as <c>{}</c>. Rules about values are the area's own, through <see cref="Checked"/>.
/// </summary>
internal readonly record struct Body<T>(T Value) : IEndpointParameterMetadataProvider
{
    public static async ValueTask<Body<T>> BindAsync(HttpContext http)
    {
        using var document = await ParseAsync(http);
        var type = (JsonTypeInfo<T>)WireJson.Default.GetTypeInfo(typeof(T))!;
        try
        {
            var faults = JsonFaults.Of(document.RootElement, type);
            return faults.Count > 0 ? throw Invalid(faults) : new(document.RootElement.Deserialize(type)!);
        }
        catch (InvalidOperationException e)
        {
            // Half a surrogate pair in the name of a field: JSON's grammar lets it pass, UTF-8 does not.
            throw Refusal.Malformed("request.malformed", $"The body is not JSON: {e.Message}", "Send UTF-8 JSON.");
        }
    }

    public static void PopulateMetadata(ParameterInfo parameter, EndpointBuilder builder) =>
        builder.Metadata.Add(new AcceptsMetadata(["application/json"], typeof(T)));

    /// <summary>The value, once the area's rules find nothing wrong with it.</summary>
    public T Checked(Func<T, IEnumerable<Fault>> rules) => rules(Value).ToList() is { Count: > 0 } faults ? throw Invalid(faults) : Value;

    internal static Refusal Invalid(IReadOnlyList<Fault> faults) => new(
        "request.invalid", 422,
        faults.Count == 1 ? $"{faults[0].Path}: {faults[0].Message}." : $"The body has {faults.Count} faults; the first: {faults[0].Path}: {faults[0].Message}.",
        "Correct it and send it again; nothing was changed.", faults);

    internal static async Task<JsonDocument> ParseAsync(HttpContext http)
    {
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body, http.RequestAborted);
        if (body.Length == 0)
        {
            return JsonDocument.Parse("{}");
        }

        try
        {
            return JsonDocument.Parse(body.GetBuffer().AsMemory(0, (int)body.Length), new() { MaxDepth = Limits.JsonDepth, AllowDuplicateProperties = false });
        }
        catch (JsonException e)
        {
            throw Refusal.Malformed("request.malformed", $"The body is not JSON: {e.Message}", "Send UTF-8 JSON, at most 32 levels deep, each field once.");
        }
    }
}
