using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>From arguments to an exit code; every error ends here as two lines.</summary>
internal sealed class App(Terminal terminal)
{
    public Terminal Terminal { get; } = terminal;
    public Globals Globals { get; } = new();

    public async Task<int> RunAsync(IReadOnlyList<string> arguments, CancellationToken ct)
    {
        try
        {
            var parsed = Commands.Of(this).Parse(arguments);
            var code = await DispatchAsync(parsed, ct);
            await Terminal.Out.FlushAsync(CancellationToken.None);
            return code;
        }
        catch (BrokenPipeException)
        {
            return ExitCode.Done;
        }
        catch (Exception e) when (Terminal.Environment("GANTRY_DEBUG") is null)
        {
            return Errors.Print(Terminal, $"This is a fault of gantry's own: {e.GetType().Name}: {e.Message}",
                "Please report it, with what the same command prints under GANTRY_DEBUG=1.", ExitCode.Failed);
        }
    }

    /// <summary>Carries out one command's body.</summary>
    public async Task<int> RunAsync(ParseResult parsed, Func<ParseResult, Session, CancellationToken, Task<int>> body, CancellationToken ct)
    {
        using var session = new Session(Terminal, Globals, parsed);
        try
        {
            return await body(parsed, session, ct);
        }
        catch (Refusal refusal)
        {
            await Terminal.Out.FlushAsync(CancellationToken.None);
            return Errors.Print(Terminal, refusal);
        }
        catch (WrongUseException wrong)
        {
            return Errors.Print(Terminal, wrong.Message, wrong.Hint);
        }
        catch (HttpRequestException e)
        {
            return Errors.Print(Terminal, $"The daemon's answer broke off: {e.Message}", "Try again; `gantry operation list` shows what was begun.", ExitCode.Unreachable);
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
        catch (Exception e) when (e is IOException and not BrokenPipeException or UnauthorizedAccessException)
        {
            return Errors.Print(Terminal, e.Message, "Check the path, its permissions, and the space left.", ExitCode.Failed);
        }
    }

    private Task<int> DispatchAsync(ParseResult parsed, CancellationToken ct)
    {
        var command = parsed.CommandResult.Command;
        if (parsed.Action is HelpAction)
        {
            return Task.FromResult(Help.Write(Terminal.Out, command, Globals, Terminal.OutIsTerminal ? Terminal.Width() : 100));
        }

        if (parsed.Errors.Count > 0)
        {
            var hint = $"See `{Help.PathOf(command)} --help`.";
            var message = command.Subcommands.Count > 0 && !parsed.UnmatchedTokens.Any(token => token.StartsWith('-'))
                ? Help.MissingVerb(command, parsed.UnmatchedTokens)
                : parsed.UnmatchedTokens.Count == 0 && Help.MissingArgument(parsed) is { } missing ? missing
                : parsed.Errors[0].Message;
            return Task.FromResult(Errors.Print(Terminal, message, hint));
        }

        return parsed.InvokeAsync(new InvocationConfiguration
        {
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
            Output = Terminal.Out,
            Error = Terminal.Error,
        }, ct);
    }
}
