using System.CommandLine;
using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>What could come next on a command line.</summary>
internal static class Completer
{
    /// <param name="words">Without the command's own name; the last is what is being typed, maybe empty.</param>
    public static IEnumerable<string> Candidates(App app, IReadOnlyList<string> words)
    {
        var root = Commands.Of(app);
        var parsed = root.Parse([.. words.SkipLast(1)]);
        var command = parsed.CommandResult.Command;
        var (typed, before) = (words[^1], words.Count > 1 ? words[^2] : "");

        var all = Options(command).ToArray();
        var pending = all.FirstOrDefault(option => Takes(option) && (option.Name == before || option.Aliases.Contains(before)));
        var context = parsed.GetCompletionContext();
        var found = pending is not null ? pending.CompletionSources.SelectMany(source => source(context)).Select(item => item.Label)
            : typed.StartsWith('-') ? all.Where(option => !option.Hidden).Select(option => option.Name)
            : command.Subcommands.Where(sub => !sub.Hidden).Select(sub => sub.Name)
                .Concat(Argument(parsed, command)?.CompletionSources.SelectMany(source => source(context)).Select(item => item.Label) ?? []);

        // A name is offered once, so that `start web1 <TAB>` goes on to the next; a name that is not safe, never.
        return found.Where(candidate => candidate.StartsWith(typed, StringComparison.Ordinal) && candidate == Words.Clean(candidate)
            && (pending is not null || !words.SkipLast(1).Contains(candidate)));
    }

    private static IEnumerable<Option> Options(Command command)
    {
        var own = command.Options.Where(option => !option.Recursive);
        var parents = command.Parents.OfType<Command>().SelectMany(Recursive);
        return own.Concat(command.Options.Where(option => option.Recursive)).Concat(parents).DistinctBy(option => option.Name);

        static IEnumerable<Option> Recursive(Command parent) =>
            parent.Options.Where(option => option.Recursive).Concat(parent.Parents.OfType<Command>().SelectMany(Recursive));
    }

    private static bool Takes(Option option) => option.ValueType != typeof(bool) && option.Arity.MaximumNumberOfValues > 0;

    /// <summary>The first argument that still takes a value.</summary>
    private static Argument? Argument(ParseResult parsed, Command command) =>
        command.Arguments.FirstOrDefault(argument => (parsed.GetResult(argument)?.Tokens.Count ?? 0) < argument.Arity.MaximumNumberOfValues);
}

/// <summary>Names the daemon knows, for completion: a short deadline, and nothing at all when it does not answer.</summary>
internal static class NamesOfDaemon
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMilliseconds(500);

    public static IEnumerable<string> Ask(App app, ParseResult parsed, string path)
    {
        try
        {
            using var session = new Session(app.Terminal, app.Globals, parsed);
            using var deadline = new CancellationTokenSource(Deadline);
            var answer = session.SendAsync(HttpMethod.Get, $"{path}?limit={Limits.MaxPage}", null, deadline.Token).GetAwaiter().GetResult();
            return [.. Session.Read(answer, WireJson.Default.JsonElement).GetProperty("items").EnumerateArray().Select(NameOf).OfType<string>()];
        }
        catch (Exception e) when (e is Refusal or OperationCanceledException or HttpRequestException or KeyNotFoundException or InvalidOperationException)
        {
            return [];
        }
    }

    private static string? NameOf(JsonElement item) =>
        item.TryGetProperty("name", out var name) ? name.GetString() : item.TryGetProperty("id", out var id) ? id.GetString() : null;
}
