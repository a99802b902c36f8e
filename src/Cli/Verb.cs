using System.CommandLine;
using System.CommandLine.Completions;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>A command with its examples.</summary>
internal sealed class Verb(string name, string description, params string[] examples) : Command(name, description)
{
    public IReadOnlyList<string> Examples { get; } = examples;

    /// <summary>More to know, below the description in its help.</summary>
    public string? More { get; init; }

    public Verb With(params Symbol[] symbols)
    {
        foreach (var symbol in symbols)
        {
            switch (symbol)
            {
                case Option option:
                    Add(option);
                    break;
                case Argument argument:
                    Add(argument);
                    break;
                case Command command:
                    Add(command);
                    break;
            }
        }

        return this;
    }

    public Verb Runs(App app, Func<ParseResult, Session, CancellationToken, Task<int>> body)
    {
        SetAction((parsed, ct) => app.RunAsync(parsed, body, ct));
        return this;
    }
}

/// <summary>Arguments that name something of the daemon's, so that completion can ask for it.</summary>
internal static class Name
{
    public static Argument<string> Of(string what, App app, string? completeFrom = null) =>
        Fill(new Argument<string>(what.ToUpperInvariant()), $"Its {what} name or id.", app, completeFrom);

    public static Argument<string[]> Many(App app, string completeFrom = "/instances") =>
        Fill(new Argument<string[]>("NAME") { Arity = ArgumentArity.ZeroOrMore }, "One or several names or ids.", app, completeFrom);

    public static T Fill<T>(T argument, string description, App app, string? completeFrom)
        where T : Argument
    {
        argument.Description = description;
        if (completeFrom is not null)
        {
            argument.CompletionSources.Add(context =>
                NamesOfDaemon.Ask(app, context.ParseResult, completeFrom).Select(name => new CompletionItem(name)));
        }

        return argument;
    }
}
