namespace Gantry.Contracts;

/// <summary>What ended an instance. Numbers are stored and never change (a golden test holds them).</summary>
public enum StopCause
{
    /// <summary>Somebody asked Gantry for it: stop, shutdown.</summary>
    Requested = 1,

    /// <summary>The guest powered itself off.</summary>
    GuestShutdown = 2,

    /// <summary>The guest's kernel panicked.</summary>
    Panicked = 3,

    /// <summary>Something outside Gantry ended the process that ran it.</summary>
    Killed = 4,

    /// <summary>The process that ran it failed: it crashed, or ended with an error.</summary>
    Failed = 5,

    /// <summary>The host restarted while it ran.</summary>
    HostRestarted = 6,

    /// <summary>The process that ran it reached the limit of its memory, or the host had none left.</summary>
    OutOfMemory = 7,
}

/// <summary>What paused an instance. Numbers are stored and never change (a golden test holds them).</summary>
public enum PauseCause
{
    Requested = 1,

    /// <summary>One of its disks failed, or is full on the host; it goes on with resume once that is mended.</summary>
    IoError = 2,
}

/// <summary>What the next start will change, and why it could not be done at once.</summary>
/// <param name="Cpus">Null where they stay.</param>
/// <param name="MemoryBytes">Null where it stays.</param>
public sealed record PendingResize(int? Cpus = null, long? MemoryBytes = null, string? Reason = null);

/// <summary>The body of <c>POST /instances/{instance}/restart</c>; may be left out.</summary>
/// <param name="TimeoutSeconds">How long the guest may take to shut down, 1 to 3600; 60 when left out.</param>
/// <param name="Force">End a guest that has not shut down by then, or that is paused; without it that is refused.</param>
public sealed record RestartInstance(double? TimeoutSeconds = null, bool Force = false);

/// <summary>The body of <c>POST /instances/{instance}/rename</c>.</summary>
/// <param name="Name">1 to 63 of a-z, 0-9 and '-'; no other instance may have it.</param>
public sealed record RenameInstance(string Name);

/// <summary>The body of <c>POST /instances/{instance}/resize</c>: at least one of both sizes.</summary>
/// <param name="NextStart">Leave a running one as it is and only store it for its next start.</param>
public sealed record ResizeInstance(int? Cpus = null, long? MemoryBytes = null, bool NextStart = false);

/// <summary>What <c>PATCH /instances/{instance}</c> can change, as a JSON merge patch (RFC 7396): a null takes the value away.</summary>
/// <param name="Template">It is there to be cloned, linked when nobody says, and is not started. Only a stopped one can become one.</param>
public sealed record ChangeInstance(string? Description = null, IReadOnlyDictionary<string, string>? Labels = null, bool? AutoStart = null, bool? Template = null);
