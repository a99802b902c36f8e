using System.Runtime.InteropServices;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Instances;
using Gantry.Node.Isolation;
using Gantry.Node.Pools;
using Microsoft.Extensions.Logging;

namespace Gantry.Node;

/// <summary>What drivers and image builders stand on.</summary>
/// <param name="Uids">The user ids guests of this root run under, which no other root on this machine has.</param>
public sealed record NodeContext(
    GantryRoot Root, IShell Shell, InstanceFolders Folders, UidRange Uids, TimeProvider Time, ILoggerFactory Logs)
{
    private NodePools? _pools;

    /// <summary>User ids for tools that read what strangers wrote.</summary>
    public ToolUids ToolUids { get; } = new(Uids);

    /// <summary>Where disks lie.</summary>
    public NodePools Pools => _pools ?? Interlocked.CompareExchange(ref _pools, new(this), null) ?? _pools;

    /// <summary>What must hold before a guest is started.</summary>
    public IsolationOptions Isolation { get; init; } = IsolationOptions.Default;

    /// <summary>The program that starts guests: beside the assemblies, where the build puts it.</summary>
    public string Launcher { get; init; } = Path.Combine(AppContext.BaseDirectory, "gantry-launch");

    /// <summary>Opens a TAP device of the network this machine's bridges are in.</summary>
    internal Func<string, SafeHandle> OpenTap { get; init; } = Posix.OpenTap;

    /// <summary>For tests: called with the name of each command to QEMU's monitor before it is sent; what it throws ends the call that sends it.</summary>
    internal Action<string> BeforeMonitor { get; init; } = _ => { };

    internal Cgroups Cgroups { get; init; } = new(Root, Time);

    /// <summary>How much is kept of what each instance writes on its serial line, in bytes.</summary>
    public long SerialLogBytes { get; init; } = 4 * Limits.MiB;

    /// <summary>A context for the root; makes its directories and claims its user ids.</summary>
    /// <exception cref="Contracts.Refusal"><c>node.uids_taken</c>, <c>node.uids_used_up</c></exception>
    public static NodeContext Open(GantryRoot root, TimeProvider time, ILoggerFactory logs, IsolationOptions? isolation = null)
    {
        foreach (var directory in (string[])[root.Data, root.Run, root.Log, root.Instances, root.InstancesRun, root.Images, root.Pools, root.Networks, root.NetworksRun])
        {
            Directory.CreateDirectory(directory);

            // Others may pass through, not look: PostgreSQL and the guests' QEMU have their own places below.
            File.SetUnixFileMode(directory, (UnixFileMode)0b111_001_001);
        }

        return new(root, new Shell(time), new InstanceFolders(root), UidRange.Claim(root, isolation?.Uids), time, logs) { Isolation = isolation ?? IsolationOptions.Default };
    }
}
