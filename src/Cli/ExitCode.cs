using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>What scripts read. Where several things were asked for, the highest wins.</summary>
internal static class ExitCode
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int WrongUse = 2;
    public const int NotFound = 3;
    public const int Refused = 4;
    public const int Conflict = 5;
    public const int TimedOut = 6;
    public const int Unreachable = 7;

    /// <summary>Ctrl-C, as a shell has it.</summary>
    public const int Interrupted = 130;

    public static int Of(Refusal refusal) => refusal.Status switch
    {
        0 => Unreachable,
        401 or 403 => Refused,
        404 => NotFound,
        409 or 412 or 423 => Conflict,
        504 => TimedOut,
        _ => Failed,
    };
}

/// <summary>The command line itself is wrong: exit code 2.</summary>
internal sealed class WrongUseException(string message, string hint) : Exception(message)
{
    public string Hint { get; } = hint;
}

/// <summary>How a "no" looks: what happened, every fault by its path, what to do.</summary>
internal static class Errors
{
    public static int Print(Terminal terminal, Refusal refusal)
    {
        terminal.Error.WriteLine($"Error: {Words.Clean(refusal.Message)}");
        foreach (var fault in refusal.Faults)
        {
            terminal.Error.WriteLine($"  {Words.Clean(fault.Path)}: {Words.Clean(fault.Message)}");
        }

        terminal.Error.WriteLine(Words.Clean(HintOf(refusal)));
        return ExitCode.Of(refusal);
    }

    public static int Print(Terminal terminal, string message, string hint, int code = ExitCode.WrongUse)
    {
        terminal.Error.WriteLine($"Error: {Words.Clean(message)}");
        terminal.Error.WriteLine(Words.Clean(hint));
        return code;
    }

    /// <summary>One line, for one of several things asked for.</summary>
    public static int PrintLine(Terminal terminal, string name, Refusal refusal)
    {
        var faults = string.Concat(refusal.Faults.Select(fault => $" {fault.Path}: {fault.Message}"));
        terminal.Error.WriteLine(Words.Clean($"{name}: {refusal.Message}{faults} {HintOf(refusal)}"));
        return ExitCode.Of(refusal);
    }

    private static string HintOf(Refusal refusal) =>
        refusal.Hint.Length > 0 ? refusal.Hint : "The daemon's log says more; `gantry doctor` checks this host.";
}
