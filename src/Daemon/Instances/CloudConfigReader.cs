using System.Globalization;
using Gantry.Contracts;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Gantry.Daemon.Instances;

/// <summary>
/// Holds a hostile text of YAML against what cloud-init takes, event by event: nothing is built of it, so no depth and no alias costs
/// anything. The first place where it is no YAML ends the search.
/// </summary>
/// <param name="at">The field's JSON path.</param>
internal sealed class CloudConfigReader(string at, string text)
{
    private const int MostDepth = 32;
    private const int MostFaults = 20;
    private const int LongestShown = 60;
    private static readonly string[] Truths = ["true", "false", "yes", "no", "on", "off", "y", "n", "1", "0"];

    private readonly List<Fault> _faults = [];

    /// <summary>The value that is read is a list.</summary>
    private bool _list;

    /// <summary>What follows cannot be told apart.</summary>
    private bool _over;

    /// <summary>Of <c>#cloud-config</c>.</summary>
    public IReadOnlyList<Fault> CloudConfig()
    {
        var (depth, key, seen) = (0, (Scalar?)null, new HashSet<string>());
        Read(item =>
        {
            if (item is MappingEnd or SequenceEnd)
            {
                depth--;
                key = depth == 1 ? null : key;
                return;
            }

            if (depth == 0 && item is not MappingStart && !IsNull(item))
            {
                Add(item, $"cloud-config is a map of keys such as 'users:', not {KindOf(item)}");
                _over = true;
            }
            else if (depth == 1 && key is null)
            {
                key = Key(item, seen);
            }
            else if (depth == 1)
            {
                Value(key!.Value, item);
            }
            else if (depth == 2 && key is not null && _list)
            {
                Item(key.Value, item);
            }

            if (item is MappingStart or SequenceStart)
            {
                _list = depth == 1 ? item is SequenceStart : _list;
                depth++;
            }
            else if (depth == 1 && key is not null && !ReferenceEquals(item, key))
            {
                key = null;
            }
        });
        return _faults;
    }

    /// <summary>Of a network-config: a map with its version, within <c>network</c> or by itself.</summary>
    public IReadOnlyList<Fault> NetworkConfig()
    {
        var (depth, isKey, found, first) = (0, true, false, true);
        Read(item =>
        {
            if (item is MappingEnd or SequenceEnd)
            {
                depth--;
                isKey = depth == 1 || isKey;
                return;
            }

            if (first && item is not MappingStart)
            {
                Add(item, $"a network-config is a map with 'version: 1' or 'version: 2', not {KindOf(item)}");
                found = true;
            }

            found |= depth == 1 && isKey && item is Scalar { Value: "version" or "network" };
            (first, isKey) = (false, depth != 1 || !isKey);
            depth += item is MappingStart or SequenceStart ? 1 : 0;
        });
        if (!found && _faults.Count == 0)
        {
            _faults.Add(new(at, "it has neither 'version' nor 'network' at its top"));
        }

        return _faults;
    }

    private Scalar? Key(ParsingEvent item, HashSet<string> seen)
    {
        if (item is not Scalar name)
        {
            Add(item, $"a key is a text, not {KindOf(item)}");
            _over = true;
            return null;
        }

        if (!CloudConfigKeys.All.ContainsKey(name.Value))
        {
            Add(item, $"cloud-init knows no '{Shown(name.Value)}'{(CloudConfigKeys.Meant(name.Value) is { } meant ? $"; it knows '{meant}'" : "")}");
        }
        else if (!seen.Add(name.Value))
        {
            Add(item, $"'{name.Value}' is there twice");
        }

        return name;
    }

    private void Value(string key, ParsingEvent item)
    {
        var fits = item is AnchorAlias || CloudConfigKeys.All.GetValueOrDefault(key) switch
        {
            CloudConfigKind.List => item is SequenceStart,
            CloudConfigKind.Map => item is MappingStart || (key is "ntp" or "wireguard" && IsNull(item)),
            CloudConfigKind.Truth => item is Scalar truth && (IsNull(item) || Truths.Contains(truth.Value.ToLowerInvariant())),
            CloudConfigKind.Scalar => item is Scalar,
            _ => true,
        };
        if (!fits)
        {
            Add(item, $"'{key}' is {Words(CloudConfigKeys.All[key])}, not {KindOf(item)}");
        }
    }

    private void Item(string key, ParsingEvent item)
    {
        if (CloudConfigKeys.Items.TryGetValue(key, out var may) && !(item is AnchorAlias || (item is MappingStart ? may.Map : item is SequenceStart ? may.List : may.Text && !IsNull(item))))
        {
            string[] kinds = [.. may.Text ? (string[])["a text"] : [], .. may.List ? (string[])["a list"] : [], .. may.Map ? (string[])["a map"] : []];
            Add(item, $"an item of '{key}' is {string.Join(" or ", kinds)}, not {KindOf(item)}");
        }
    }

    /// <summary>Each event of one document.</summary>
    private void Read(Action<ParsingEvent> take)
    {
        var scanner = new Scanner(new StringReader(text));
        var parser = new Parser(scanner);
        var (documents, depth) = (0, 0);
        try
        {
            while (!_over && _faults.Count < MostFaults && parser.MoveNext())
            {
                var item = parser.Current!;
                documents += item is DocumentStart ? 1 : 0;
                depth += item is MappingStart or SequenceStart ? 1 : item is MappingEnd or SequenceEnd ? -1 : 0;
                if (documents > 1 || depth > MostDepth)
                {
                    Add(item, documents > 1 ? "a second document begins here, which cloud-init does not read" : $"it is nested more than {MostDepth} deep");
                    return;
                }

                if (item is not (StreamStart or StreamEnd or DocumentStart or DocumentEnd or Comment))
                {
                    take(item);
                }
            }
        }
        catch (YamlException e)
        {
            // Of some faults it only says that they are somewhere behind the beginning.
            Add(e.Start.Line > 1 ? e.Start : scanner.CurrentPosition, $"this is no YAML: {Shown(e.Message.TrimEnd('.'))}");
        }
        catch (InvalidOperationException) // which it throws where an open bracket is followed by a line such as `b: 2`
        {
            Add(scanner.CurrentPosition, "this is no YAML: a ':' is where none can be");
        }
    }

    private void Add(ParsingEvent item, string what) => Add(item.Start, what);

    private void Add(Mark where, string what) => _faults.Add(new(at, string.Create(CultureInfo.InvariantCulture, $"line {where.Line}, column {where.Column}: {what}")));

    private static bool IsNull(ParsingEvent item) => item is Scalar { Style: ScalarStyle.Plain, Value: "" or "~" or "null" or "Null" or "NULL" };

    private static string Words(CloudConfigKind kind) => kind switch
    {
        CloudConfigKind.List => "a list",
        CloudConfigKind.Map => "a map",
        CloudConfigKind.Truth => "true or false",
        _ => "a text or number",
    };

    /// <summary>Never the value: it may be secret.</summary>
    private static string KindOf(ParsingEvent item) => item switch
    {
        MappingStart => "a map",
        SequenceStart => "a list",
        AnchorAlias => "an alias",
        _ => IsNull(item) ? "nothing" : "a text",
    };

    private static string Shown(string text) =>
        string.Concat((text.Length > LongestShown ? $"{text.AsSpan(0, LongestShown)}..." : text).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));
}
