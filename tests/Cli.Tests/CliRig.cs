using System.Text;

namespace Gantry.Cli.Tests;

internal sealed record CliResult(int Code, string Out, string Error)
{
    /// <summary>As a golden file shows it.</summary>
    public string Transcript(string commandLine) =>
        $"$ {commandLine}\n{Out}{(Out.Length > 0 && !Out.EndsWith('\n') ? "\n" : "")}{(Error.Length > 0 ? $"[stderr]\n{Error}" : "")}[exit {Code}]\n";
}

/// <summary>Runs the command inside the test: with a clock that stands still for ages, and streams that are or are not terminals.</summary>
internal sealed class CliRig
{
    public static readonly DateTimeOffset Now = new(2026, 3, 4, 12, 0, 0, TimeSpan.Zero);

    public string? Socket { get; init; }
    public bool OutIsTerminal { get; init; }
    public bool ErrorIsTerminal { get; init; }
    public string Input { get; init; } = "";

    /// <summary>In place of <see cref="Input"/>.</summary>
    public Stream? InputStream { get; init; }
    public CancellationToken Stop { get; init; }
    public Dictionary<string, string> Environment { get; init; } = [];

    public async Task<CliResult> RunAsync(params string[] arguments)
    {
        using var output = new MemoryStream();
        await using var error = new StringWriter { NewLine = "\n" };
        using var input = new MemoryStream(Encoding.UTF8.GetBytes(Input));
        var terminal = new Terminal(output, error, InputStream ?? input, new StillClock(), name => Environment.GetValueOrDefault(name))
        {
            OutIsTerminal = OutIsTerminal,
            ErrorIsTerminal = ErrorIsTerminal,
            Width = () => 120,
        };
        string[] all = Socket is null ? arguments : [.. arguments, "--socket", Socket];
        var code = await new App(terminal).RunAsync(all, Stop);
        return new CliResult(code, Encoding.UTF8.GetString(output.ToArray()), error.ToString());
    }

    public static Task<CliResult> RunAsync(FakeDaemon daemon, params string[] arguments) => new CliRig { Socket = daemon.Socket }.RunAsync(arguments);

    private sealed class StillClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => Now;
    }
}
