using System.Globalization;

namespace Gantry.Node.Host;

/// <summary>Numbers as Linux lists CPUs and NUMA nodes: <c>0-3,8</c> (cpuset(7), "List format").</summary>
public static class CpuList
{
    public const int Largest = 4095;

    /// <exception cref="FormatException"/>
    public static IReadOnlyList<int> Parse(string text) => TryParse(text) ?? throw new FormatException($"'{text}' is no list of numbers.");

    /// <summary>Ascending and each once; null for what is no list.</summary>
    public static IReadOnlyList<int>? TryParse(string text)
    {
        var numbers = new SortedSet<int>();
        foreach (var part in text.Split(','))
        {
            var ends = part.Split('-');
            if (ends.Length > 2 || !Number(ends[0], out var first) || !Number(ends[^1], out var last) || first > last)
            {
                return null;
            }

            numbers.UnionWith(Enumerable.Range(first, last - first + 1));
        }

        return [.. numbers];

        static bool Number(string digits, out int number) =>
            int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number <= Largest;
    }
}
