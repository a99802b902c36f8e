using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Gantry.Node.Networks.Firewall;

/// <summary>What <c>nft -s -t list table</c> showed of a table: each of its parts, such as <c>chain input</c>, with its text. Empty for no table.</summary>
internal sealed partial class NftListing
{
    private readonly Dictionary<string, string> _parts;

    public NftListing(string text)
    {
        Digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
        _parts = Part().Matches(text).ToDictionary(m => $"{m.Groups[1].Value} {m.Groups[2].Value}", m => m.Groups[3].Value);
    }

    public string Digest { get; }

    /// <param name="kind">Such as <c>set</c>.</param>
    public IEnumerable<string> Names(string kind) => _parts.Keys.Where(p => p.StartsWith($"{kind} ", StringComparison.Ordinal)).Select(p => p[(kind.Length + 1)..]);

    /// <summary>Whether this may follow from an earlier listing by that change alone: every part that it left is the same, and there is no other.</summary>
    public bool Follows(NftListing before, NftTable from, NftTable to)
    {
        var wanted = Texts(to);
        var had = Texts(from);
        return _parts.Count == wanted.Count && wanted.All(part => _parts.TryGetValue(part.Key, out var now)
            && (had.GetValueOrDefault(part.Key) != part.Value || before._parts.GetValueOrDefault(part.Key) == now));
    }

    private static Dictionary<string, string> Texts(NftTable table) =>
        table.Sets.Select(s => ($"set {s.Key}", s.Value)).Concat(table.Chains.Select(c => ($"chain {c.Key}", c.Value))).ToDictionary(p => p.Item1, p => p.Item2);

    [GeneratedRegex(@"^\t(\w+) (\S+) \{\n(.*?)^\t\}$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Part();
}
