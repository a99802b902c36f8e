using System.Globalization;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Instances;

namespace Gantry.Node.Drivers.Qemu;

public sealed partial class QemuDriver
{
    private static readonly TimeSpan LaunchDeadline = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan AnswersWithin = TimeSpan.FromSeconds(60);

    public Task StartAsync(Id<Instance> id, CancellationToken ct) => LockedAsync(id, async slot =>
    {
        if (await AttachAsync(slot, id) is { } running)
        {
            await AwaitAnswerAsync(running, ct);
            return true;
        }

        var spec = node.Folders.Read(id);
        await CheckAsync(spec, ct);
        await ClearAsync(slot, id);
        try
        {
            await LaunchAsync(spec);
            ct.ThrowIfCancellationRequested();
            var guest = await AttachAsync(slot, id) ?? throw new QmpFailed(LogTail.LastWords(LogPath(id)));
            await AwaitAnswerAsync(guest, ct);
            return true;
        }
        catch (Exception e)
        {
            await UndoStartAsync(slot, id);
            throw e switch
            {
                QmpFailed => DriverErrors.StartFailed(spec.Name, LogTail.LastWords(LogPath(id)) is { Length: > 0 } words ? words : e.Message),
                CommandFailed failed => DriverErrors.StartFailed(spec.Name, failed.Errors is { Length: > 0 } words ? words.Trim() : failed.Message),
                _ => e,
            };
        }
    }, ct);

    /// <summary>
    /// Runs the launcher, which returns once QEMU was executed. Not cancelled half-way: it takes milliseconds, and
    /// a launcher killed between its steps could leave a supervisor nobody has written down yet.
    /// </summary>
    private async Task LaunchAsync(InstanceSpec spec)
    {
        var run = node.Folders.Run(spec.Id);
        Directory.CreateDirectory(run, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var start = _host.Compose(spec);
        start.Write(StartPath(spec.Id));
        var group = _host.Accelerator.Group is { } kvm ? (string[])["--group", kvm.ToString(CultureInfo.InvariantCulture)] : [];
        await node.Shell.RunAsync(
            new Command(
                QemuHost.Launcher,
                [
                    "--uid", spec.Uid.ToString(CultureInfo.InvariantCulture), .. group,
                    "--run", run, "--serial", SerialPath(spec.Id), "--serial-limit", node.SerialLogBytes.ToString(CultureInfo.InvariantCulture), "--log", LogPath(spec.Id),
                    "--", start.Program, .. start.Arguments,
                ],
                LaunchDeadline),
            CancellationToken.None);
    }

    /// <summary>Until QEMU says that the guest runs (or is paused, when it was running before).</summary>
    private async Task AwaitAnswerAsync(QemuGuest guest, CancellationToken ct)
    {
        var began = node.Time.GetTimestamp();
        while (true)
        {
            try
            {
                await guest.QueryAsync(ct);
                return;
            }
            catch (QmpFailed) when (!guest.Process.Ended.IsCompleted && node.Time.GetElapsedTime(began) < AnswersWithin)
            {
                // A busy host: the connection was accepted by the kernel, QEMU itself has not come to it yet.
                await Task.WhenAny(guest.Process.Ended, Task.Delay(TimeSpan.FromMilliseconds(100), node.Time, ct));
                ct.ThrowIfCancellationRequested();
            }
        }
    }

    private async Task UndoStartAsync(Slot slot, Id<Instance> id)
    {
        if (await AttachAsync(slot, id) is { } guest)
        {
            guest.Known = InstanceState.Stopped;
            guest.Process.Kill();
            await guest.Process.Ended.WaitAsync(KillDeadline, node.Time);
            await guest.Process.SettleAsync(node.Time);
        }

        await ClearAsync(slot, id);
    }
}
