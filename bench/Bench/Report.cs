using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Gantry.Bench;

/// <summary>One figure: every round's value, so that median and spread can be checked by whoever reads the file.</summary>
/// <param name="Target">What it is measured against, in words; null for a comparison.</param>
internal sealed record Figure(string Name, string Unit, IReadOnlyList<double> Rounds, string? Target)
{
    public double Median => Statistics.Percentile(Rounds, 50);

    public double Least => Rounds.Min();

    public double Most => Rounds.Max();
}

/// <summary>What one benchmark found, shown as it comes and kept as JSON under docs/operate/benchmarks/.</summary>
internal sealed class Report(string name)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly List<Figure> _figures = [];

    public string Name => name;

    public void Add(string figure, string unit, IReadOnlyList<double> rounds, string? target = null)
    {
        var added = new Figure(figure, unit, [.. rounds.Select(r => Math.Round(r, 3))], target);
        _figures.Add(added);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"  {figure,-64} {added.Median,10:0.00} {unit,-8} ({added.Least:0.00} to {added.Most:0.00}, {added.Rounds.Count} rounds){(target is null ? "" : $"   target {target}")}"));
    }

    public void Say(string text) => Console.WriteLine($"{name}: {text}");

    /// <summary>Nothing when there is none: what was measured in a process of its own has been written by that.</summary>
    public void Write()
    {
        if (_figures.Count == 0)
        {
            return;
        }

        var folder = Path.Combine(Machine.Source, "docs/operate/benchmarks");
        Directory.CreateDirectory(folder);
        var now = TimeProvider.System.GetUtcNow();
        var path = Path.Combine(folder, $"{now.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)}-{name}.json");
        File.WriteAllText(path, JsonSerializer.Serialize(
            new { name, command = $"./dev bench {name}", time = now, commit = Machine.Commit(), machine = Machine.Describe(), figures = _figures }, Json) + "\n");
        Console.WriteLine($"{name}: kept in {Path.GetRelativePath(Machine.Source, path)}");
    }
}
