using System.Net.WebSockets;
using Gantry.Contracts;
using Gantry.Daemon.Config;
using Gantry.Daemon.Events;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Gantry.Node.Drivers;

namespace Gantry.Daemon.Consoles;

/// <summary>Serves consoles: events around each, and why one ended.</summary>
internal sealed partial class ConsoleSessions(
    InstanceStore instances, LocalNode node, Db db, EventLog events, GantryConfig config, IHostApplicationLifetime daemon, TimeProvider time,
    ILogger<ConsoleSessions> logger)
{
    private static readonly TimeSpan PingEvery = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan KnownWithin = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan WriteWithin = TimeSpan.FromSeconds(5);

    /// <summary>Until either side ends it, the instance does, or the daemon.</summary>
    public async Task ServeAsync(OpenedConsole console, ISerialLine line, Caller caller, HttpContext http, string protocol)
    {
        var (began, end) = (time.GetTimestamp(), default(ConsoleNews));
        await TellAsync(EventTypes.ConsoleOpened, console, caller, new { console = console.Id, kind = "serial", viewOnly = console.Grant.ViewOnly }, http.RequestAborted);
        try
        {
            using var socket = await http.WebSockets.AcceptWebSocketAsync(
                new WebSocketAcceptContext { SubProtocol = protocol, KeepAliveInterval = PingEvery, KeepAliveTimeout = PingEvery });
            using var session = new ConsoleSession(socket, line, console, config.ConsoleIdle, time);
            end = await session.RunAsync(() => WhyAsync(console.Grant.Instance), daemon.ApplicationStopping);
        }
        finally
        {
            await TellClosedAsync(console, caller, time.GetElapsedTime(began), end?.State);
        }
    }

    /// <summary>The line ended: whether the instance stopped, is gone, or runs on, once that is settled.</summary>
    private async Task<ConsoleNews> WhyAsync(Id<Instance> id)
    {
        for (var began = time.GetTimestamp(); time.GetElapsedTime(began) < KnownWithin; await Task.Delay(LookEvery, time, CancellationToken.None))
        {
            try
            {
                var found = await instances.GetAsync(id.ToString(), CancellationToken.None);
                if (found.State is InstanceState.Stopped or InstanceState.Error)
                {
                    return new(State: ConsoleEnd.Stopped, Reason: found.StateReason);
                }

                if (found.State is InstanceState.Running or InstanceState.Paused
                    && (await node.InspectAsync(id, CancellationToken.None)).State is InstanceState.Running or InstanceState.Paused)
                {
                    return new(State: ConsoleEnd.Broken);
                }
            }
            catch (Refusal refusal) when (refusal.Status == 404)
            {
                return new(State: ConsoleEnd.Deleted);
            }
            catch (Refusal refusal) when (refusal.Status == 503)
            {
                // The database is away: it may be back in time.
            }
        }

        return new(State: ConsoleEnd.Stopped);
    }

    private Task TellAsync(string type, OpenedConsole console, Caller caller, object data, CancellationToken ct) =>
        db.InTransactionAsync(tx => events.AppendAsync(tx, type, $"instances/{console.Grant.Instance}", caller.Name, caller.RequestId, data), ct);

    /// <summary>Whatever has happened, the console is closed; a database that is away keeps nobody from it.</summary>
    private async Task TellClosedAsync(OpenedConsole console, Caller caller, TimeSpan open, ConsoleEnd? end)
    {
        using var deadline = new CancellationTokenSource(WriteWithin, time);
        try
        {
            var why = end is { } state ? char.ToLowerInvariant(state.ToString()[0]) + state.ToString()[1..] : "left";
            await TellAsync(EventTypes.ConsoleClosed, console, caller, new { console = console.Id, reason = why, seconds = Math.Round(open.TotalSeconds, 3) }, deadline.Token);
        }
        catch (Exception e) when (e is Refusal or OperationCanceledException)
        {
            LogNotTold(logger, console.Id, console.Grant.Instance, e.Message);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The end of console {Console} of instance {Instance} could not be written down: {Why}")]
    private static partial void LogNotTold(ILogger logger, Id<ConsoleInfo> console, Id<Instance> instance, string why);
}
