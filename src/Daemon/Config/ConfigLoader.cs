using System.Text.Json;
using Gantry.Contracts;
using Gantry.Node;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Gantry.Daemon.Config;

/// <summary>Puts the settings together: a flag beats the environment, that the file, that the default.</summary>
internal static class ConfigLoader
{
    /// <param name="Settings">Each with where it came from; secrets are not shown.</param>
    internal sealed record Loaded(GantryConfig Config, Settings Settings);

    private sealed record Value(string Text, string Source);

    /// <param name="file">Read when it exists; null for the root's own. One that was named must exist.</param>
    /// <param name="flags"><c>name=value</c> from the command line.</param>
    /// <exception cref="Refusal"><c>config.invalid</c> with every fault and the line it stands on.</exception>
    public static Loaded Load(GantryRoot root, string? file, IReadOnlyList<string> flags, Func<string, string?> environment)
    {
        var faults = new List<Fault>();
        var values = new Dictionary<string, Value>();
        ReadFile(file ?? root.ConfigFile, mustExist: file is not null, values, faults);
        foreach (var setting in ConfigSettings.All)
        {
            if (environment(setting.Variable) is { } text)
            {
                Put(setting.Name, text, $"environment {setting.Variable}");
            }
        }

        foreach (var flag in flags)
        {
            var (name, text) = flag.IndexOf('=', StringComparison.Ordinal) is var at and > 0 ? (flag[..at], flag[(at + 1)..]) : (flag, "");
            Put(name, text, "flag --set");
        }

        if (faults.Count > 0)
        {
            throw new Refusal("config.invalid", 422, $"The configuration has {(faults.Count == 1 ? "a fault" : $"{faults.Count} faults")}.",
                "Correct it; `gantry config check` reads it without starting anything.", faults);
        }

        return new(
            ConfigSettings.ToConfig(name => Of(name).Text),
            new([.. ConfigSettings.All.Select(s => Of(s.Name) is var (text, source)
                ? new Setting(s.Name, JsonSerializer.SerializeToElement(s.Secret && text is not null ? "(not shown)" : text), source, s.Description)
                : throw new InvalidOperationException())]));

        (string? Text, string Source) Of(string name) =>
            values.TryGetValue(name, out var v) ? (v.Text, v.Source) : (ConfigSettings.All.First(s => s.Name == name).Default(root), "default");

        void Put(string name, string text, string source) => Add(name, text, source, source, values, faults);
    }

    private static void ReadFile(string path, bool mustExist, Dictionary<string, Value> values, List<Fault> faults)
    {
        if (!mustExist && !File.Exists(path))
        {
            return;
        }

        try
        {
            using var reader = File.OpenText(path);
            var yaml = new YamlStream();
            yaml.Load(reader);
            foreach (var document in yaml.Documents)
            {
                Walk(document.RootNode, "", path, values, faults);
            }
        }
        catch (YamlException e)
        {
            faults.Add(new($"{path}:{e.Start.Line}", e.InnerException?.Message ?? e.Message));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException) // the last is YamlDotNet's for some that is no YAML
        {
            faults.Add(new(path, e.Message));
        }
    }

    private static void Walk(YamlNode node, string name, string path, Dictionary<string, Value> values, List<Fault> faults)
    {
        var at = $"{path}:{node.Start.Line}";
        switch (node)
        {
            case YamlMappingNode map:
                foreach (var (key, child) in map.Children)
                {
                    Walk(child, name.Length == 0 ? $"{key}" : $"{name}.{key}", path, values, faults);
                }

                break;
            case YamlScalarNode scalar when name.Length > 0:
                Add(name, scalar.Value ?? "", at, $"file {at}", values, faults);
                break;
            case YamlScalarNode { Value: null or "" }:
                break;
            default:
                faults.Add(new(at, name.Length == 0 ? "settings are expected here, such as `log:` and below it `level: debug`" : $"'{name}' takes one value, not a list"));
                break;
        }
    }

    private static void Add(string name, string text, string at, string source, Dictionary<string, Value> values, List<Fault> faults)
    {
        if (ConfigSettings.All.FirstOrDefault(s => s.Name == name) is not { } setting)
        {
            var near = ConfigSettings.All.MinBy(s => Distance(s.Name, name))!.Name;
            faults.Add(new(at, $"there is no setting '{name}'{(Distance(near, name) <= 4 ? $"; did you mean '{near}'?" : "")}"));
        }
        else if (setting.Check(text) is { } wrong)
        {
            faults.Add(new(at, $"{name}: {(setting.Secret ? "the value" : $"'{text}'")} is not valid: {wrong}"));
        }
        else
        {
            values[name] = new(text, source);
        }
    }

    /// <summary>Levenshtein's: how many letters to add, drop or change.</summary>
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                (diagonal, row[j]) = (row[j], Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)));
            }
        }

        return row[^1];
    }
}
