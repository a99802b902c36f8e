using System.CommandLine;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry logs</c>.</summary>
internal static class Logs
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(500);

    public static Command Build(App app)
    {
        var name = Name.Of("instance", app, "/instances");
        var tail = Choose.Size("--tail", "Only the last bytes: 4KiB.");
        var timestamps = Choose.Flag("--timestamps", "Before each line the time at which it began.");
        var follow = Choose.Flag("--follow", "Go on as it writes, until Ctrl-C.");
        return new Verb("logs", "Show what an instance wrote to its serial console.", "gantry logs web1", "gantry logs web1 --tail 4KiB --timestamps", "gantry logs web1 --follow")
        {
            More = "On a terminal control characters are written as \\x1b, so that a guest cannot play tricks on it; into a pipe or file everything goes as it came.",
        }.With(name, tail, timestamps, follow).Runs(app, async (parsed, session, ct) =>
        {
            var path = $"/instances/{ApiClient.Escape(parsed.GetValue(name)!)}/logs?";
            var (stamped, bytes) = (parsed.GetValue(timestamps), parsed.GetValue(tail));
            var shown = Show(session, await session.SendAsync(HttpMethod.Get, path + ApiClient.LogsQuery(bytes, null, stamped), null, ct), first: true);
            while (parsed.GetValue(follow))
            {
                await session.Out.FlushAsync(ct);
                await Task.Delay(LookEvery, session.Terminal.Time, ct);
                shown = await NextAsync(session, path, shown, stamped, ct);
            }

            if (session is { Format: OutputFormat.Table, Terminal.OutIsTerminal: true } && shown.Text.Length > 0 && !shown.Text.EndsWith('\n'))
            {
                session.Out.WriteLine();
            }

            return ExitCode.Done;
        });
    }

    private static async Task<SerialOutput> NextAsync(Session session, string path, SerialOutput shown, bool stamped, CancellationToken ct)
    {
        var told = false;
        while (true)
        {
            try
            {
                var answer = await session.SendAsync(HttpMethod.Get, path + ApiClient.LogsQuery(Limits.LogBytes, shown.End, stamped), null, ct);
                return Show(session, answer, first: false);
            }
            catch (Refusal refusal) when (refusal.Status is 0 or 503)
            {
                if (!told)
                {
                    session.Terminal.Error.WriteLine("The connection to the daemon ended; trying again until it is back (Ctrl-C ends this).");
                    told = true;
                }

                await Task.Delay(TimeSpan.FromSeconds(1), session.Terminal.Time, ct);
            }
        }
    }

    private static SerialOutput Show(Session session, byte[] answer, bool first)
    {
        var output = Session.Read(answer, WireJson.Default.SerialOutput);
        if (session.Format != OutputFormat.Table)
        {
            if (first || output.Text.Length > 0)
            {
                session.WriteDocument(answer);
            }

            return output;
        }

        if (output.Truncated && session.Terminal.ErrorIsTerminal)
        {
            session.Terminal.Error.WriteLine(first ? "(there was more before)" : "(some of it went by unseen)");
        }

        session.Out.Write(session.Terminal.OutIsTerminal ? Words.CleanLines(output.Text) : output.Text);
        return output;
    }
}
