using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Gantry.Contracts;

/// <summary>
/// A UUID that knows what it names, so an instance id cannot be passed where an image id is meant.
/// Written as the usual 36 characters, in JSON too. New ones are version 7, so they sort by the time they were made.
/// </summary>
[JsonConverter(typeof(IdConverterFactory))]
public readonly record struct Id<T>(Guid Value) : IParsable<Id<T>>
{
    public static Id<T> New() => new(Guid.CreateVersion7());

    public static Id<T> Parse(string s, IFormatProvider? provider = null) => new(Guid.ParseExact(s, "D"));

    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out Id<T> result)
    {
        var ok = Guid.TryParseExact(s, "D", out var value);
        result = new(value);
        return ok;
    }

    public override string ToString() => Value.ToString();
}

/// <summary>Reads and writes <see cref="Id{T}"/> as a JSON string. One line here for each thing that has an id.</summary>
public sealed class IdConverterFactory : JsonConverterFactory
{
    public override bool CanConvert(Type typeToConvert) =>
        typeToConvert.IsGenericType && typeToConvert.GetGenericTypeDefinition() == typeof(Id<>);

    public override JsonConverter CreateConverter(Type typeToConvert, JsonSerializerOptions options) => typeToConvert switch
    {
        _ when typeToConvert == typeof(Id<Instance>) => new IdConverter<Instance>(),
        _ when typeToConvert == typeof(Id<Image>) => new IdConverter<Image>(),
        _ when typeToConvert == typeof(Id<Network>) => new IdConverter<Network>(),
        _ when typeToConvert == typeof(Id<Forward>) => new IdConverter<Forward>(),
        _ when typeToConvert == typeof(Id<Pool>) => new IdConverter<Pool>(),
        _ when typeToConvert == typeof(Id<PoolVolume>) => new IdConverter<PoolVolume>(),
        _ when typeToConvert == typeof(Id<Snapshot>) => new IdConverter<Snapshot>(),
        _ when typeToConvert == typeof(Id<Schedule>) => new IdConverter<Schedule>(),
        _ when typeToConvert == typeof(Id<ScheduleRun>) => new IdConverter<ScheduleRun>(),
        _ when typeToConvert == typeof(Id<Template>) => new IdConverter<Template>(),
        _ when typeToConvert == typeof(Id<Operation>) => new IdConverter<Operation>(),
        _ when typeToConvert == typeof(Id<NodeInfo>) => new IdConverter<NodeInfo>(),
        _ when typeToConvert == typeof(Id<ConsoleInfo>) => new IdConverter<ConsoleInfo>(),
        _ => throw new NotSupportedException($"{typeToConvert} needs a line in {nameof(IdConverterFactory)}."),
    };

    private sealed class IdConverter<T> : JsonConverter<Id<T>>
    {
        public override Id<T> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => new(reader.GetGuid());

        public override void Write(Utf8JsonWriter writer, Id<T> value, JsonSerializerOptions options) => writer.WriteStringValue(value.Value);
    }
}
