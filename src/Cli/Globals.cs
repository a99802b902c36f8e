using System.CommandLine;

namespace Gantry.Cli;

internal enum OutputFormat
{
    Table,
    Json,
    Yaml,
}

/// <summary>The options every command takes.</summary>
internal sealed class Globals
{
    public const string DefaultSocket = "/run/gantry/gantry.sock";

    public Option<string> Root { get; } = new("--root")
    {
        HelpName = "DIR",
        Recursive = true,
        Description = "The daemon's directory; its socket is DIR/run/gantry.sock. From GANTRY_ROOT when that is set.",
    };

    public Option<string> Socket { get; } = new("--socket")
    {
        HelpName = "PATH",
        Recursive = true,
        Description = $"The daemon's socket. Default {DefaultSocket}.",
    };

    public Option<OutputFormat> Output { get; } = Choose.From("--output", "-o", OutputFormat.Table,
        "table for people; json prints exactly what the API answered; yaml is the same as YAML.");

    public Option<bool> Quiet { get; } = new("--quiet", "-q") { Recursive = true, Description = "Names only." };

    public Option<bool> NoWait { get; } = new("--no-wait")
    {
        Recursive = true,
        Description = "Begin a slow change, print its operation's id, and do not wait for its end.",
    };

    public Globals() => Output.Recursive = true;

    public IEnumerable<Option> All => [Root, Socket, Output, Quiet, NoWait];

    /// <summary>Given on the command line before the environment; <c>--socket</c> before <c>--root</c>.</summary>
    public string SocketPath(ParseResult parsed, Func<string, string?> environment) =>
        parsed.GetValue(Socket) ?? (RootPath(parsed, environment) is { } root ? Path.Combine(root, "run/gantry.sock") : DefaultSocket);

    /// <summary>Null for the system's own directories, which <c>/</c> names too.</summary>
    public string? RootPath(ParseResult parsed, Func<string, string?> environment) =>
        (parsed.GetValue(Root) ?? environment("GANTRY_ROOT")) is { Length: > 0 } root && root != "/" ? root : null;
}
