using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace Gantry.Daemon.Networks;

/// <summary>
/// YAML of strangers: bounded in size and nesting before anything is built of it, without anchors and aliases (a few lines of which can
/// stand for billions), and each value once.
/// </summary>
internal static class YamlReading
{
    /// <exception cref="YamlException">It is no YAML, or none that is taken; the mark says where.</exception>
    public static IReadOnlyList<YamlDocument> Documents(string text, int longest, int deepest)
    {
        if (text.Length > longest)
        {
            throw new YamlException($"it has {text.Length} characters; {longest} are allowed");
        }

        Check(text, deepest);
        var stream = new YamlStream();
        stream.Load(new StringReader(text));
        return [.. stream.Documents];
    }

    private static void Check(string text, int deepest)
    {
        var parser = new Parser(new StringReader(text));
        var depth = 0;
        while (parser.MoveNext())
        {
            var at = parser.Current!;
            depth += at.NestingIncrease;
            if (depth > deepest)
            {
                throw new YamlException(at.Start, at.End, $"it is nested deeper than {deepest} levels");
            }

            if (at is AnchorAlias or NodeEvent { Anchor.IsEmpty: false })
            {
                throw new YamlException(at.Start, at.End, "anchors and aliases are not taken; write the value out");
            }
        }
    }
}
