using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Dapper;
using Gantry.Contracts;

namespace Gantry.Daemon.Platform;

/// <summary>A field that a list can be filtered by.</summary>
/// <param name="Column">The SQL expression it stands for.</param>
/// <param name="Parse">The value as PostgreSQL compares it; null when it is not one.</param>
internal sealed record FilterField(string Column, Func<string, object?> Parse, string Accepts)
{
    public static FilterField Text(string column) => new(column, value => value, "text");

    public static FilterField Number(string column) =>
        new(column, value => long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var n) ? n : null, "a whole number");

    public static FilterField Word<TEnum>(string column)
        where TEnum : struct, Enum =>
        new(column, value => Enum.TryParse<TEnum>(value, ignoreCase: true, out var word) && Enum.IsDefined(word) && !char.IsAsciiDigit(value[0]) ? Convert.ToInt32(word, CultureInfo.InvariantCulture) : null,
            string.Join(", ", Enum.GetNames<TEnum>()).ToLowerInvariant());
}

/// <summary>
/// <c>state eq running and (name like 'web*' or not cpus gt 2)</c>, turned into a condition with parameters.
/// Operators: eq, ne, like (with *), gt, ge, lt, le; and, or, not, parentheses. Fields are the area's own, or <c>labels.KEY</c>.
/// </summary>
internal sealed partial class Filter
{
    private const int MaxLength = 2_000;
    private const int MaxDepth = 32;

    private readonly IReadOnlyDictionary<string, FilterField> _fields;
    private readonly Func<string, string>? _label;
    private readonly DynamicParameters _parameters;
    private readonly List<string> _tokens;
    private int _at;
    private int _count;

    private Filter(string text, IReadOnlyDictionary<string, FilterField> fields, Func<string, string>? label, DynamicParameters parameters)
    {
        _fields = fields;
        _label = label;
        _parameters = parameters;
        _tokens = [.. Token().Matches(text).Select(m => m.Value)];
        if (text.Length > MaxLength || text.Contains('\0', StringComparison.Ordinal))
        {
            throw Wrong($"it has more than {MaxLength} characters, or a NUL");
        }
    }

    /// <param name="label">The SQL of a label's value by the name of the parameter that holds its key; null where there are no labels.</param>
    /// <exception cref="Refusal"><c>request.filter</c></exception>
    public static string ToSql(string? text, IReadOnlyDictionary<string, FilterField> fields, DynamicParameters parameters, Func<string, string>? label = null)
    {
        if (text is null or "*")
        {
            return "true";
        }

        var filter = new Filter(text, fields, label, parameters);
        var sql = filter.Or(0);
        return filter._at == filter._tokens.Count ? sql : throw Wrong($"'{filter.Peek}' is one word too many");
    }

    private string Peek => _at < _tokens.Count ? _tokens[_at] : "";

    private string Or(int depth) => Chain("or", () => And(depth));

    private string And(int depth) => Chain("and", () => Not(depth));

    private string Chain(string word, Func<string> part)
    {
        var sql = new StringBuilder(part());
        while (Peek == word)
        {
            _at++;
            sql.Append(CultureInfo.InvariantCulture, $" {word} {part()}");
        }

        return $"({sql})";
    }

    private string Not(int depth)
    {
        if (depth > MaxDepth)
        {
            throw Wrong("it is nested too deeply");
        }

        switch (Peek)
        {
            case "not":
                _at++;
                return $"not {Not(depth + 1)}";
            case "(":
                _at++;
                var inner = Or(depth + 1);
                return Next("a ')'") == ")" ? inner : throw Wrong("a ')' is missing");
            default:
                return Comparison();
        }
    }

    private string Comparison()
    {
        var name = Next("a field");
        var field = FieldOf(name);
        var word = Next($"an operator after '{name}'");
        var given = Unquoted(Next($"a value after '{name} {word}'"));
        var parameter = $"f{_count++}";
        if (word == "like")
        {
            _parameters.Add(parameter, LikePattern(given));
            return $"{field.Column}::text like @{parameter}";
        }

        var sign = word switch
        {
            "eq" => "=",
            "ne" => "<>",
            "gt" => ">",
            "ge" => ">=",
            "lt" => "<",
            "le" => "<=",
            _ => throw Wrong($"'{word}' is no operator; there are eq, ne, like, gt, ge, lt, le"),
        };
        _parameters.Add(parameter, field.Parse(given) ?? throw Wrong($"'{given}' is not a value of '{name}', which takes {field.Accepts}"));
        return $"coalesce({field.Column} {sign} @{parameter}, {(sign == "<>" ? "true" : "false")})";
    }

    private FilterField FieldOf(string name)
    {
        if (_fields.GetValueOrDefault(name) is { } field)
        {
            return field;
        }

        if (_label is not null && name.StartsWith("labels.", StringComparison.Ordinal))
        {
            var parameter = $"f{_count++}";
            _parameters.Add(parameter, name["labels.".Length..]);
            return FilterField.Text(_label(parameter));
        }

        throw Wrong($"'{name}' is no field; there are {string.Join(", ", _fields.Keys)}{(_label is null ? "" : ", labels.KEY")}");
    }

    private string Next(string wanted) => _at < _tokens.Count ? _tokens[_at++] : throw Wrong($"{wanted} is missing at its end");

    private static Refusal Wrong(string why) => Refusal.Invalid("request.filter", $"The filter cannot be read: {why}.", "Write it like: state eq running and name like 'web*'");

    private static string Unquoted(string token) => token[0] == '\'' ? token[1..^1].Replace("''", "'", StringComparison.Ordinal) : token;

    private static string LikePattern(string given) =>
        given.Replace(@"\", @"\\", StringComparison.Ordinal).Replace("%", @"\%", StringComparison.Ordinal)
            .Replace("_", @"\_", StringComparison.Ordinal).Replace('*', '%');

    [GeneratedRegex(@"'(?:[^']|'')*'|[()]|[^\s()']+")]
    private static partial Regex Token();
}
