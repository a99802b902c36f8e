using System.Text.RegularExpressions;

namespace Gantry.Repo.Tests;

/// <summary>How every file of the project is.</summary>
public partial class FileTests
{
    private static readonly string[] Written = [".cs", ".c", ".h", ".sql", ".sh", ".md", ".csproj", ".props", ".yml", ".yaml", ".service", "/dev"];

    [Fact]
    public void No_file_is_longer_than_400_lines()
    {
        var tooLong =
            from file in Text()
            where !IsGolden(file)
            let lines = File.ReadLines(Repository.PathOf(file)).Count()
            where lines > 400
            select $"{file}: {lines} lines; split it by concern";

        tooLong.ShouldBeEmpty();
    }

    [Fact]
    public void No_file_names_a_directory_of_the_machine_it_was_written_on()
    {
        var strays =
            from file in Text()
            from line in File.ReadLines(Repository.PathOf(file))
            where MachinePath().IsMatch(line)
            select $"{file}: {line.Trim()}";

        strays.ShouldBeEmpty();
    }

    [Fact]
    public void Scripts_may_be_run()
    {
        var scripts = Repository.Files.Where(f => f is "dev" or ".ci/run" || (f.EndsWith(".sh", StringComparison.Ordinal) && !f.StartsWith("src/", StringComparison.Ordinal)));

        scripts.Where(f => (File.GetUnixFileMode(Repository.PathOf(f)) & UnixFileMode.UserExecute) == 0).ShouldBeEmpty();
    }

    private static IEnumerable<string> Text() => Repository.Files.Where(f => Written.Any(w => $"/{f}".EndsWith(w, StringComparison.Ordinal)));

    private static bool IsGolden(string file) => file.StartsWith("docs/api/", StringComparison.Ordinal) || file.EndsWith("schema.sql", StringComparison.Ordinal);

    /// <summary>Home directories and build roots; the paths that the Filesystem Hierarchy Standard gives a service are fine.</summary>
    [GeneratedRegex(@"(?<![\w.$}])/(home|root|work|Users|workspace|builds)/[\w.]")]
    private static partial Regex MachinePath();
}
