using System.Text;

namespace Gantry.Node.Networks.Firewall;

/// <summary>
/// Scripts that <c>nft -f</c> carries out whole or not at all. Sets that are wanted further stay with what is in them, so that
/// connections live on when rules change.
/// </summary>
internal static class NftScript
{
    /// <summary>From one state to another: what is the same is not touched.</summary>
    public static string Change(NftTable from, NftTable to)
    {
        if (to.Sets.Any(s => from.Sets.TryGetValue(s.Key, out var before) && before != s.Value))
        {
            return Anew(to);
        }

        var script = new StringBuilder();
        var changed = to.Chains.Where(c => from.Chains.TryGetValue(c.Key, out var before) && before != c.Value).Select(c => c.Key).ToHashSet();
        var gone = from.Chains.Keys.Where(c => !to.Chains.ContainsKey(c)).ToList();
        foreach (var chain in changed.Concat(gone))
        {
            script.Append($"flush chain {to.Address} {chain}\n");
        }

        if (to.Sets.Keys.Any(s => !from.Sets.ContainsKey(s)) || to.Chains.Keys.Any(c => changed.Contains(c) || !from.Chains.ContainsKey(c)))
        {
            script.Append(to.Declaration(s => !from.Sets.ContainsKey(s), c => changed.Contains(c) || !from.Chains.ContainsKey(c)));
        }

        Delete(script, to, "chain", gone);
        Delete(script, to, "set", from.Sets.Keys.Where(s => !to.Sets.ContainsKey(s)));
        return script.ToString();
    }

    /// <summary>From whatever is there, which may have been changed by hand.</summary>
    public static string Replace(NftListing there, NftTable to)
    {
        var script = new StringBuilder($"table {to.Address} {{\n}}\nflush table {to.Address}\n");
        Delete(script, to, "chain", there.Names("chain"));
        Delete(script, to, "set", there.Names("set").Where(s => !to.Sets.ContainsKey(s)));
        Delete(script, to, "map", there.Names("map"));
        return script.Append(to).ToString();
    }

    /// <summary>Whatever is there goes, with what its sets hold.</summary>
    public static string Anew(NftTable to) => $"{Remove(to)}{to}";

    public static string Remove(NftTable table) => $"table {table.Address} {{\n}}\ndelete table {table.Address}\n";

    private static void Delete(StringBuilder script, NftTable table, string kind, IEnumerable<string> names)
    {
        foreach (var name in names)
        {
            script.Append($"delete {kind} {table.Address} {name}\n");
        }
    }
}
