using System.CommandLine;

namespace Gantry.Cli;

/// <summary>Help: what it does, how it is written, an example, its arguments and options.</summary>
internal static class Help
{
    private const string ExitCodes = "Exit codes: 0 done, 1 failed, 2 wrong use, 3 not found, 4 not allowed, 5 in conflict or busy, "
        + "6 timed out, 7 the daemon cannot be reached; 130 after Ctrl-C. Errors are two lines on standard error: what happened, what to do.";

    public static int Write(TextWriter writer, Command command, Globals globals, int width)
    {
        writer.WriteLine(command.Description);
        if (command is RootCommand)
        {
            writer.WriteLine();
            WriteWrapped(writer, ExitCodes, 0, width);
        }

        if (command is Verb { More: { } more })
        {
            writer.WriteLine();
            WriteWrapped(writer, more, 0, width);
        }

        writer.WriteLine();
        writer.WriteLine("Usage:");
        writer.WriteLine($"  {UsageOf(command)}");
        if (command is Verb { Examples: { Count: > 0 } examples })
        {
            writer.WriteLine();
            writer.WriteLine(examples.Count == 1 ? "Example:" : "Examples:");
            foreach (var example in examples)
            {
                writer.WriteLine($"  {example}");
            }
        }

        var groups = command is RootCommand
            ? Commands.Groups.Select(group => (group.Title, Rows(command.Subcommands.Where(sub => group.Names.Contains(sub.Name)))))
            : [("Commands", Rows(command.Subcommands))];
        foreach (var (title, rows) in groups)
        {
            WriteRows(writer, title, rows, width);
        }

        WriteRows(writer, "Arguments", command.Arguments.Select(argument => (argument.Name, argument.Description ?? "")), width);
        WriteRows(writer, "Options", command.Options.Where(option => !option.Recursive && !option.Hidden).Select(Row), width);
        WriteRows(writer, "Everywhere", globals.All.Select(Row).Append(("-h, --help", "This text.")), width);
        return ExitCode.Done;
    }

    /// <summary><c>gantry image build</c>.</summary>
    public static string PathOf(Command command) =>
        command.Parents.OfType<Command>().FirstOrDefault() is { } parent ? $"{PathOf(parent)} {command.Name}" : "gantry";

    public static string MissingVerb(Command command, IReadOnlyList<string> unmatched)
    {
        var verbs = command.Subcommands.Where(sub => !sub.Hidden).Select(sub => sub.Name).ToArray();
        if (unmatched.Count == 0)
        {
            return $"`{PathOf(command)}` needs one of: {Words.Join(verbs)}.";
        }

        var near = verbs.Where(verb => Distance(verb, unmatched[0]) <= 2).ToArray();
        return $"`{PathOf(command)}` has no command '{unmatched[0]}'"
            + (near.Length > 0 ? $"; did you mean {string.Join(" or ", near)}?" : ".");
    }

    /// <returns>Null when it is not an argument that is missing.</returns>
    public static string? MissingArgument(ParseResult parsed) =>
        parsed.CommandResult.Command.Arguments.FirstOrDefault(argument => parsed.GetResult(argument) is { } result
            && result.Tokens.Count < argument.Arity.MinimumNumberOfValues) is { } missing
            ? $"`{PathOf(parsed.CommandResult.Command)}` needs {missing.Name}: {missing.Description}" : null;

    private static string UsageOf(Command command)
    {
        var arguments = command.Arguments.Select(argument => argument.Arity switch
        {
            { MinimumNumberOfValues: 0, MaximumNumberOfValues: 1 } => $"[{argument.Name}]",
            { MinimumNumberOfValues: 0 } => $"[{argument.Name}...]",
            { MinimumNumberOfValues: 1, MaximumNumberOfValues: > 2 } => $"{argument.Name}...",
            _ => argument.Name,
        });
        var verb = command.Subcommands.Any(sub => !sub.Hidden) ? " COMMAND" : "";
        return $"{PathOf(command)}{verb}{string.Concat(arguments.Select(argument => " " + argument))} [options]";
    }

    private static IEnumerable<(string, string)> Rows(IEnumerable<Command> commands) =>
        commands.Where(command => !command.Hidden).Select(command => (command.Name, command.Description ?? ""));

    private static (string, string) Row(Option option)
    {
        var names = string.Join(", ", option.Aliases.Append(option.Name).OrderBy(name => name.Length));
        return (option.ValueType == typeof(bool) ? names : $"{names} {option.HelpName ?? "VALUE"}", option.Description ?? "");
    }

    private static void WriteRows(TextWriter writer, string title, IEnumerable<(string Head, string Text)> rows, int width)
    {
        var all = rows.ToArray();
        if (all.Length == 0)
        {
            return;
        }

        writer.WriteLine();
        writer.WriteLine($"{title}:");
        var column = Math.Min(all.Max(row => row.Head.Length), 30) + 4;
        foreach (var (head, text) in all)
        {
            if (head.Length + 4 > column)
            {
                writer.WriteLine($"  {head}");
                writer.Write(new string(' ', column));
            }
            else
            {
                writer.Write($"  {head}".PadRight(column));
            }

            WriteWrapped(writer, text, column, width);
        }
    }

    private static void WriteWrapped(TextWriter writer, string text, int indent, int width)
    {
        var at = indent;
        foreach (var word in text.Split(' '))
        {
            if (at > indent && at + 1 + word.Length > width)
            {
                writer.WriteLine();
                writer.Write(new string(' ', indent));
                at = indent;
            }

            writer.Write(at > indent ? " " + word : word);
            at += word.Length + (at > indent ? 1 : 0);
        }

        writer.WriteLine();
    }

    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[b.Length];
    }
}
