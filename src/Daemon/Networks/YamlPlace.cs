using System.Globalization;
using Gantry.Contracts;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Gantry.Daemon.Networks;

/// <summary>A value of a document and where it stands, for readers that tell every fault. What is null counts as not there, as in Kubernetes.</summary>
/// <param name="document">From 1.</param>
/// <param name="field">Such as <c>spec.ingress[0].from</c>; empty for the whole document.</param>
internal sealed class YamlPlace(YamlNode node, int document, string field, List<Fault> faults)
{
    public void Wrong(string what) => faults.Add(new($"document {document}, line {node.Start.Line}{(field.Length == 0 ? "" : $": {field}")}", what));

    /// <returns>What to go on with, so that further faults are found.</returns>
    public T Wrong<T>(string what, T instead)
    {
        Wrong(what);
        return instead;
    }

    public YamlPlace? Child(string name) => Fields().FirstOrDefault(f => f.Name == name).Value;

    public YamlPlace? Needs(string name)
    {
        if (node is YamlMappingNode && Child(name) is null)
        {
            Wrong($"{name} is missing");
        }

        return Child(name);
    }

    /// <summary>Of a mapping whose fields are free: each with its value.</summary>
    public IReadOnlyDictionary<string, string> Map()
    {
        if (node is not YamlMappingNode)
        {
            Wrong("fields are expected here");
        }

        return Fields().ToDictionary(f => f.Name, f => f.Value.Text() ?? "");
    }

    /// <summary>The items of a list; none when it is not there.</summary>
    public IReadOnlyList<YamlPlace> Items(string name) => Child(name)?.Items() ?? [];

    public void HasOnly(params string[] names)
    {
        if (node is not YamlMappingNode)
        {
            Wrong("fields are expected here");
            return;
        }

        foreach (var (name, value) in Fields().Where(f => !names.Contains(f.Name)))
        {
            value.Wrong($"there is no such field; these are known: {string.Join(", ", names)}");
        }
    }

    public void Is(string wanted)
    {
        if (Text() is { } text && text != wanted)
        {
            Wrong($"it is not {wanted}");
        }
    }

    public string? Text()
    {
        if (node is YamlScalarNode { Value: { } text } && !IsNull(node))
        {
            return text;
        }

        Wrong("one value is expected here");
        return null;
    }

    /// <summary>A number as YAML has it: not in quotes.</summary>
    public int? Number(string otherwise)
    {
        if (node is YamlScalarNode { Style: ScalarStyle.Plain, Value: { } text } && !text.StartsWith('0') && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return number is >= 1 and <= ushort.MaxValue ? number : Wrong<int?>($"{number} is not from 1 to 65535", null);
        }

        return Wrong<int?>(otherwise, null);
    }

    /// <summary>The fields that are not null; none of what is no mapping.</summary>
    private IEnumerable<(string Name, YamlPlace Value)> Fields() =>
        from pair in node is YamlMappingNode map ? map.Children.ToList() : []
        where !IsNull(pair.Value)
        let name = (pair.Key as YamlScalarNode)?.Value ?? ""
        select (name, new YamlPlace(pair.Value, document, field.Length == 0 ? name : $"{field}.{name}", faults));

    private List<YamlPlace> Items()
    {
        if (node is not YamlSequenceNode list)
        {
            Wrong("a list is expected here");
            return [];
        }

        return [.. list.Children.Select((item, i) => new YamlPlace(item, document, $"{field}[{i}]", faults))];
    }

    private static bool IsNull(YamlNode value) => value is YamlScalarNode { Style: ScalarStyle.Plain, Value: null or "" or "~" or "null" or "Null" or "NULL" };
}
