using System.Text;
using Gantry.Contracts;
using Gantry.Node;
using Gantry.Node.Host;

namespace Gantry.Daemon.Platform;

/// <summary>Which node this daemon is: an id made once and kept in the data directory, and the configured name.</summary>
internal sealed record NodeIdentity(Id<NodeInfo> Id, string Name)
{
    public static NodeIdentity Open(GantryRoot root, string name)
    {
        var path = $"{root.Data}/node-id";
        if (!File.Exists(path))
        {
            AtomicFile.Write(path, Encoding.ASCII.GetBytes($"{Id<NodeInfo>.New()}\n"));
        }

        // Never a second identity: all that is written down under the first would be nobody's.
        return Id<NodeInfo>.TryParse(File.ReadAllText(path).Trim(), null, out var id)
            ? new(id, name)
            : throw Refusal.Unavailable("node.id_damaged", $"{path} does not hold this node's id.", "Put back the id that `nodes` of the instances in the database have.");
    }
}
