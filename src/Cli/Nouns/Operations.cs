using System.CommandLine;
using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry operation</c>: the slow changes, running and done.</summary>
internal static class Operations
{
    public static Command Build(App app) => new Verb("operation", "See, await and cancel slow changes.", "gantry operation list --state running")
        .With(List(app), Show(app), Wait(app), Cancel(app), Log(app));

    private static Verb List(App app)
    {
        var state = Choose.Optional<OperationState>("--state", "Only those in this state.");
        var target = Choose.Text("--target", "Only those that change this: instances/web1.", "PATH");
        var limit = Lists.Limit();
        return new Verb("list", "Show operations, the newest first.", "gantry operation list", "gantry operation list --state failed --limit 10")
            .With(state, target, limit).Runs(app, (parsed, session, ct) => Lists.ShowAsync(
                session, "/operations", WireJson.Default.PageOperation,
                [("state", parsed.GetValue(state) is { } wanted ? Words.Of(wanted) : null), ("target", parsed.GetValue(target))],
                parsed.GetValue(limit), operation => operation.Id.ToString(), operations => WriteTable(session, operations), ct));
    }

    private static Verb Show(App app)
    {
        var id = Id(app);
        return new Verb("show", "Show one operation.", "gantry operation show 0198c0de-0000-7000-8000-000000000001").With(id).Runs(app, (parsed, session, ct) =>
            session.ShowAsync($"/operations/{ApiClient.Escape(parsed.GetValue(id)!)}", WireJson.Default.Operation,
                operation => [operation.Id.ToString()], operation => WriteCard(session, operation), ct));
    }

    private static Verb Wait(App app)
    {
        var id = Id(app);
        var timeout = Choose.Seconds("--timeout", "Wait at most so long; exit code 6 when it has not ended by then.");
        return new Verb("wait", "Wait for an operation's end and say how it ended.", "gantry operation wait 0198c0de-0000-7000-8000-000000000001 --timeout 60")
            .With(id, timeout).Runs(app, async (parsed, session, ct) =>
            {
                var operation = IdOf(parsed.GetValue(id)!);
                TimeSpan? deadline = parsed.GetValue(timeout) is { } seconds ? TimeSpan.FromSeconds(Math.Min(seconds, 1e9)) : null;
                var (answer, ended) = await Waiting.FollowAsync(session, operation, deadline, ct);
                if (session.Format != OutputFormat.Table)
                {
                    session.WriteDocument(answer);
                }

                return ended.IsFinished()
                    ? Waiting.Tell(session, ended, session.Quiet ? ended.Id.ToString() : $"{ended.Kind} {ended.TargetName}", "succeeded")
                    : Errors.Print(session.Terminal, $"Operation {operation} ({ended.Kind}) is still {Words.Of(ended.State)} after {Words.Span(parsed.GetValue(timeout)!.Value)}.",
                        $"It goes on; wait again, or cancel it with `gantry operation cancel {operation}`.", ExitCode.TimedOut);
            });
    }

    private static Verb Cancel(App app)
    {
        var id = Id(app);
        return new Verb("cancel", "Cancel an operation and wait until what it had done is undone.", "gantry operation cancel 0198c0de-0000-7000-8000-000000000001")
            .With(id).Runs(app, async (parsed, session, ct) =>
            {
                var operation = IdOf(parsed.GetValue(id)!);
                var answer = await session.SendAsync(HttpMethod.Delete, $"/operations/{operation}", null, ct);
                if (!session.NoWait)
                {
                    (answer, _) = await Waiting.FollowAsync(session, operation, null, ct);
                }

                session.Show(answer, WireJson.Default.Operation, ended => [ended.Id.ToString()],
                    ended => session.Out.WriteLine($"{Words.Clean($"{ended.Kind} {ended.TargetName}")} {Words.Of(ended.State)}"));
                return Session.Read(answer, WireJson.Default.Operation).State is OperationState.Succeeded or OperationState.Failed
                    ? Errors.Print(session.Terminal, $"Operation {operation} had ended before it could be cancelled.", $"See `gantry operation show {operation}`.", ExitCode.Conflict)
                    : ExitCode.Done;
            });
    }

    private static Verb Log(App app)
    {
        var id = Id(app);
        return new Verb("log", "Show what an operation noted while it ran.", "gantry operation log 0198c0de-0000-7000-8000-000000000001").With(id).Runs(app, (parsed, session, ct) =>
            session.ShowAsync($"/operations/{ApiClient.Escape(parsed.GetValue(id)!)}/log", WireJson.Default.OperationLog, _ => [], log =>
            {
                foreach (var line in log.Items)
                {
                    session.Out.WriteLine($"{Words.Time(line.Time)}  {Words.Clean(line.Text)}");
                }
            }, ct));
    }

    private static Argument<string> Id(App app) => Name.Fill(new Argument<string>("ID"), "The operation's id.", app, "/operations");

    private static Id<Operation> IdOf(string text) => Id<Operation>.TryParse(text, null, out var id)
        ? id : throw new WrongUseException($"'{text}' is no operation's id.", "`gantry operation list` shows them.");

    private static void WriteTable(Session session, IReadOnlyList<Operation> operations)
    {
        var table = new Table("ID", "KIND", "TARGET", "STATE", "STEP", ">PERCENT", ">AGE", "BY");
        foreach (var operation in operations)
        {
            table.Add(operation.Id.ToString(), operation.Kind, operation.TargetName, Words.Of(operation.State),
                operation.IsFinished() ? null : operation.Progress?.Stage ?? operation.Step,
                operation.IsFinished() ? null : operation.Progress?.Percent?.ToString("0", CultureInfo.InvariantCulture),
                Words.Ago(operation.CreatedAt, session.Terminal.Time), operation.CreatedBy);
        }

        table.Write(session.Out);
    }

    private static void WriteCard(Session session, Operation operation) => new Card()
        .Add("Id", operation.Id.ToString())
        .Add("Kind", operation.Kind)
        .Add("Target", $"{operation.TargetName} ({operation.Target})")
        .Add("State", Words.Of(operation.State))
        .Add("Step", operation.Step)
        .Add("Progress", operation.IsFinished() || operation.Progress is null ? null
            : ProgressLine.Text(operation, session.Terminal.Time.GetUtcNow() - (operation.StartedAt ?? operation.CreatedAt)))
        .Add("Error", operation.Error?.Detail)
        .Add("What to do", operation.Error?.Hint)
        .Add("Result", operation.Result?.GetRawText())
        .Add("By", operation.CreatedBy)
        .Add("Request", operation.RequestId)
        .Add("Created", Words.Time(operation.CreatedAt))
        .Add("Started", operation.StartedAt is { } started ? Words.Time(started) : null)
        .Add("Finished", operation.FinishedAt is { } finished ? Words.Time(finished) : null)
        .Write(session.Out);
}
