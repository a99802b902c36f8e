using System.CommandLine;

namespace Gantry.Cli.Tests;

public sealed class HelpTests
{
    public static TheoryData<string> Paths()
    {
        var root = Commands.Of(new App(new Terminal(Stream.Null, TextWriter.Null, Stream.Null, TimeProvider.System, _ => null)));
        return [.. Below("", root)];

        static IEnumerable<string> Below(string path, Command command) =>
            command.Subcommands.Where(sub => !sub.Hidden).SelectMany(sub => Below($"{path} {sub.Name}".Trim(), sub)).Prepend(path);
    }

    [Theory]
    [MemberData(nameof(Paths))]
    public async Task Every_command_explains_itself_with_an_example(string path)
    {
        var result = await new CliRig().RunAsync([.. path.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--help"]);
        result.Code.ShouldBe(0);
        if (path.Length > 0)
        {
            result.Out.ShouldContain("Example");
        }

        Golden.Matches($"help{(path.Length > 0 ? "-" : "")}{path.Replace(' ', '-')}", result.Transcript($"gantry {path} --help".Replace("  ", " ")));
    }

    [Fact]
    public void Every_command_has_its_place_in_the_overview()
    {
        var root = Commands.Of(new App(new Terminal(Stream.Null, TextWriter.Null, Stream.Null, TimeProvider.System, _ => null)));
        root.Subcommands.Where(sub => !sub.Hidden).Select(sub => sub.Name).ShouldBe(Commands.Groups.SelectMany(group => group.Names));
    }

    [Fact]
    public async Task Without_a_command_help_is_shown() =>
        (await new CliRig().RunAsync()).Out.ShouldBe((await new CliRig().RunAsync("--help")).Out);
}
