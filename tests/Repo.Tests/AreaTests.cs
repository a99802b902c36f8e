using Mono.Cecil;

namespace Gantry.Repo.Tests;

/// <summary>Folders are walls: which area may use which. The arrows stand here as data; a new one is a line and a review.</summary>
public class AreaTests
{
    /// <summary>Any area may use these; Platform uses none.</summary>
    private static readonly string[] Shared = ["Operations", "Events", "Platform"];

    /// <summary>The daemon's areas and what else each uses. What stands in no area (GantryDaemon.cs) puts them together.</summary>
    private static readonly Dictionary<string, string[]> Daemon = new()
    {
        ["Platform"] = [],
        ["Config"] = [],
        ["Events"] = [],
        ["Operations"] = [],
        ["Postgres"] = [],
        ["Images"] = [],
        ["Networks"] = ["Config"],
        ["Pools"] = ["Images"],
        ["Instances"] = ["Config", "Images", "Networks", "Pools"],
        ["Snapshots"] = ["Instances"],
        ["Quotas"] = ["Instances", "Pools", "Snapshots"],
        ["Clones"] = ["Images", "Instances", "Pools", "Snapshots"],
        ["Templates"] = ["Instances"],
        ["Schedules"] = ["Instances", "Snapshots"],
        ["Consoles"] = ["Config", "Instances"],
        ["Nodes"] = [],
        ["Systems"] = ["Config", "Nodes", "Postgres"],
    };

    private static readonly Dictionary<string, string[]> Node = new()
    {
        ["Host"] = [],
        ["Images"] = ["Host"],
        ["Pools"] = ["Host", "Images"],
        ["Instances"] = ["Host", "Images", "Networks", "Pools"],
        ["Snapshots"] = ["Drivers", "Guests", "Host", "Instances", "Pools"],
        ["Guests"] = ["Host", "Instances"],
        ["Isolation"] = ["Host"],
        ["Networks"] = ["Host"],
        ["Drivers"] = ["Host", "Images", "Instances", "Isolation", "Networks", "Pools"],
    };

    [Fact]
    public void Areas_of_the_daemon_use_only_the_areas_they_declare() =>
        Strays("gantryd", "Gantry.Daemon", Daemon, Shared).ShouldBeEmpty();

    [Fact]
    public void Areas_of_the_node_use_only_the_areas_they_declare() =>
        Strays("Gantry.Node", "Gantry.Node", Node, []).ShouldBeEmpty();

    [Fact]
    public void Every_declared_area_exists()
    {
        Daemon.Keys.Except(AreasOf("gantryd", "Gantry.Daemon")).ShouldBeEmpty();
        Node.Keys.Except(AreasOf("Gantry.Node", "Gantry.Node")).ShouldBeEmpty();
    }

    private static List<string> Strays(string assembly, string root, Dictionary<string, string[]> arrows, string[] shared)
    {
        using var module = Read(assembly);
        return
        [
            .. (from type in module.GetTypes()
                let area = AreaOf(Il.Outermost(type), root)
                where area is not null
                from used in Il.UsedBy(type)
                let other = AreaOf(used, root)
                where other is not null && other != area && !(shared.Contains(other) && area != "Platform")
                    && !(arrows.TryGetValue(area, out var allowed) && allowed.Contains(other))
                select $"{area} -> {other}: {Il.Outermost(type).Name} uses {used.Name}").Distinct().Order(StringComparer.Ordinal),
        ];
    }

    private static List<string> AreasOf(string assembly, string root)
    {
        using var module = Read(assembly);
        return [.. module.GetTypes().Select(t => AreaOf(Il.Outermost(t), root)).OfType<string>().Distinct()];
    }

    private static ModuleDefinition Read(string assembly) =>
        ModuleDefinition.ReadModule(Path.Combine(AppContext.BaseDirectory, $"{assembly}.dll"));

    private static string? AreaOf(TypeReference type, string root) =>
        type.Namespace.StartsWith($"{root}.", StringComparison.Ordinal) ? type.Namespace[(root.Length + 1)..].Split('.')[0] : null;
}
