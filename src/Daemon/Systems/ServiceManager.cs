using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Gantry.Contracts;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Postgres;
using Gantry.Node;

namespace Gantry.Daemon.Systems;

/// <summary>
/// Tells systemd how this daemon is: ready once it serves requests, or once it knows why it cannot; alive as long as the API answers
/// on its own socket; and a line for <c>systemctl status</c>. Does nothing where nobody asked for it.
/// </summary>
internal sealed partial class ServiceManager(
    NotifySocket socket, GantryRoot root, DatabaseSupervisor database, Db db, IHostApplicationLifetime life, TimeProvider time, ILogger<ServiceManager> logger)
    : BackgroundService
{
    private static readonly TimeSpan WithoutWatchdog = TimeSpan.FromSeconds(15);

    /// <summary>So that one answer that comes late, or one message that is lost, is not the end.</summary>
    private const int MessagesPerDeadline = 4;

    private readonly TimeSpan _pause = socket.Watchdog / MessagesPerDeadline ?? WithoutWatchdog;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!socket.IsAsked)
        {
            return;
        }

        using var stopping = life.ApplicationStopping.Register(() => Tell("STOPPING=1\nSTATUS=Stopping; guests go on."));
        await Task.Delay(Timeout.InfiniteTimeSpan, time, life.ApplicationStarted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Task.WhenAny(db.Ready, database.InTrouble).WaitAsync(stoppingToken);
        var ready = false;
        for (; !stoppingToken.IsCancellationRequested; await Task.Delay(_pause, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing))
        {
            if (await AnswersAsync(stoppingToken))
            {
                Tell($"{(ready ? "" : "READY=1\n")}WATCHDOG=1\nSTATUS={database.Trouble ?? (db.Ready.IsCompleted ? "Serving requests." : "Instances are being taken up.")}");
                ready = true;
            }
        }
    }

    /// <summary>By a connection of its own each time, as a new client makes it. What it answers does not matter here: no restart brings a database back.</summary>
    private async Task<bool> AnswersAsync(CancellationToken ct)
    {
        using var deadline = new CancellationTokenSource(_pause, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, deadline.Token);
        try
        {
            using var api = ApiClient.OverSocket(root.Socket);
            await api.GetHealthAsync(either.Token);
            return true;
        }
        catch (Refusal refusal)
        {
            return refusal.Code != "daemon.unreachable" || Silent(refusal.Message);
        }
        catch (OperationCanceledException)
        {
            return ct.IsCancellationRequested || Silent("it took too long.");
        }
    }

    private bool Silent(string why)
    {
        LogSilent(logger, why);
        return false;
    }

    private void Tell(string state)
    {
        try
        {
            socket.Send(state);
        }
        catch (SocketException e)
        {
            LogUntold(logger, e.Message);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The API does not answer on its own socket: {Why}")]
    private static partial void LogSilent(ILogger logger, string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "systemd could not be told how this daemon is: {Why}")]
    private static partial void LogUntold(ILogger logger, string why);
}

/// <summary>Where a service manager wants to be told, and how often: sd_notify(3) and sd_watchdog_enabled(3).</summary>
/// <param name="Path">Of a socket for datagrams; one that begins with <c>@</c> has no file. Null when nobody asks.</param>
/// <param name="Watchdog">A longer silence is taken for a hang.</param>
internal sealed record NotifySocket(string? Path, TimeSpan? Watchdog)
{
    private const string Where = "NOTIFY_SOCKET", HowOften = "WATCHDOG_USEC", Whose = "WATCHDOG_PID";

    public bool IsAsked => Path is not null;

    /// <summary>Takes the variables out of the environment: PostgreSQL and other children would speak there for themselves.</summary>
    public static NotifySocket TakeFromEnvironment()
    {
        var taken = From(Environment.GetEnvironmentVariable, Environment.ProcessId);
        foreach (var name in (string[])[Where, HowOften, Whose])
        {
            Environment.SetEnvironmentVariable(name, null);
        }

        return taken;
    }

    public static NotifySocket From(Func<string, string?> environment, int ownPid)
    {
        var path = environment(Where) is { Length: > 1 } text && text[0] is '/' or '@' ? text : null;
        var others = int.TryParse(environment(Whose), CultureInfo.InvariantCulture, out var pid) && pid != ownPid;
        return new(path, path is not null && !others && long.TryParse(environment(HowOften), CultureInfo.InvariantCulture, out var microseconds) && microseconds > 0
            ? TimeSpan.FromMicroseconds(microseconds) : null);
    }

    /// <exception cref="SocketException"/>
    public void Send(string state)
    {
        if (Path is { } path)
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            socket.SendTo(Encoding.UTF8.GetBytes(state), new UnixDomainSocketEndPoint(path[0] == '@' ? $"\0{path[1..]}" : path));
        }
    }
}
