namespace Gantry.Node.Host;

/// <summary>
/// The one door to the host's commands. Arguments are a list, never a shell string; every run has a deadline,
/// after which the command and its children are killed; SIGPIPE has its usual meaning in it.
/// </summary>
public interface IShell
{
    /// <summary>Runs a command to its end and returns what it wrote.</summary>
    /// <exception cref="CommandFailed">It could not be started, ended with another code than 0, or took longer than <see cref="Command.Deadline"/>.</exception>
    Task<CommandResult> RunAsync(Command command, CancellationToken ct);
}

/// <param name="User">Run as this user of the host (and its groups, without capabilities); null stays what the daemon is.</param>
public sealed record Command(string Program, IReadOnlyList<string> Arguments, TimeSpan Deadline, string? User = null, string? Input = null)
{
    public string? WorkingDirectory { get; init; }
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>The kernel kills it when the daemon ends, however that ends: for long work in a folder that the next daemon takes up again.</summary>
    public bool EndsWithDaemon { get; init; }

    /// <summary>How much is kept of each of its outputs; what is beyond is read and forgotten, for a tool gone mad must not fill the daemon's memory.</summary>
    public int KeptCharacters { get; init; } = 4 << 20;

    /// <summary>As a user of no name, with nothing it does not need: see <see cref="Confinement"/>.</summary>
    public Confinement? Confinement { get; init; }

    /// <summary>Told each line it writes, as it does; one that a carriage return ends too. May be called by two threads at once.</summary>
    public Action<string>? Heard { get; init; }
}

public sealed record CommandResult(string Output, string Errors);

/// <summary>A command that did not do what it was run for; the message holds its last words.</summary>
public sealed class CommandFailed(string message, int? exitCode, string errors, Exception? inner = null) : Exception(message, inner)
{
    public int? ExitCode { get; } = exitCode;

    public string Errors { get; } = errors;
}
