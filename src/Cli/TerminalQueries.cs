using System.Text;
using System.Text.RegularExpressions;

namespace Gantry.Cli;

/// <summary>
/// What a program writes to ask the terminal something: where the cursor is, how large it is, what it can. The terminal types its answer,
/// which helps who asked just now and is garbage to whoever reads the line later.
/// </summary>
internal static partial class TerminalQueries
{
    public static ReadOnlySpan<byte> Without(ReadOnlySpan<byte> output) =>
        Encoding.Latin1.GetBytes(Query().Replace(Encoding.Latin1.GetString(output), ""));

    // ECMA-48 DSR and DA with xterm's variants (XTerm Control Sequences: CSI n, c, x, t, $p, >q; ESC Z; ENQ; OSC with '?'; DCS).
    [GeneratedRegex(@"\x1b\[[?>=]?[0-9;]*([cnxt]|\$p)|\x1b\[>[0-9;]*q|\x1bZ|\x05|\x1b\][^\x07\x1b]*\?[^\x07\x1b]*(\x07|\x1b\\)|\x1bP[^\x1b]*\x1b\\", RegexOptions.CultureInvariant)]
    private static partial Regex Query();
}
