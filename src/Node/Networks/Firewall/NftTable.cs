using System.Text;

namespace Gantry.Node.Networks.Firewall;

/// <summary>What one of Gantry's nftables tables holds: sets that packets fill, and chains. Each is known by its name, its text is compared.</summary>
/// <param name="Family">Such as <c>bridge</c>.</param>
internal sealed record NftTable(string Family, string Name)
{
    /// <summary>By name, the lines between the braces.</summary>
    public OrderedDictionary<string, string> Sets { get; init; } = [];

    public OrderedDictionary<string, string> Chains { get; init; } = [];

    public string Address => $"{Family} {Name}";

    /// <param name="lines">Statements of nft(8), one rule each.</param>
    public void Chain(string name, IEnumerable<string> lines) => Chains.Add(name, string.Join("\n\t\t", lines));

    /// <summary>A set without a size of its own grows with what is in it, up to 65,535 (nft_dynset.c); with one, the kernel takes memory for all of it at once.</summary>
    public void Set(string name, string type, string timeout) => Sets.Add(name, $"typeof {type}\n\t\tflags dynamic,timeout\n\t\ttimeout {timeout}");

    /// <summary>The table as nft reads it, of sets and chains those that are chosen.</summary>
    public string Declaration(Func<string, bool> set, Func<string, bool> chain)
    {
        var text = new StringBuilder($"table {Address} {{\n");
        var parts = Sets.Where(s => set(s.Key)).Select(s => ("set", s.Key, s.Value)).Concat(Chains.Where(c => chain(c.Key)).Select(c => ("chain", c.Key, c.Value)));
        foreach (var (kind, name, body) in parts)
        {
            text.Append('\t').Append(kind).Append(' ').Append(name).Append(" {\n\t\t").Append(body).Append("\n\t}\n");
        }

        return text.Append("}\n").ToString();
    }

    public override string ToString() => Declaration(_ => true, _ => true);
}
