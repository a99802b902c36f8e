using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>The tree of an instance's snapshots, drawn.</summary>
internal static class SnapshotDrawing
{
    private const string Here = "* the instance, as it is now";

    public static IEnumerable<string> Names(SnapshotTree tree) => tree.Roots.SelectMany(NamesOf);

    public static IEnumerable<string> Of(SnapshotTree tree)
    {
        var lines = new List<(string Text, long? Size)>();
        foreach (var root in tree.Roots)
        {
            lines.Add((Words.Clean(root.Snapshot.Name), root.Snapshot.SizeBytes));
            Under(root, "");
        }

        if (tree.Current is null)
        {
            lines.Add((Here, null));
        }

        var width = lines.Where(l => l.Size is not null).Select(l => l.Text.Length).DefaultIfEmpty().Max();
        return lines.Select(l => l.Size is { } size ? $"{l.Text.PadRight(width)}  {Sizes.Format(size)}" : l.Text);

        void Under(SnapshotBranch branch, string indent)
        {
            for (var at = 0; at < branch.After.Count; at++)
            {
                var (one, last) = (branch.After[at], at == branch.After.Count - 1 && !branch.Snapshot.Current);
                lines.Add(($"{indent}{(last ? "└─ " : "├─ ")}{Words.Clean(one.Snapshot.Name)}", one.Snapshot.SizeBytes));
                Under(one, indent + (last ? "   " : "│  "));
            }

            if (branch.Snapshot.Current)
            {
                lines.Add(($"{indent}└─ {Here}", null));
            }
        }
    }

    private static IEnumerable<string> NamesOf(SnapshotBranch branch) => branch.After.SelectMany(NamesOf).Prepend(branch.Snapshot.Name);
}
