using System.CommandLine;
using System.Text;
using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Cli;

/// <summary><c>gantry events</c>.</summary>
internal static class EventStream
{
    /// <summary>Without --follow the stream is read until it has nothing more to say at once: the daemon has no other way to list events.</summary>
    private static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(700);

    public static Command Build(App app)
    {
        var follow = Choose.Flag("--follow", "Go on as things happen, until Ctrl-C; a connection that breaks is taken up where it broke.");
        var since = Choose.Number("--since", "Only events after this number. Without it: all that are kept, or with --follow what happens from now on.", least: 0, "SEQ");
        var topics = Choose.Text("--topics", "Only these: instance, image, operation, daemon; several with commas.", "TOPICS");
        return new Verb("events", "Show what happened.", "gantry events", "gantry events --follow --topics instance,operation", "gantry events --since 1200 -o json")
        {
            More = "As JSON each event is a line, as the API sent it.",
        }.With(follow, since, topics).Runs(app, (parsed, session, ct) => parsed.GetValue(follow)
            ? FollowAsync(session, parsed.GetValue(since), parsed.GetValue(topics), ct)
            : PastAsync(session, parsed.GetValue(since) ?? 0, parsed.GetValue(topics), ct));
    }

    private static async Task<int> PastAsync(Session session, long since, string? topics, CancellationToken ct)
    {
        using var quiet = CancellationTokenSource.CreateLinkedTokenSource(ct);
        try
        {
            // The first answer may take its time; from then on silence means the end.
            await foreach (var json in session.Api.StreamEventsAsync(since, topics, () => quiet.CancelAfter(Quiet), quiet.Token))
            {
                Write(session, json);
                quiet.CancelAfter(Quiet);
            }
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
        }

        return ExitCode.Done;
    }

    private static async Task<int> FollowAsync(Session session, long? since, string? topics, CancellationToken ct)
    {
        var connected = false;
        var told = false;
        while (true)
        {
            try
            {
                await foreach (var json in session.Api.StreamEventsAsync(since, topics, () => (connected, told) = (true, false), ct))
                {
                    since = Write(session, json) ?? since;
                    await session.Out.FlushAsync(ct);
                }
            }
            catch (Refusal refusal) when (connected && refusal.Code == "daemon.unreachable")
            {
            }

            if (!told)
            {
                session.Terminal.Error.WriteLine("The connection to the daemon ended; trying again until it is back (Ctrl-C ends this).");
                told = true;
            }

            await Task.Delay(TimeSpan.FromSeconds(1), session.Terminal.Time, ct);
        }
    }

    /// <returns>The event's number; null for a gap.</returns>
    private static long? Write(Session session, string json)
    {
        var bytes = Encoding.UTF8.GetBytes(json);
        var type = Session.Read(bytes, WireJson.Default.JsonElement).TryGetProperty("type", out var word) ? word.GetString() : null;
        var one = type == "gap" ? null : Session.Read(bytes, WireJson.Default.Event);
        switch (session.Format)
        {
            case OutputFormat.Json:
                session.Terminal.WriteRaw(bytes);
                session.Terminal.WriteRaw("\n"u8);
                break;
            case OutputFormat.Yaml:
                session.WriteDocument(bytes);
                break;
            default:
                session.Out.WriteLine(one is null
                    ? $"({Session.Read(bytes, WireJson.Default.EventGap).Missed} events missed: they are no longer kept)"
                    : session.Quiet ? Words.Clean(one.Type) : Line(one));
                break;
        }

        return one?.Seq;
    }

    private static string Line(Event one)
    {
        var line = $"{one.Seq,7}  {Words.Time(one.Time)}  {one.Type,-20}  {one.Subject}  by {one.Actor}";
        return Words.Clean(one.Data is { ValueKind: not JsonValueKind.Null } data ? $"{line}  {data.GetRawText()}" : line);
    }
}
