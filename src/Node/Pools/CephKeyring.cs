using System.Text.RegularExpressions;
using Gantry.Contracts;

namespace Gantry.Node.Pools;

/// <summary>
/// A user of Ceph and its key, as <c>ceph auth get</c> writes them: a section <c>[client.NAME]</c> with a line <c>key = BASE64</c>. Commands are told the
/// file, and read it themselves.
/// </summary>
internal sealed partial record CephKeyring(string User, string Key)
{
    private const int LongestBytes = 64 << 10;

    /// <exception cref="Refusal"><c>pool.not_usable</c></exception>
    public static CephKeyring Read(string path, string source)
    {
        var text = new FileInfo(path).Length <= LongestBytes ? File.ReadAllText(path) : "";
        return Entry().Match(text) is { Success: true } match
            ? new(match.Groups["user"].Value, match.Groups["key"].Value)
            : throw PoolErrors.NotUsable(source, $"{path} is no keyring: a line [client.NAME], and below it a line key = KEY (`ceph auth get client.NAME` writes one)");
    }

    /// <summary>Without the key.</summary>
    public override string ToString() => $"client.{User}";

    [GeneratedRegex(@"^\s*\[client\.(?<user>[A-Za-z0-9._-]{1,100})\]\s*$[^\[]*?^\s*key\s*=\s*(?<key>[A-Za-z0-9+/]{20,200}={0,2})\s*$", RegexOptions.Multiline)]
    private static partial Regex Entry();
}
