using Gantry.Contracts;

namespace Gantry.Daemon.Platform;

/// <summary>What names, paths and other texts of a request must keep to, whatever they belong to.</summary>
internal static class TextRules
{
    public static IEnumerable<Fault> Name(string at, string name, int longest = Limits.NameLength) => Limits.IsName(name) && name.Length <= longest ? []
        : [new(at, $"a name has 1 to {longest} of a-z, 0-9 and '-', and neither begins nor ends with '-'")];

    public static IEnumerable<Fault> Description(string? text) => Text("$.description", text, Limits.DescriptionLength, lines: true);

    /// <summary>A file of the node.</summary>
    public static IEnumerable<Fault> Path(string at, string? path)
    {
        foreach (var fault in Text(at, path, Limits.PathLength))
        {
            yield return fault;
        }

        if (path is not null && (!path.StartsWith('/') || path.Split('/').Any(part => part is ".." or ".")))
        {
            yield return new(at, "a path is absolute and has no '.' or '..' in it");
        }
    }

    /// <param name="lines">It may have several.</param>
    public static IEnumerable<Fault> Text(string at, string? text, int longest, bool lines = false)
    {
        if (text?.Length > longest)
        {
            yield return new(at, $"it has {text.Length} characters; {longest} are allowed");
        }

        if (text?.Any(c => char.IsControl(c) && !(lines && c is '\n' or '\t')) == true)
        {
            yield return new(at, "it has a control character in it");
        }
    }
}
