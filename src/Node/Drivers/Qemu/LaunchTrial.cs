using System.Globalization;
using Gantry.Node.Host;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>The launcher started on trial, in a folder of its own; disposing of it ends what runs and leaves nothing.</summary>
internal sealed class LaunchTrial : IAsyncDisposable
{
    private readonly NodeContext _node;
    private readonly int _uid;

    public LaunchTrial(NodeContext node, int uid)
    {
        (_node, _uid) = (node, uid);
        Run = string.Create(CultureInfo.InvariantCulture, $"{node.Root.Run}/trial-{uid}");
        if (Directory.Exists(Run))
        {
            Directory.Delete(Run, recursive: true); // nothing runs under this user id, or it would not have been lent
        }

        Directory.CreateDirectory(Run, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    public string Run { get; }

    /// <summary>What was started; null before, and when it had ended at once.</summary>
    public QemuProcess? Process { get; private set; }

    /// <summary>What it wrote.</summary>
    public string Log => File.Exists($"{Run}/log") ? File.ReadAllText($"{Run}/log") : "";

    /// <param name="before">A command around the launcher.</param>
    /// <returns>The launcher's last words when it did not start; null when it did.</returns>
    public async Task<string?> StartAsync(IReadOnlyList<string> before, IReadOnlyList<string> options, IReadOnlyList<string> command, TimeSpan deadline, CancellationToken ct)
    {
        var launch = new LaunchCommand(_node.Launcher, _uid, Run, $"{Run}/serial", $"{Run}/log", command) { Before = before, Options = options };
        try
        {
            await _node.Shell.RunAsync(launch.Within(deadline), ct);
            Process = await QemuProcess.FindAsync(Run, _node.Time);
            return null;
        }
        catch (CommandFailed e)
        {
            return e.Errors.Trim() is { Length: > 0 } words ? words : e.Message;
        }
    }

    public async ValueTask DisposeAsync()
    {
        Process?.Dispose();
        await EndAsync(_node, Run);
    }

    /// <summary>Ends and removes what a daemon that was killed has left of its trials.</summary>
    public static async Task SweepAsync(NodeContext node)
    {
        foreach (var run in Directory.GetDirectories(node.Root.Run, "trial-*"))
        {
            await EndAsync(node, run);
        }
    }

    private static async Task EndAsync(NodeContext node, string run)
    {
        using (var process = await QemuProcess.FindAsync(run, node.Time))
        {
            if (process is not null)
            {
                process.Kill();
                await process.SettleAsync(node.Time);
            }
        }

        await node.Cgroups.RemoveAsync(run);
        Directory.Delete(run, recursive: true);
    }
}
