using System.Globalization;
using Gantry.Contracts;
using Gantry.Daemon.Platform;

namespace Gantry.Daemon.Events;

/// <summary><c>GET /events</c>: server-sent events, or a WebSocket by Upgrade. Lasts until either side ends it.</summary>
internal static class EventApi
{
    private static readonly TimeSpan _pingEvery = TimeSpan.FromSeconds(30);
    private static readonly HashSet<string> _topics = [.. EventTypes.All.Select(t => t[..t.IndexOf('.', StringComparison.Ordinal)])];

    public static void MapEvents(this IEndpointRouteBuilder api) => api.MapGet("/events", ServeAsync).Requires(Privilege.EventAudit);

    private static async Task ServeAsync(HttpContext http, EventFeed feed, IHostApplicationLifetime daemon, TimeProvider time, string? topics, string? since)
    {
        var wanted = TopicsOf(topics);

        // A browser that reconnects asks the same URL again and says in the header how far it came: the header wins.
        var last = http.Request.Headers["Last-Event-ID"].ToString() is { Length: > 0 } header ? header : since;
        var cursor = await feed.StartAsync(SinceOf(last), http.RequestAborted);

        using var end = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, daemon.ApplicationStopping);
        try
        {
            await using var sink = http.WebSockets.IsWebSocketRequest
                ? new WebSocketSink(await http.WebSockets.AcceptWebSocketAsync(WebSocketSink.Options), time, end)
                : await ServerSentSink.OpenAsync(http, time, end) as EventSink;
            await PumpAsync(feed, sink, cursor, wanted, time, end.Token);
        }
        catch (OperationCanceledException)
        {
            // The reader went away, was too slow to take a page in time, or the daemon stops.
        }
    }

    private static async Task PumpAsync(EventFeed feed, EventSink sink, long cursor, HashSet<string> wanted, TimeProvider time, CancellationToken ct)
    {
        while (true)
        {
            var next = feed.NextAsync(cursor, ct);
            while (!next.IsCompleted)
            {
                using var quiet = CancellationTokenSource.CreateLinkedTokenSource(ct);
                if (await Task.WhenAny(next, Task.Delay(_pingEvery, time, quiet.Token)) != next)
                {
                    ct.ThrowIfCancellationRequested();
                    await sink.PingAsync(cursor);
                }

                await quiet.CancelAsync();
            }

            var page = await next;
            var events = page.Events.Where(e => wanted.Contains(e.Topic)).ToList();
            cursor = page.Cursor;
            if (page.Missed > 0 || events.Count > 0)
            {
                await sink.SendAsync(page.Missed, events, cursor);
            }
        }
    }

    private static HashSet<string> TopicsOf(string? topics)
    {
        if (string.IsNullOrEmpty(topics))
        {
            return _topics;
        }

        var wanted = topics.Split(',', StringSplitOptions.TrimEntries).ToHashSet();
        return wanted.FirstOrDefault(t => !_topics.Contains(t)) is { } unknown ? throw EventErrors.UnknownTopic(unknown, _topics.Order()) : wanted;
    }

    private static long? SinceOf(string? since) =>
        since is null ? null : long.TryParse(since, NumberStyles.None, CultureInfo.InvariantCulture, out var seq) ? seq : throw EventErrors.SinceNotValid(since);
}
