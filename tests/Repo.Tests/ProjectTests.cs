using System.Xml.Linq;

namespace Gantry.Repo.Tests;

/// <summary>Projects are walls: Contracts ← Node ← Daemon, and the commands see only Contracts.</summary>
public class ProjectTests
{
    private static readonly Dictionary<string, string[]> Arrows = new()
    {
        ["Contracts"] = [],
        ["Node"] = ["Contracts"],
        ["Daemon"] = ["Contracts", "Node"],
        ["Cli"] = ["Contracts"],
    };

    [Fact]
    public void Projects_refer_only_to_the_projects_they_declare()
    {
        var strays =
            from file in Projects("src/")
            let project = Path.GetFileNameWithoutExtension(file)
            from reference in XDocument.Load(Repository.PathOf(file)).Descendants("ProjectReference")
            let other = Path.GetFileNameWithoutExtension((string)reference.Attribute("Include")!)
            where !(Arrows.TryGetValue(project, out var allowed) && allowed.Contains(other))
            select $"{project} -> {other}";

        strays.ShouldBeEmpty();
    }

    [Fact]
    public void Every_project_stands_in_the_solution_and_has_its_lock_file()
    {
        var solution = XDocument.Load(Repository.PathOf("Gantry.slnx")).Descendants("Project").Select(p => (string)p.Attribute("Path")!).ToList();

        Repository.FilesEndingWith(".csproj").Except(solution).ShouldBeEmpty("not in Gantry.slnx");
        solution.Select(p => $"{Path.GetDirectoryName(p)}/packages.lock.json").Except(Repository.Files).ShouldBeEmpty("no lock file");
    }

    [Fact]
    public void Packages_are_named_with_their_version_in_one_place() =>
        Repository.FilesEndingWith(".csproj")
            .Where(f => XDocument.Load(Repository.PathOf(f)).Descendants("PackageReference").Any(p => p.Attribute("Version") is not null))
            .ShouldBeEmpty();

    private static IEnumerable<string> Projects(string under) =>
        Repository.FilesEndingWith(".csproj").Where(f => f.StartsWith(under, StringComparison.Ordinal));
}
