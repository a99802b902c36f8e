using System.Globalization;
using System.Reflection;
using Gantry.Contracts;

namespace Gantry.Repo.Tests;

/// <summary>Numbers of enums are stored and never change: they may only be added to.</summary>
public class EnumTests
{
    [Fact]
    public void The_numbers_of_enums_never_change() => Golden.ShouldMatch("docs/api/enums.md", $"""
        # Enums

        What travels as a word is stored as a number, and neither changes (a test compares; `GANTRY_UPDATE_GOLDEN=1` writes this page).

        {string.Join("\n\n", Enums().Select(Section))}
        """);

    [Fact]
    public void No_enum_has_a_meaning_for_zero() =>
        Enums().Where(e => Enum.GetValuesAsUnderlyingType(e).Cast<object>().Any(v => Convert.ToInt64(v, CultureInfo.InvariantCulture) == 0)).ShouldBeEmpty();

    /// <summary>All that travel, and of the node and the daemon those that are stored.</summary>
    private static IEnumerable<Type> Enums() =>
        typeof(Instance).Assembly.GetExportedTypes().Where(t => t.IsEnum).OrderBy(t => t.FullName, StringComparer.Ordinal);

    private static string Section(Type type) => $"## {type.Name}\n\n" + string.Join('\n',
        type.GetFields(BindingFlags.Public | BindingFlags.Static)
            .Select(f => (Number: Convert.ToInt64(f.GetRawConstantValue(), CultureInfo.InvariantCulture), f.Name))
            .OrderBy(v => v.Number)
            .Select(v => string.Create(CultureInfo.InvariantCulture, $"- {v.Number} {char.ToLowerInvariant(v.Name[0])}{v.Name[1..]}")));
}
