using System.Net;
using System.Net.WebSockets;

namespace Gantry.Contracts;

/// <summary>Consoles: a ticket first, then a WebSocket with it.</summary>
public sealed partial class ApiClient
{
    private static readonly TimeSpan AnsweredWithin = TimeSpan.FromSeconds(30);

    public Task<ConsoleTicket> OpenConsoleAsync(string name, OpenConsole body, CancellationToken ct = default) =>
        PostAsync($"/instances/{Escape(name)}/consoles", body, WireJson.Default.OpenConsole, WireJson.Default.ConsoleTicket, ct);

    public Task<Page<ConsoleInfo>> ListConsolesAsync(string name, CancellationToken ct = default) =>
        GetAsync($"/instances/{Escape(name)}/consoles", WireJson.Default.PageConsoleInfo, ct);

    /// <summary>Binary messages are bytes both ways; text ones are <see cref="ConsoleRequest"/> to the daemon and <see cref="ConsoleNews"/> from it.</summary>
    /// <exception cref="Refusal"><c>console.not_opened</c>, <c>daemon.unreachable</c></exception>
    public async Task<WebSocket> ConnectConsoleAsync(ConsoleTicket ticket, CancellationToken ct = default)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
        deadline.CancelAfter(AnsweredWithin);
        var socket = new ClientWebSocket();
        socket.Options.AddSubProtocol("gantry.console");
        socket.Options.AddSubProtocol($"ticket.{ticket.Ticket}");
        socket.Options.KeepAliveInterval = TimeSpan.FromSeconds(30);
        socket.Options.KeepAliveTimeout = TimeSpan.FromSeconds(30);
        socket.Options.CollectHttpResponseDetails = true;
        var url = new UriBuilder(new Uri(http.BaseAddress!, ticket.Url));
        url.Scheme = url.Scheme == Uri.UriSchemeHttps ? Uri.UriSchemeWss : Uri.UriSchemeWs;
        try
        {
            await socket.ConnectAsync(url.Uri, http, deadline.Token);
            return socket;
        }
        catch (WebSocketException e)
        {
            var status = (int)socket.HttpStatusCode;
            socket.Dispose();
            throw status switch
            {
                0 => Unreachable(e.InnerException ?? e),
                (int)HttpStatusCode.Conflict => new Refusal("console.not_opened", status, "The instance runs no more, or has as many consoles open as it may.", "`gantry info` says how it is.", inner: e),
                _ => new Refusal("console.not_opened", status, $"The daemon did not open the console: {e.Message}", "Try again; the daemon's log says more.", inner: e),
            };
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            socket.Dispose();
            throw Unreachable(new TimeoutException("it did not answer in time", e));
        }
    }
}
