namespace Gantry.Contracts;

/// <summary>A virtual machine, microVM or container, as the API shows it.</summary>
public sealed record Instance : Machine
{
    public required Id<Instance> Id { get; init; }
    public required string Name { get; init; }
    public required InstanceKind Kind { get; init; }
    public required string Driver { get; init; }

    /// <summary>The image it was made from, by name; null when it names a kernel of its own.</summary>
    public string? Image { get; init; }
    public required string Node { get; init; }
    public required int Cpus { get; init; }
    public required long MemoryBytes { get; init; }
    public string? Description { get; init; }
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();
    public required Boot Boot { get; init; }

    /// <summary>How many CPUs it can be given while it runs; null where that is as many as it has.</summary>
    public int? MaxCpus { get; init; }

    /// <summary>How much memory it can be given while it runs; null where that is as much as it has.</summary>
    public long? MaxMemoryBytes { get; init; }

    /// <summary>What a resize could not do while it runs; the next start does it.</summary>
    public PendingResize? Pending { get; init; }

    /// <summary>Started when the host has booted. When only the daemon is started anew, what ran then runs again and what was stopped stays stopped.</summary>
    public bool AutoStart { get; init; }

    /// <summary>Null where it is told nothing by cloud-init.</summary>
    public CloudInitInfo? CloudInit { get; init; }

    /// <summary>What a linked clone stands on; null for what stands alone.</summary>
    public InstanceParent? Parent { get; init; }

    /// <summary>It is there to be cloned, and is not started.</summary>
    public bool Template { get; init; }
    public required InstanceState State { get; init; }
    public required DateTimeOffset StateSince { get; init; }

    /// <summary>Why it is in this state, where there is something to say: QEMU's last words, a damaged folder.</summary>
    public string? StateReason { get; init; }

    /// <summary>Of a stopped one: what ended it. Null when it never ran.</summary>
    public StopCause? StopCause { get; init; }

    /// <summary>Of a paused one: what paused it; null when something outside Gantry did.</summary>
    public PauseCause? PauseCause { get; init; }

    /// <summary>What the node sees of it now. Only in the answer about one instance, and only while it runs.</summary>
    public Observed? Observed { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required DateTimeOffset UpdatedAt { get; init; }
    public required string Etag { get; init; }
}

/// <summary>Numbers are stored and never change (a golden test holds them).</summary>
public enum InstanceKind
{
    Vm = 1,
    Microvm = 2,
    Container = 3,
}

/// <summary>Numbers are stored and never change (a golden test holds them).</summary>
public enum InstanceState
{
    Creating = 1,
    Stopped = 2,
    Starting = 3,
    Running = 4,
    Paused = 5,
    Stopping = 6,
    Error = 7,

    /// <summary>Its node is not answering.</summary>
    Lost = 8,
}

/// <summary>How it boots. <c>direct</c> takes the kernel named here, or else the image's; the others what is on the volumes.</summary>
public sealed record Boot
{
    /// <summary>Default: the image's; without one <c>direct</c> where a kernel is named, else <c>bios</c>.</summary>
    public Firmware? Firmware { get; init; }

    /// <summary>Absolute path of a kernel on the node.</summary>
    public string? Kernel { get; init; }

    /// <summary>Absolute path of an initial RAM disk on the node.</summary>
    public string? Initrd { get; init; }

    /// <summary>Added behind what Gantry itself puts on the kernel's command line.</summary>
    public string? CommandLine { get; init; }

    /// <summary>Names of volumes and NICs, tried one after the other. Default: the volumes as they are listed.</summary>
    public IReadOnlyList<string>? Order { get; init; }
}

public enum Firmware
{
    Direct = 1,
    Bios = 2,
    Uefi = 3,
}

/// <param name="Pid">The process that runs it on its node.</param>
/// <param name="UptimeSeconds">Since that process started.</param>
/// <param name="Accelerator"><c>kvm</c> or <c>tcg</c>; null where the driver has no such thing.</param>
/// <param name="Cpus">CPUs plugged in.</param>
/// <param name="MemoryBytes">Memory plugged in, without what the guest has given back.</param>
public sealed record Observed(int? Pid = null, double? UptimeSeconds = null, string? Accelerator = null, int? Cpus = null, long? MemoryBytes = null);

/// <summary>
/// The body of <c>POST /instances</c>. What is left out is null and takes the template's, the image's or the configured default
/// (the serialiser's generated code would not keep an initialiser's).
/// </summary>
public sealed record CreateInstance : InstanceSettings
{
    public required string Name { get; init; }

    /// <summary>What says all that is left out here.</summary>
    public string? Template { get; init; }

    /// <summary>Start it in the same operation; if it does not start, nothing is left behind.</summary>
    public bool StartNow { get; init; }
}

/// <summary>What one can ask of an instance; each has its own route, and the batch takes all that need no value for each.</summary>
public enum InstanceAction
{
    Start = 1,
    Shutdown = 2,
    Stop = 3,
    Pause = 4,
    Resume = 5,
    Delete = 6,
    Restart = 7,
    Reset = 8,
    Rename = 9,
    Resize = 10,
}

/// <summary>The body of <c>POST /instances/{instance}/shutdown</c>; may be left out.</summary>
/// <param name="TimeoutSeconds">How long the guest may take, 1 to 3600; 60 when left out.</param>
public sealed record ShutdownInstance(double? TimeoutSeconds = null);

/// <summary>The body of <c>POST /instances:batch</c>: one action for the instances named, or for all that a filter finds.</summary>
public sealed record BatchInstances
{
    public required InstanceAction Action { get; init; }
    public IReadOnlyList<string>? Names { get; init; }

    /// <summary>As in lists; <c>"*"</c> means all. Not together with <see cref="Names"/>.</summary>
    public string? Filter { get; init; }

    /// <summary>For delete: stop a running one first. For restart: as in <see cref="RestartInstance"/>.</summary>
    public bool Force { get; init; }

    /// <summary>For shutdown and restart: as in <see cref="ShutdownInstance"/>.</summary>
    public double? TimeoutSeconds { get; init; }
}

/// <summary>What became of one instance of a batch: the operation that was begun, or the refusal.</summary>
public sealed record BatchResult(string Name, Operation? Operation = null, Problem? Error = null);

public sealed record BatchResults(IReadOnlyList<BatchResult> Items);

/// <summary>The answer of <c>GET /instances/{instance}/state</c>: cheap to ask often.</summary>
public sealed record InstanceStateAnswer(
    InstanceState State, DateTimeOffset StateSince, string? StateReason, StopCause? StopCause = null, PauseCause? PauseCause = null);

/// <summary>Serial output kept of an instance.</summary>
/// <param name="Text">UTF-8; what is not valid is replaced.</param>
/// <param name="Truncated">There was more before, or with <c>since</c> between it and this.</param>
/// <param name="Start">How much the guest had written before this, in bytes, since it was made.</param>
/// <param name="End">The same behind it: asked for with <c>since</c> this, the next answer goes on from here.</param>
public sealed record SerialOutput(string Text, bool Truncated, long Start = 0, long End = 0);

/// <summary>How the driver started an instance: the program and its arguments, one by one, and as one line for reading.</summary>
public sealed record DriverCommandLine(string Program, IReadOnlyList<string> Arguments, string Text);
