using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary>Following an operation to its end.</summary>
internal static class Waiting
{
    /// <summary>How long a daemon that went away while we wait may take to come back: an operation outlives its restart.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>For a call that began an operation: waits and says what became of it, or prints its id with <c>--no-wait</c>.</summary>
    public static Task<int> FinishAsync(Session session, byte[] begun, string name, string done, CancellationToken ct) =>
        FinishAsync(session, begun, name, _ => done, ct);

    /// <summary>One after the other: of several, what is refused of one keeps no other from it.</summary>
    /// <returns>The worst exit code of all.</returns>
    public static async Task<int> EachAsync(Session session, IReadOnlyList<string> names, Func<string, Task<byte[]>> begin, string done, CancellationToken ct)
    {
        var worst = ExitCode.Done;
        foreach (var name in names)
        {
            try
            {
                worst = Math.Max(worst, await FinishAsync(session, await begin(name), name, done, ct));
            }
            catch (Refusal refusal) when (names.Count > 1 && refusal.Status != 0)
            {
                worst = Math.Max(worst, Errors.PrintLine(session.Terminal, name, refusal));
            }
        }

        return worst;
    }

    /// <param name="done">What is said of one that succeeded.</param>
    public static async Task<int> FinishAsync(Session session, byte[] begun, string name, Func<Operation, string> done, CancellationToken ct)
    {
        var operation = Session.Read(begun, WireJson.Default.Operation);
        if (session.NoWait)
        {
            session.Show(begun, WireJson.Default.Operation, op => [op.Id.ToString()], op => session.Out.WriteLine(op.Id.ToString()));
            return ExitCode.Done;
        }

        try
        {
            var (answer, ended) = await FollowAsync(session, operation.Id, null, ct);
            if (session.Format != OutputFormat.Table)
            {
                session.WriteDocument(answer);
            }

            return Tell(session, ended, name, ended.State == OperationState.Succeeded ? done(ended) : "");
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            return Detach(session, operation.Id);
        }
    }

    /// <summary>What of a change has to wait for the next start.</summary>
    public static string Pending(Operation ended) =>
        ended.Result is { ValueKind: JsonValueKind.Object } result && result.TryGetProperty("pending", out var why) && why.GetString() is { } text ? $"; at its next start: {text}" : "";

    /// <returns>The last answer as it came, and read. Not finished when <paramref name="deadline"/> passed first.</returns>
    public static async Task<(byte[] Answer, Operation Operation)> FollowAsync(
        Session session, Id<Operation> id, TimeSpan? deadline, CancellationToken ct)
    {
        using var progress = new ProgressLine(session.Terminal);
        var time = session.Terminal.Time;
        var began = time.GetTimestamp();
        var heard = began;
        while (true)
        {
            var wait = progress.IsShown ? 1 : 60;
            if (deadline is { } limit)
            {
                wait = (int)Math.Clamp(Math.Ceiling((limit - time.GetElapsedTime(began)).TotalSeconds), 0, wait);
            }

            try
            {
                var answer = await AskAsync(session, id, wait, ct);
                var operation = Session.Read(answer, WireJson.Default.Operation);
                heard = time.GetTimestamp();
                if (operation.IsFinished() || (deadline is { } end && time.GetElapsedTime(began) >= end))
                {
                    return (answer, operation);
                }

                progress.Show(operation, time.GetElapsedTime(began));
            }
            catch (Refusal refusal) when (refusal.Code == "daemon.unreachable" && time.GetElapsedTime(heard) < Patience)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(500), time, ct);
            }
        }
    }

    /// <summary>The end of an operation, for people; the exit code for scripts.</summary>
    public static int Tell(Session session, Operation ended, string name, string done, bool oneOfMany = false)
    {
        if (ended.State == OperationState.Succeeded)
        {
            if (session.Format == OutputFormat.Table)
            {
                session.Out.WriteLine(session.Quiet ? Words.Clean(name) : $"{Words.Clean(name)} {done}");
            }

            return ExitCode.Done;
        }

        var refusal = ended.Error?.ToRefusal() ?? (ended.State == OperationState.Cancelled
            ? new Refusal("operation.cancelled", 500, $"Operation {ended.Id} ({ended.Kind}) was cancelled.", "What it had done is undone.")
            : new Refusal("operation.failed", 500, $"Operation {ended.Id} ({ended.Kind}) failed.", $"`gantry operation log {ended.Id}` tells how."));
        return oneOfMany ? Errors.PrintLine(session.Terminal, name, refusal) : Errors.Print(session.Terminal, refusal);
    }

    public static int Detach(Session session, Id<Operation> id)
    {
        session.Terminal.Error.WriteLine($"No longer waiting; operation {id} goes on.");
        session.Terminal.Error.WriteLine($"Watch it with `gantry operation wait {id}`, or cancel it with `gantry operation cancel {id}`.");
        return ExitCode.Interrupted;
    }

    private static async Task<byte[]> AskAsync(Session session, Id<Operation> id, int wait, CancellationToken ct)
    {
        try
        {
            return await session.SendAsync(HttpMethod.Get, $"/operations/{id}?wait={wait}", null, ct);
        }
        catch (Refusal refusal) when (refusal.Status is not (0 or 401 or 403 or 404))
        {
            // With ?wait= the daemon may answer with the operation's own refusal; the operation itself says more.
            return await session.SendAsync(HttpMethod.Get, $"/operations/{id}", null, ct);
        }
    }
}
