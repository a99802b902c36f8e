using System.CommandLine;
using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>What is done to instances, one or many: start, shutdown, stop, restart, reset, pause, resume, delete.</summary>
internal static class Power
{
    public static Command Start(App app) => Build(app, InstanceAction.Start, "started", "Start instances.");

    public static Command Shutdown(App app) => Build(app, InstanceAction.Shutdown, "shut down", "Ask instances to shut down, and wait until they have.");

    public static Command Stop(App app) => Build(app, InstanceAction.Stop, "stopped", "Stop instances at once, as if by pulling the plug.");

    public static Command Restart(App app) => Build(app, InstanceAction.Restart, "restarted", "Shut instances down and start them again.");

    public static Command Reset(App app) => Build(app, InstanceAction.Reset, "reset", "Press the reset button of instances: their guests boot anew, unasked.");

    public static Command Pause(App app) => Build(app, InstanceAction.Pause, "paused", "Halt instances where they are, in memory.");

    public static Command Resume(App app) => Build(app, InstanceAction.Resume, "resumed", "Let paused instances go on.");

    public static Command Delete(App app) => Build(app, InstanceAction.Delete, "deleted", "Delete instances and all that is theirs.");

    private sealed record Wish(InstanceAction Action, string Done, bool Force, double? Timeout);

    private static Verb Build(App app, InstanceAction action, string done, string description)
    {
        var word = Words.Of(action);
        var names = Name.Many(app);
        var all = Choose.Flag("--all", "All instances.");
        var filter = Lists.Filter();
        var force = Choose.Flag("--force", action == InstanceAction.Restart ? "End one that has not shut down by then, or is paused." : "Stop a running one first.");
        var timeout = Choose.Seconds("--timeout", "How long the guest may take, 1 to 3600. Default 60.");
        string[] examples = action switch
        {
            InstanceAction.Shutdown => ["gantry shutdown web1", "gantry shutdown web1 web2 --timeout 120"],
            InstanceAction.Restart => ["gantry restart web1", "gantry restart web1 --timeout 120 --force", "gantry restart --filter \"state eq running\""],
            InstanceAction.Delete => ["gantry delete web1", "gantry delete web1 --force", "gantry delete --filter \"state eq stopped\""],
            _ => [$"gantry {word} web1", $"gantry {word} web1 web2", $"gantry {word} --filter \"name like 'web*'\""],
        };

        var verb = new Verb(word, description, examples) { More = "Of several, each gets a line of its own; the exit code is that of the worst." }.With(names, all, filter);
        verb.With(action switch
        {
            InstanceAction.Delete => [force],
            InstanceAction.Shutdown => [timeout],
            InstanceAction.Restart => [timeout, force],
            _ => [],
        });
        return verb.Runs(app, (parsed, session, ct) =>
        {
            var wish = new Wish(action, done, parsed.CommandResult.GetResult(force) is not null && parsed.GetValue(force),
                parsed.CommandResult.GetResult(timeout) is null ? null : parsed.GetValue(timeout));
            var given = parsed.GetValue(names) ?? [];
            var expression = parsed.GetValue(all) ? parsed.GetValue(filter) ?? "*" : parsed.GetValue(filter);
            return (given, expression) switch
            {
                ([], null) => throw new WrongUseException($"`gantry {word}` needs a name.", $"Give one or several, or --all, or --filter; `gantry list` shows them."),
                ([], _) => ManyAsync(session, wish, null, expression, ct),
                (_, not null) => throw new WrongUseException("Names go without --all and --filter.", "Give either names or one of these."),
                ([var one], _) => OneAsync(session, wish, one, ct),
                _ => ManyAsync(session, wish, given, null, ct),
            };
        });
    }

    private static async Task<int> OneAsync(Session session, Wish wish, string name, CancellationToken ct)
    {
        var path = $"/instances/{ApiClient.Escape(name)}";
        var begun = wish switch
        {
            { Action: InstanceAction.Delete } => await session.SendAsync(HttpMethod.Delete, path + (wish.Force ? "?force=true" : ""), null, ct),
            { Action: InstanceAction.Restart } => await session.SendAsync(HttpMethod.Post, path + "/restart", new RestartInstance(wish.Timeout, wish.Force), WireJson.Default.RestartInstance, ct),
            { Timeout: { } seconds } => await session.SendAsync(HttpMethod.Post, path + "/shutdown", new ShutdownInstance(seconds), WireJson.Default.ShutdownInstance, ct),
            _ => await session.SendAsync(HttpMethod.Post, $"{path}/{Words.Of(wish.Action)}", null, ct),
        };
        return await Waiting.FinishAsync(session, begun, name, wish.Done, ct);
    }

    private static async Task<int> ManyAsync(Session session, Wish wish, IReadOnlyList<string>? names, string? filter, CancellationToken ct)
    {
        var body = new BatchInstances { Action = wish.Action, Names = names, Filter = filter, Force = wish.Force, TimeoutSeconds = wish.Timeout };
        var answer = await session.SendAsync(HttpMethod.Post, "/instances:batch", body, WireJson.Default.BatchInstances, ct);
        var results = Session.Read(answer, WireJson.Default.BatchResults).Items;
        if (session.NoWait && session.Format != OutputFormat.Table)
        {
            session.WriteDocument(answer);
        }

        if (results.Count == 0 && session.Format == OutputFormat.Table && !session.Quiet)
        {
            session.Terminal.Error.WriteLine("No instance matches.");
        }

        var raw = session.Format == OutputFormat.Table ? default : Session.Read(answer, WireJson.Default.JsonElement).GetProperty("items");
        var worst = ExitCode.Done;
        for (var i = 0; i < results.Count; i++)
        {
            var code = await ResultAsync(session, wish, results, i, raw, ct);
            if (code == ExitCode.Interrupted)
            {
                return code;
            }

            worst = Math.Max(worst, code);
        }

        return worst;
    }

    private static async Task<int> ResultAsync(Session session, Wish wish, IReadOnlyList<BatchResult> results, int i, JsonElement raw, CancellationToken ct)
    {
        var result = results[i];
        if (result.Operation is not { } begun)
        {
            if (session.Format != OutputFormat.Table && !session.NoWait)
            {
                session.WriteDocument(raw[i]);
            }

            return result.Error is { } problem ? Errors.PrintLine(session.Terminal, result.Name, problem.ToRefusal()) : ExitCode.Done;
        }

        if (session.NoWait)
        {
            if (session.Format == OutputFormat.Table)
            {
                session.Out.WriteLine(begun.Id.ToString());
            }

            return ExitCode.Done;
        }

        try
        {
            var (answer, ended) = await Waiting.FollowAsync(session, begun.Id, null, ct);
            if (session.Format != OutputFormat.Table)
            {
                session.WriteDocument(answer);
            }

            var code = Waiting.Tell(session, ended, result.Name, wish.Done, oneOfMany: true);
            await session.Out.FlushAsync(ct);
            return code;
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            foreach (var left in results.Skip(i).Select(item => item.Operation).OfType<Operation>())
            {
                Waiting.Detach(session, left.Id);
            }

            return ExitCode.Interrupted;
        }
    }
}
