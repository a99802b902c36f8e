using Gantry.Contracts;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Consoles;

/// <summary>A console is opened in two steps, so that what a browser puts into a URL lets nobody in: a ticket by POST, then with it a WebSocket.</summary>
internal static class ConsoleApi
{
    private const string Protocol = "gantry.console";
    private const string TicketPrefix = "ticket.";
    private const int DefaultTail = 16 << 10;

    public static void MapConsoles(this IEndpointRouteBuilder api)
    {
        var ofOne = api.MapGroup("/instances/{instance}/consoles").WithTags("Consoles");
        ofOne.MapGet("/", List).Produces<Page<ConsoleInfo>>().Requires(Privilege.InstanceConsole);
        ofOne.MapPost("/", Open).Produces<ConsoleTicket>().Requires(Privilege.InstanceConsole);
        api.MapGet("/consoles", ServeAsync).WithTags("Consoles").Produces(101).Requires(Privilege.InstanceConsole);
    }

    private static async Task<Page<ConsoleInfo>> List(string instance, InstanceStore store, OpenConsoles consoles, CancellationToken ct) =>
        new(consoles.Of((await store.GetAsync(instance, ct)).Id), null);

    private static async Task<ConsoleTicket> Open(
        string instance, Body<OpenConsole> body, InstanceStore store, OpenConsoles consoles, ConsoleTickets tickets, Caller caller, CancellationToken ct)
    {
        var wanted = body.Checked(Faults);
        var found = await store.GetAsync(instance, ct);
        var kind = wanted.Kind ?? ConsoleKind.Serial;
        if (kind != ConsoleKind.Serial)
        {
            throw ConsoleErrors.KindNotOffered(kind, found.Driver);
        }

        if (found.State is InstanceState.Stopped or InstanceState.Creating or InstanceState.Error or InstanceState.Lost)
        {
            throw ConsoleErrors.NotRunning(found.Name, found.State);
        }

        consoles.DemandRoom(found.Id, found.Name);
        return tickets.Issue(new(found.Id, found.Name, caller.Name, kind, wanted.ViewOnly, wanted.TailBytes ?? DefaultTail, wanted.Since));
    }

    private static async Task ServeAsync(
        HttpContext http, ConsoleTickets tickets, OpenConsoles consoles, ConsoleSessions sessions, LocalNode node, Caller caller, string? instance)
    {
        if (!http.WebSockets.IsWebSocketRequest)
        {
            throw ConsoleErrors.NotAWebSocket;
        }

        DemandSameOrigin(http.Request);
        var protocols = http.WebSockets.WebSocketRequestedProtocols;
        if (!protocols.Contains(Protocol))
        {
            throw ConsoleErrors.ProtocolMissing;
        }

        var ticket = protocols.FirstOrDefault(p => p.StartsWith(TicketPrefix, StringComparison.Ordinal))?[TicketPrefix.Length..];
        var grant = tickets.Redeem(ticket, caller.Name, instance) ?? throw ConsoleErrors.TicketNotValid;
        using var console = consoles.Enter(grant);
        await using var line = await node.OpenSerialAsync(grant.Instance, grant.Since, grant.TailBytes, http.RequestAborted);
        await sessions.ServeAsync(console, line, caller, http, Protocol);
    }

    /// <summary>A page of another site may open a WebSocket here with the visitor's sign-in; a browser says which page it is.</summary>
    private static void DemandSameOrigin(HttpRequest request)
    {
        if (request.Headers.Origin.ToString() is { Length: > 0 } origin
            && !(Uri.TryCreate(origin, UriKind.Absolute, out var page) && page.Scheme == request.Scheme && page.Authority == request.Host.Value))
        {
            throw ConsoleErrors.ForeignOrigin(origin);
        }
    }

    private static IEnumerable<Fault> Faults(OpenConsole wanted)
    {
        if (wanted.TailBytes is < 0 or > Limits.ConsoleTailBytes)
        {
            yield return new("$.tailBytes", $"give a number of bytes from 0 to {Limits.ConsoleTailBytes}");
        }

        if (wanted.Since < 0)
        {
            yield return new("$.since", "give an offset of 0 or more");
        }
    }
}
