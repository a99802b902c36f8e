using System.Globalization;
using System.Text.RegularExpressions;

namespace Gantry.Node.Networks;

/// <summary>Ports from the first to the last, both belonging to it, from 1 to 65,535. Written <c>80</c> or <c>8000-8099</c>.</summary>
public readonly partial record struct PortRange(int First, int Last)
{
    public int Count => Last - First + 1;

    public static bool TryParse(string? text, out PortRange range)
    {
        range = default;
        if (text is null || Pattern().Match(text) is not { Success: true } match)
        {
            return false;
        }

        var first = int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
        var last = match.Groups[2].Success ? int.Parse(match.Groups[2].ValueSpan, CultureInfo.InvariantCulture) : first;
        range = new(first, last);
        return first >= 1 && last >= first && last <= ushort.MaxValue;
    }

    /// <exception cref="FormatException">It is no port and no range.</exception>
    public static PortRange Parse(string text) => TryParse(text, out var range) ? range : throw new FormatException($"'{text}' is no port and no range of ports.");

    public bool Contains(int port) => First <= port && port <= Last;

    public bool Overlaps(PortRange other) => First <= other.Last && other.First <= Last;

    /// <summary>The same ports in as few ranges as possible, sorted.</summary>
    public static IReadOnlyList<PortRange> Merge(IEnumerable<PortRange> ranges)
    {
        var merged = new List<PortRange>();
        foreach (var range in ranges.OrderBy(r => r.First))
        {
            if (merged.Count > 0 && range.First <= merged[^1].Last + 1)
            {
                merged[^1] = merged[^1] with { Last = Math.Max(merged[^1].Last, range.Last) };
            }
            else
            {
                merged.Add(range);
            }
        }

        return merged;
    }

    public override string ToString() => First == Last ? string.Create(CultureInfo.InvariantCulture, $"{First}") : string.Create(CultureInfo.InvariantCulture, $"{First}-{Last}");

    [GeneratedRegex(@"\A([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?\z")]
    private static partial Regex Pattern();
}
