using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Gantry.Contracts;
using Gantry.Daemon.Config;
using Gantry.Node;

namespace Gantry.Repo.Tests;

/// <summary>What the documents say is so.</summary>
public partial class DocTests
{
    [Fact]
    public void Every_event_type_is_listed_and_every_listed_one_exists()
    {
        var declared = typeof(EventTypes).GetFields(BindingFlags.Public | BindingFlags.Static)
            .Where(f => f.IsLiteral).Select(f => (string)f.GetRawConstantValue()!).ToList();

        EventTypes.All.ShouldBe(declared);
        EventLine().Matches(Read("docs/api/events.md")).Select(m => m.Groups[1].Value).ShouldBe(declared, ignoreOrder: true);
    }

    [Fact]
    public void Every_limit_is_documented_with_its_number()
    {
        var declared = typeof(Limits).GetFields(BindingFlags.Public | BindingFlags.Static)
            .Where(f => f.IsLiteral && f.Name != nameof(Limits.MiB))
            .ToDictionary(f => f.Name, f => Convert.ToInt64(f.GetRawConstantValue(), CultureInfo.InvariantCulture));
        var listed = LimitLine().Matches(Read("docs/api/limits.md"))
            .ToDictionary(m => m.Groups[1].Value, m => long.Parse(m.Groups[2].Value, NumberStyles.AllowThousands, CultureInfo.InvariantCulture));

        listed.OrderBy(l => l.Key).ShouldBe(declared.OrderBy(l => l.Key));
    }

    [Fact]
    public void Every_setting_is_documented_as_it_is()
    {
        var system = GantryRoot.At(null);
        var declared = ConfigSettings.All.Select(s =>
            $"| `{s.Name}` | `{s.Variable}` | {(s.Name == "node.name" ? "the host's name" : s.Default(system) is { } text ? $"`{text}`" : "")} | {s.Description} |".Replace("|  |", "| |", StringComparison.Ordinal));

        SettingLine().Matches(Read("docs/operate/configuration.md")).Select(m => m.Value).ShouldBe(declared);
    }

    [Fact]
    public void Relative_links_lead_somewhere()
    {
        var broken =
            from file in Repository.FilesEndingWith(".md")
            from Match link in Link().Matches(WithoutCode(Read(file)))
            let target = link.Groups[1].Value.Split('#')[0]
            where target.Length > 0 && !target.Contains("://", StringComparison.Ordinal) && !target.StartsWith("mailto:", StringComparison.Ordinal)
            let path = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Repository.PathOf(file))!, target))
            where !File.Exists(path) && !Directory.Exists(path)
            select $"{file}: {target}";

        broken.ShouldBeEmpty();
    }

    [Fact]
    public void Contributing_has_exactly_its_three_checklists() =>
        Heading().Matches(Read("CONTRIBUTING.md")).Select(m => m.Groups[1].Value).ShouldBe(["An endpoint", "A driver", "A pool"]);

    [Fact]
    public void Decisions_are_numbered_without_a_hole_and_used_once()
    {
        var numbers = Repository.Files.Where(f => f.StartsWith("docs/adr/0", StringComparison.Ordinal))
            .Select(f => int.Parse(Path.GetFileName(f)[..4], CultureInfo.InvariantCulture)).Order().ToList();

        numbers.ShouldBe(Enumerable.Range(1, numbers.Count));
    }

    private static string Read(string path) => File.ReadAllText(Repository.PathOf(path));

    private static string WithoutCode(string markdown) => Code().Replace(markdown, "");

    [GeneratedRegex(@"^- `([a-z]+\.[a-z_]+)`", RegexOptions.Multiline)]
    private static partial Regex EventLine();

    [GeneratedRegex(@"^\| `(\w+)` \| ([\d,]+) \|", RegexOptions.Multiline)]
    private static partial Regex LimitLine();

    [GeneratedRegex(@"^\| `[a-z]+\.[a-z_]+` \|.*\|$", RegexOptions.Multiline)]
    private static partial Regex SettingLine();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^## (.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex("```.*?```|`[^`\n]*`", RegexOptions.Singleline)]
    private static partial Regex Code();
}
