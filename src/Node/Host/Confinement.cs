using System.Globalization;

namespace Gantry.Node.Host;

/// <summary>
/// How a tool runs that reads what a stranger wrote: under a user id that nothing else has, without capabilities or the
/// way to new ones, without a network unless it needs one, and with an end to its memory, time, threads and what it may write.
/// </summary>
/// <param name="MemoryBytes">Of addresses, so the libraries and stacks count too.</param>
/// <param name="FileBytes">The largest file it may write.</param>
/// <param name="CpuTime">Of processor time, over all its threads.</param>
public sealed record Confinement(int Uid, long MemoryBytes, long FileBytes, TimeSpan CpuTime)
{
    /// <summary>A group it is in beside its own; null for none.</summary>
    public int? Group { get; init; }

    /// <summary>It sees the node's network, and has files and threads for talking to many others.</summary>
    public bool IsNetworked { get; init; }

    private const int OpenFiles = 64, NetworkedFiles = 4096;
    private const int Threads = 80, NetworkedThreads = 512; // qemu-img uses up to 64 for its input and output
    private const int StackBytes = 1 << 20;

    /// <summary>The commands around the tool (util-linux), the innermost last.</summary>
    internal IEnumerable<string> Before(IEnumerable<string> more) =>
    [
        "unshare", .. IsNetworked ? (string[])[] : ["--net"], "--ipc", "--",
        "prlimit", Limit("as", MemoryBytes), Limit("fsize", FileBytes), Limit("cpu", (long)CpuTime.TotalSeconds), Limit("nofile", IsNetworked ? NetworkedFiles : OpenFiles),
        Limit("nproc", IsNetworked ? NetworkedThreads : Threads), Limit("stack", StackBytes), Limit("core", 0), "--",
        "setpriv", Number("reuid", Uid), Number("regid", Uid), Group is { } group ? Number("groups", group) : "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", .. more, "--",
    ];

    private static string Limit(string what, long value) => string.Create(CultureInfo.InvariantCulture, $"--{what}={value}:{value}");

    private static string Number(string what, int value) => string.Create(CultureInfo.InvariantCulture, $"--{what}={value}");
}
