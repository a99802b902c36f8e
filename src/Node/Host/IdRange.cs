using System.Globalization;

namespace Gantry.Node.Host;

/// <summary>User ids from one to another, both included.</summary>
public sealed record IdRange(int First, int Last, string Of = "")
{
    /// <summary>Fewer would be too few for guests, their TPMs and the tools that read what strangers wrote.</summary>
    public const int Least = 100;

    /// <summary>Users and groups below belong to the system and to people (and 65534 and 65535 mean nobody).</summary>
    private const int LeastFirst = 65_536;

    /// <summary>systemd gives these to containers by itself (https://systemd.io/UIDS-GIDS).</summary>
    private static readonly IdRange[] OfSystemd = [new(524_288, 1_879_048_191, "the containers of systemd"), new(2_147_352_576, 2_147_418_111, "systemd's foreign ids")];

    /// <summary>From <c>1900000000-1900019999</c>; null when it says something else.</summary>
    public static IdRange? Parse(string text) =>
        text.Split('-') is [var first, var last] && Number(first) is { } from && Number(last) is { } to && from <= to ? new(from, to) : null;

    public bool Overlaps(IdRange other) => First <= other.Last && other.First <= Last;

    /// <summary>Why guests cannot have these ids; null when they can.</summary>
    /// <param name="etc">Where passwd, group, subuid and subgid lie.</param>
    public string? WhyNot(string etc = "/etc") =>
        First < LeastFirst ? string.Create(CultureInfo.InvariantCulture, $"ids below {LeastFirst} are for the system and for people")
        : Last - First + 1 < Least ? string.Create(CultureInfo.InvariantCulture, $"there must be at least {Least}")
        : OfSystemd.Concat(OnHost(etc)).FirstOrDefault(Overlaps) is { } other
            ? string.Create(CultureInfo.InvariantCulture, $"{other.First}{(other.Last == other.First ? "" : $"-{other.Last}")} belongs to {other.Of}")
        : null;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{First}-{Last}");

    /// <summary>Of users, groups, and the ranges that those are given for containers of their own.</summary>
    private static IEnumerable<IdRange> OnHost(string etc)
    {
        foreach (var (file, what) in new[] { ("passwd", "user"), ("group", "group") })
        {
            foreach (var fields in Lines($"{etc}/{file}").Where(f => f.Length > 2))
            {
                if (Number(fields[2]) is { } id)
                {
                    yield return new(id, id, $"the {what} {fields[0]}");
                }
            }
        }

        foreach (var file in (string[])["subuid", "subgid"])
        {
            foreach (var fields in Lines($"{etc}/{file}").Where(f => f.Length > 2))
            {
                if (Number(fields[1]) is { } first && Number(fields[2]) is { } count and > 0)
                {
                    yield return new(first, (int)Math.Min(int.MaxValue, (long)first + count - 1), $"{fields[0]} ({etc}/{file})");
                }
            }
        }
    }

    private static IEnumerable<string[]> Lines(string path) => File.Exists(path) ? File.ReadLines(path).Select(l => l.Split(':')) : [];

    private static int? Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : null;
}
