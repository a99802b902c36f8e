using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Gantry.Cli;

/// <summary>Options whose values are checked here, so that a wrong one is told with what is accepted.</summary>
internal static class Choose
{
    /// <summary>One of an enum's words; also what completion offers.</summary>
    public static Option<T> From<T>(string name, string? alias, T standard, string description)
        where T : struct, Enum
    {
        var option = alias is null ? new Option<T>(name) : new Option<T>(name, alias);
        option.DefaultValueFactory = _ => standard;
        Describe(option, description, string.Join('|', WordsOf<T>()));
        option.CustomParser = result => Word<T>(result, name) ?? standard;
        option.CompletionSources.Clear(); // A parser of enums offers their C# names by itself.
        option.CompletionSources.Add(_ => WordsOf<T>().Select(word => new System.CommandLine.Completions.CompletionItem(word)));
        return option;
    }

    /// <summary>As <see cref="From"/>, with nothing chosen when left out.</summary>
    public static Option<T?> Optional<T>(string name, string description)
        where T : struct, Enum
    {
        var option = Describe(new Option<T?>(name), description, string.Join('|', WordsOf<T>()));
        option.CustomParser = result => Word<T>(result, name);
        option.CompletionSources.Clear(); // A parser of enums offers their C# names by itself.
        option.CompletionSources.Add(_ => WordsOf<T>().Select(word => new System.CommandLine.Completions.CompletionItem(word)));
        return option;
    }

    public static Option<long?> Size(string name, string description)
    {
        var option = Describe(new Option<long?>(name), description, "SIZE");
        option.CustomParser = result =>
        {
            if (Sizes.TryParse(result.Tokens[0].Value, out var bytes))
            {
                return bytes;
            }

            result.AddError($"'{result.Tokens[0].Value}' is no size for {name}: accepted is {Sizes.Accepted}.");
            return null;
        };
        return option;
    }

    public static Option<long?> Number(string name, string description, long least, string helpName = "N")
    {
        var option = Describe(new Option<long?>(name), description, helpName);
        option.CustomParser = result =>
        {
            if (long.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least)
            {
                return number;
            }

            result.AddError($"'{result.Tokens[0].Value}' does not do for {name}: accepted is a whole number from {least} up.");
            return null;
        };
        return option;
    }

    /// <summary>Seconds, with a fraction where one likes.</summary>
    public static Option<double?> Seconds(string name, string description)
    {
        var option = Describe(new Option<double?>(name), description, "SECONDS");
        option.CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (double.TryParse(text.EndsWith('s') ? text[..^1] : text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds)
                && double.IsFinite(seconds))
            {
                return seconds;
            }

            result.AddError($"'{text}' does not do for {name}: accepted is a number of seconds (30, 1.5, 90s).");
            return null;
        };
        return option;
    }

    public static Option<string> Text(string name, string description, string helpName) =>
        Describe(new Option<string>(name), description, helpName);

    public static Option<bool> Flag(string name, string description) => new(name) { Description = description };

    private static TOption Describe<TOption>(TOption option, string description, string helpName)
        where TOption : Option
    {
        option.Description = description;
        option.HelpName = helpName;
        return option;
    }

    private static T? Word<T>(ArgumentResult result, string name)
        where T : struct, Enum
    {
        var text = result.Tokens[0].Value;
        foreach (var value in Enum.GetValues<T>())
        {
            if (Words.Of(value).Equals(text, StringComparison.OrdinalIgnoreCase))
            {
                return value;
            }
        }

        result.AddError($"'{text}' does not do for {name}: accepted is {string.Join(", ", WordsOf<T>())}.");
        return null;
    }

    private static IEnumerable<string> WordsOf<T>()
        where T : struct, Enum => Enum.GetValues<T>().Select(Words.Of);
}
