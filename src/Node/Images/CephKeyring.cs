using System.Text.RegularExpressions;

namespace Gantry.Node.Images;

/// <summary>
/// A user of Ceph and its key, as <c>ceph auth get</c> writes them: a section <c>[client.NAME]</c> with a line <c>key = BASE64</c>. Commands are told the
/// file, and read it themselves.
/// </summary>
internal sealed partial record CephKeyring(string User, string Key)
{
    private const int LongestBytes = 64 << 10;

    /// <summary>Null for a file that is none.</summary>
    public static CephKeyring? TryRead(string path)
    {
        var text = new FileInfo(path) is { Exists: true, Length: <= LongestBytes } ? File.ReadAllText(path) : "";
        return Entry().Match(text) is { Success: true } match ? new(match.Groups["user"].Value, match.Groups["key"].Value) : null;
    }

    /// <summary>Without the key.</summary>
    public override string ToString() => $"client.{User}";

    [GeneratedRegex(@"^\s*\[client\.(?<user>[A-Za-z0-9._-]{1,100})\]\s*$[^\[]*?^\s*key\s*=\s*(?<key>[A-Za-z0-9+/]{20,200}={0,2})\s*$", RegexOptions.Multiline)]
    private static partial Regex Entry();
}
