using System.CommandLine;
using Gantry.Contracts;
using Gantry.Daemon;
using Gantry.Daemon.Config;
using Gantry.Node;

var root = new Option<string?>("--root") { Description = "Where everything this daemon owns lies; / for the system's own directories.", Recursive = true };
var file = new Option<string?>("--config") { Description = "The configuration file, instead of the root's own.", Recursive = true };
var set = new Option<string[]>("--set") { Description = "A setting as NAME=VALUE, over file and environment. May be repeated.", Recursive = true };
var other = new Argument<string?>("FILE") { Description = "Another file than the root's own.", Arity = ArgumentArity.ZeroOrOne };

var check = new Command("check", "Reads the configuration and says what is wrong with it.") { other };
check.SetAction(parsed =>
{
    Load(parsed, parsed.GetValue(other));
    Console.WriteLine("The configuration is valid.");
});
var show = new Command("show", "Shows every setting, and where its value comes from.");
show.SetAction(parsed => Console.WriteLine(System.Text.Json.JsonSerializer.Serialize(Load(parsed, null).Settings, WireJson.Default.Settings)));

var command = new RootCommand("The Gantry daemon.") { root, file, set, new Command("config", "Checks or shows the configuration.") { check, show } };
command.SetAction((parsed, ct) => GantryDaemon.RunAsync(RootOf(parsed), Load(parsed, null), ct));
try
{
    // A daemon stops by itself on SIGTERM, in its own time; System.CommandLine must not hurry it.
    return await command.Parse(args).InvokeAsync(new() { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
}
catch (Refusal refusal)
{
    Console.Error.WriteLine(refusal.Message);
    foreach (var fault in refusal.Faults)
    {
        Console.Error.WriteLine($"  {fault.Path}: {fault.Message}");
    }

    Console.Error.WriteLine(refusal.Hint);
    return refusal.Code.StartsWith("config.", StringComparison.Ordinal) ? 2 : 1;
}
catch (UnauthorizedAccessException e)
{
    Console.Error.WriteLine(e.Message);
    Console.Error.WriteLine("Run the daemon as root: it gives each guest a user of its own.");
    return 1;
}

GantryRoot RootOf(ParseResult parsed) => GantryRoot.At(parsed.GetValue(root) ?? Environment.GetEnvironmentVariable(GantryRoot.Variable));

ConfigLoader.Loaded Load(ParseResult parsed, string? named) =>
    ConfigLoader.Load(RootOf(parsed), named ?? parsed.GetValue(file), parsed.GetValue(set) ?? [], Environment.GetEnvironmentVariable);

/// <summary>Public so that tests can name the assembly.</summary>
public partial class Program;
