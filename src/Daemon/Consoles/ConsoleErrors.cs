using Gantry.Contracts;
using Gantry.Daemon.Instances;

namespace Gantry.Daemon.Consoles;

internal static class ConsoleErrors
{
    public static Refusal NotAWebSocket { get; } = Refusal.Malformed(
        "console.not_a_websocket", "A console is a WebSocket, and the request does not ask for an upgrade.", "Ask for a ticket with POST /instances/{instance}/consoles and open a WebSocket with it, or use `gantry console`.");

    public static Refusal ProtocolMissing { get; } = Refusal.Malformed(
        "console.protocol_missing", "The WebSocket does not offer the subprotocol gantry.console.", "Offer two: gantry.console and ticket.{ticket}.");

    /// <summary>One answer for all that is wrong with a ticket: which it is helps only who tries tickets.</summary>
    public static Refusal TicketNotValid { get; } = new(
        "console.ticket_not_valid", 403, $"The ticket is unknown, used, older than {Limits.ConsoleTicketSeconds} s, or not of this caller and instance.", "Ask for another with POST /instances/{instance}/consoles; each opens one console.");

    public static Refusal TooManyTickets { get; } = new(
        "console.too_many_tickets", 429, $"{Limits.ConsoleTickets} tickets are waiting to be used.", "Use those that were given, or wait until they run out.")
    { RetryAfterSeconds = Limits.ConsoleTicketSeconds };

    public static Refusal ForeignOrigin(string origin) => new(
        "console.foreign_origin", 403, $"A page of {InstanceErrors.Shown(origin)} may not open a console here.", "Open it from a page of this daemon's own address, or without a browser.");

    public static Refusal KindNotOffered(ConsoleKind kind, string driver) => Refusal.Invalid(
        "console.kind_not_offered", $"The driver '{driver}' does not offer {kind.ToString().ToUpperInvariant()} consoles yet.", "Ask for kind 'serial'; `gantry driver list` shows what each driver can do.");

    public static Refusal NotRunning(string name, InstanceState state) => Refusal.Conflict(
        "instance.not_running", $"'{name}' is {state.ToString().ToLowerInvariant()}: only a running instance has a console.", "Start it with `gantry start`; `gantry logs` shows what it wrote before.");

    public static Refusal TooMany(string name) => Refusal.Conflict(
        "console.too_many", $"'{name}' has as many consoles open as there may be, {Limits.ConsolesPerInstance}.", "Close one of them.");
}
