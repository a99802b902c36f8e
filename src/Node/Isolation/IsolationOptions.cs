namespace Gantry.Node.Isolation;

/// <summary>What keeps a guest's processes to themselves where the host has it; users, capabilities and seccomp hold everywhere.</summary>
public enum Measure
{
    /// <summary>A file system, processes and a network of their own.</summary>
    Namespaces,

    /// <summary>Control groups, with an end to memory, processes and time.</summary>
    Limits,

    AppArmor,
}

/// <param name="Required">An instance is not started where one of these cannot be had; without the others it is, and says so.</param>
/// <param name="Uids">The user ids for guests; null for the block that each root finds for itself.</param>
public sealed record IsolationOptions(IReadOnlySet<Measure> Required, Host.IdRange? Uids = null)
{
    public static IsolationOptions Default { get; } = new(new HashSet<Measure> { Measure.Namespaces });

    /// <summary>From <c>namespaces,limits</c>, or <c>none</c>; null when it says something else.</summary>
    public static IReadOnlySet<Measure>? ParseRequired(string text)
    {
        var found = new HashSet<Measure>();
        foreach (var word in text == "none" ? [] : text.Split(',', StringSplitOptions.TrimEntries))
        {
            if (!char.IsAsciiLetterLower(word.FirstOrDefault()) || !Enum.TryParse<Measure>(word, ignoreCase: true, out var measure))
            {
                return null;
            }

            found.Add(measure);
        }

        return found;
    }
}
