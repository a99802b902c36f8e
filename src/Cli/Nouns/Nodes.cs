using System.CommandLine;
using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry node</c>: the machines.</summary>
internal static class Nodes
{
    public static Command Build(App app) => new Verb("node", "See the machines that run instances.", "gantry node list").With(
        new Verb("list", "Show the nodes.", "gantry node list").Runs(app, (_, session, ct) =>
            session.ShowAsync("/nodes", WireJson.Default.PageNodeInfo, page => page.Items.Select(node => node.Name), page =>
            {
                var table = new Table("NAME", ">CPUS", ">MEMORY", "ARCHITECTURE", "KERNEL", "ID");
                foreach (var node in page.Items)
                {
                    table.Add(node.Name, node.Cpus.ToString(CultureInfo.InvariantCulture), Sizes.Format(node.MemoryBytes), node.Architecture, node.Kernel, node.Id.ToString());
                }

                table.Write(session.Out);
            }, ct)));
}
