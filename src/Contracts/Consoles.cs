namespace Gantry.Contracts;

public enum ConsoleKind
{
    Serial = 1,
    Vnc = 2,
    Spice = 3,
}

/// <summary>The body of <c>POST /instances/{instance}/consoles</c>.</summary>
public sealed record OpenConsole
{
    /// <summary>Default <c>serial</c>.</summary>
    public ConsoleKind? Kind { get; init; }

    /// <summary>What is typed is dropped.</summary>
    public bool ViewOnly { get; init; }

    /// <summary>How many of the last bytes are shown first, 0 to <see cref="Limits.ConsoleTailBytes"/>; 16 KiB when left out.</summary>
    public int? TailBytes { get; init; }

    /// <summary>Instead of a tail: what follows this offset in all the guest has written, as far as it is at hand. For one that reconnects.</summary>
    public long? Since { get; init; }
}

/// <summary>Lets its bearer, who must be the one that asked for it, open one WebSocket.</summary>
/// <param name="Ticket">Goes into the subprotocol <c>ticket.{ticket}</c>, beside <c>gantry.console</c>; never into a URL.</param>
/// <param name="Url">Where to open it, on the same daemon.</param>
public sealed record ConsoleTicket(string Ticket, string Url, DateTimeOffset ExpiresAt);

/// <summary>An open console.</summary>
/// <param name="Size">What its terminal last said it measures; a serial line cannot tell the guest.</param>
public sealed record ConsoleInfo(
    Id<ConsoleInfo> Id, ConsoleKind Kind, bool ViewOnly, string OpenedBy, DateTimeOffset OpenedAt, ConsoleSize? Size = null);

/// <summary>A terminal's size in characters.</summary>
public sealed record ConsoleSize(int Columns, int Rows);

/// <summary>A text message of the client on a console's WebSocket; what is typed goes in binary ones.</summary>
public sealed record ConsoleRequest(ConsoleSize? Resize = null);

/// <summary>A text message of the daemon on a console's WebSocket; what the guest writes comes in binary ones.</summary>
/// <param name="Offset">Where in all the guest has written the next byte stands: told at the beginning.</param>
/// <param name="Missed">This reader was too slow: so many bytes are lost before the next one.</param>
/// <param name="State">Why the console ends, as its last word.</param>
/// <param name="Reason">More about that, where there is more to say.</param>
public sealed record ConsoleNews(long? Offset = null, long? Missed = null, ConsoleEnd? State = null, string? Reason = null);

/// <summary>Why a console ends.</summary>
public enum ConsoleEnd
{
    /// <summary>The instance runs no more.</summary>
    Stopped = 1,

    /// <summary>The instance was deleted.</summary>
    Deleted = 2,

    /// <summary>The daemon stops; the guest runs on, and the console can be opened again once the daemon is back.</summary>
    DaemonStopping = 3,

    /// <summary>Nothing was written or typed for as long as <c>console.idle</c> says.</summary>
    Idle = 4,

    /// <summary>The line to the guest broke though the instance runs; open it again.</summary>
    Broken = 5,
}
