using System.Globalization;
using System.Text.RegularExpressions;
using Gantry.Contracts;

namespace Gantry.Daemon.Networks;

/// <summary>A map, a list or a value of a YAML document, and where it stands. As Kubernetes has it, a field that is null is one that is left out.</summary>
/// <param name="document">From 1.</param>
/// <param name="line">Of the text, from 1; of a field's value the line of its name.</param>
/// <param name="step">From the parent to it, such as <c>.spec</c> or <c>[0]</c>.</param>
internal sealed partial class YamlItem(int document, long line, YamlItem? parent, string step)
{
    private const int LongestShown = 80;

    public int Document => document;
    public Dictionary<string, YamlItem>? Fields { get; set; }
    public List<YamlItem>? Items { get; set; }
    public string? Value { get; set; }

    /// <summary>The value has no quotes, so that what it looks like is what it is.</summary>
    public bool IsPlain { get; set; }

    public bool IsNull => IsPlain && Value is "" or "~" or "null" or "Null" or "NULL";

    /// <summary>By the rules of the YAML 1.1 reader of Kubernetes, where also <c>yes</c>, <c>y</c> and <c>1e3</c> are none.</summary>
    public bool IsText => Value is not null && !(IsPlain && (IsNull || NoText().IsMatch(Value)));

    /// <summary>The field of a map; null where it is left out.</summary>
    public YamlItem? this[string field] => Map().TryGetValue(field, out var found) && !found.IsNull ? found : null;

    public YamlItem Needed(string field, string hint) => this[field] ?? throw Wrong($"{field} is missing", hint);

    /// <summary>Refuses every other field.</summary>
    public YamlItem Only(params ReadOnlySpan<string> fields)
    {
        foreach (var (name, field) in Map())
        {
            if (!fields.Contains(name))
            {
                throw field.Wrong("there is no such field, or Gantry does not know what it means", $"Leave it out; here there may be {string.Join(", ", fields!)}.");
            }
        }

        return this;
    }

    public IReadOnlyDictionary<string, YamlItem> Map() => Fields ?? throw Wrong($"a map of fields is expected here, not {Shape}", "Write `name: value` below it, or {} for an empty one.");

    /// <summary>What is in a list, none of it null.</summary>
    public IReadOnlyList<YamlItem> List()
    {
        var items = Items ?? throw Wrong($"a list is expected here, not {Shape}", "Put '- ' before each item, or write [] for an empty one.");
        return items.Find(i => i.IsNull) is { } nothing ? throw nothing.Wrong("there is nothing after the '-'", "Leave the item out; a rule that allows everything is written {}.") : items;
    }

    public string Text() => IsText ? Value! : throw Wrong($"a text is expected here, not {Shape}", "Put it in quotes if it is meant as a text.");

    /// <summary>A whole number within both, written in decimal.</summary>
    public int Number(int least, int most) =>
        IsPlain && int.TryParse(Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most && (Value[0] != '0' || number == 0)
            ? number : throw Wrong($"a number from {least} to {most} is expected here, not {Shape}", "Write it in decimal, without quotes.");

    public Refusal Wrong(string what, string hint) => PolicyErrors.YamlInvalid(document, line, Path, what, hint);

    /// <summary>A text of the document's as a message can show it: not too long, and nothing that moves a terminal's cursor.</summary>
    public static string Shown(string text) =>
        string.Concat((text.Length > LongestShown ? $"{text.AsSpan(0, LongestShown)}..." : text).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c));

    private string Path => (parent is null ? step : parent.Path + step).TrimStart('.');

    private string Shape => this switch
    {
        { Fields: not null } => "a map",
        { Items: not null } => "a list",
        { IsNull: true } => "nothing",
        { IsText: true } => $"the text '{Shown(Value!)}'",
        _ => $"{Shown(Value!)}, which is a number or a truth value",
    };

    [GeneratedRegex(
        """
        \A(
            [yYnN] | yes|Yes|YES | no|No|NO | true|True|TRUE | false|False|FALSE | on|On|ON | off|Off|OFF | \.nan|\.NaN|\.NAN | [-+]?\.(inf|Inf|INF)
            | [-+]?( 0[xX][0-9a-fA-F_]+ | 0[bB][01_]+ | 0[oO][0-7_]+ | (\.[0-9_]+ | [0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9_]+)? )
        )\z
        """, RegexOptions.CultureInvariant | RegexOptions.IgnorePatternWhitespace | RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex NoText();
}
