using Gantry.Contracts;
using Gantry.Node;

namespace Gantry.Daemon.Platform;

/// <summary>Which node this daemon is: an id made once and kept in the data directory, and the configured name.</summary>
internal sealed record NodeIdentity(Id<NodeInfo> Id, string Name)
{
    public static NodeIdentity Open(GantryRoot root, string name)
    {
        var path = $"{root.Data}/node-id";
        if (File.Exists(path) && Id<NodeInfo>.TryParse(File.ReadAllText(path).Trim(), null, out var id))
        {
            return new(id, name);
        }

        var made = Id<NodeInfo>.New();
        File.WriteAllText($"{path}.new", $"{made}\n");
        File.Move($"{path}.new", path, overwrite: true);
        return new(made, name);
    }
}
