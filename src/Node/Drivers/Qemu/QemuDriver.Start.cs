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
            if (await AwaitAnswerAsync(running, AnswersWithin, ct) is not { State: InstanceState.Stopped } ended)
            {
                return true;
            }

            await running.FinishAsync(ended);
        }

        await StartAsync(slot, id, start => start, async guest => await AwaitAnswerAsync(guest, AnswersWithin, ct), ct);
        return true;
    }, ct);

    /// <param name="change">What is other than at a boot.</param>
    /// <param name="up">Waits until it is up.</param>
    private async Task StartAsync(Slot slot, Id<Instance> id, Func<QemuStart, QemuStart> change, Func<QemuGuest, Task> up, CancellationToken ct)
    {
        var spec = node.Folders.Read(id);
        await CheckAsync(spec, ct);
        await ClearAsync(slot, id);
        try
        {
            await LaunchAsync(spec, change);
            ct.ThrowIfCancellationRequested();
            var guest = await AttachAsync(slot, id) ?? throw new QmpFailed(QemuLog.LastWords(LogPath(id)));
            await up(guest);
            await QemuPinning.ApplyAsync(guest, spec, ct);
        }
        catch (Exception e)
        {
            await UndoStartAsync(slot, id);
            throw e switch
            {
                QmpFailed => DriverErrors.StartFailed(spec.Name, QemuLog.LastWords(LogPath(id)) is { Length: > 0 } words ? words : e.Message),
                CommandFailed failed => DriverErrors.StartFailed(spec.Name, failed.Errors is { Length: > 0 } words ? words.Trim() : failed.Message),
                _ => e,
            };
        }
    }

    /// <summary>
    /// Runs the launcher, which returns once QEMU was executed. Not cancelled half-way: it takes milliseconds, and
    /// a launcher killed between its steps could leave a supervisor nobody has written down yet.
    /// </summary>
    private async Task LaunchAsync(InstanceSpec spec, Func<QemuStart, QemuStart> change)
    {
        var run = node.Folders.Run(spec.Id);
        Directory.CreateDirectory(run, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        QemuHost.DemandHugePages(spec);
        var accelerator = _host.AcceleratorOf(spec);
        var firmware = _host.Uefi(spec);
        var start = change(await _host.ComposeAsync(spec, accelerator, firmware, CancellationToken.None));
        start.Write(StartPath(spec.Id));
        if (firmware is not null && InstanceVolumes.NvramOf(node.Root, spec.Id) is var nvram && !File.Exists(nvram))
        {
            AtomicFile.Write(nvram, await File.ReadAllBytesAsync(firmware.Variables));
        }

        var tpm = spec.Tpm ? (string[])["--tpm", TpmFolder(spec), "--tpm-uid", TpmUid(spec).ToString(CultureInfo.InvariantCulture)] : [];
        await _taps.MakeAsync(spec.Id, spec.Nics ?? [], CancellationToken.None);
        var isolation = await _isolation.PrepareAsync(spec, start, accelerator, _host.Facts, run);
        var group = accelerator.Group is { } kvm ? (string[])["--group", kvm.ToString(CultureInfo.InvariantCulture)] : [];
        var launch = new LaunchCommand(node.Launcher, spec.Uid, run, SerialPath(spec.Id), LogPath(spec.Id), [start.Program, .. start.Arguments])
        {
            SerialBytes = node.SerialLogBytes,
            Before = isolation.Before,
            Options = [.. isolation.Options, .. group, .. tpm, .. (start.Files ?? []).SelectMany(f => (string[])["--open", f.ToString()]), .. (start.Taps ?? []).SelectMany(t => (string[])["--tap", t.ToString()]),
                .. (start.Sockets ?? []).SelectMany(s => (string[])["--listen", s.ToString()])],
        };
        var keys = start.Images.DistinctBy(i => i.Secret).Select(i => (Image: i, Path: QemuVolumes.KeyPath(node.Root, spec.Id, i))).ToList();
        try
        {
            foreach (var (image, path) in keys)
            {
                image.WriteKey(path, spec.Uid);
            }

            await node.Shell.RunAsync(launch.Within(LaunchDeadline), CancellationToken.None);
        }
        finally
        {
            // QEMU has them opened.
            keys.ForEach(k => File.Delete(k.Path));
        }
    }

    private static int TpmUid(InstanceSpec spec) => spec.TpmUid ?? UidRange.TpmOf(spec.Uid);

    /// <summary>The folder of the TPM's state, which is its own user's.</summary>
    private string TpmFolder(InstanceSpec spec)
    {
        var folder = InstanceVolumes.TpmOf(node.Root, spec.Id);
        var uid = TpmUid(spec);
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Posix.Chown(folder, uid, uid);
        return folder;
    }

    /// <summary>Until QEMU says how the guest is.</summary>
    private async Task<InstanceStatus> AwaitAnswerAsync(QemuGuest guest, TimeSpan within, CancellationToken ct)
    {
        var began = node.Time.GetTimestamp();
        while (true)
        {
            try
            {
                return await guest.QueryAsync(ct);
            }
            catch (QmpFailed) when (!guest.Process.Ended.IsCompleted && node.Time.GetElapsedTime(began) < within)
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
            guest.EndAsked = true;
            guest.Process.Kill();
            await guest.Process.Ended.WaitAsync(KillDeadline, node.Time);
            await guest.Process.SettleAsync(node.Time);
        }

        await ClearAsync(slot, id);
    }
}
