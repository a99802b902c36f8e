using System.Diagnostics;
using Gantry.Contracts;

namespace Gantry.Bench;

/// <summary>One machine started by Gantry, bare, and by libvirt where there is one, until its init speaks.</summary>
internal sealed class MachineStarts(BenchDaemon daemon, InstanceKind kind, Libvirt? libvirt)
{
    private const int Rounds = 30;
    private const string Speaks = "micro is up";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly string _name = $"start-{kind.ToString().ToLowerInvariant()}";
    private readonly List<double> _ours = [], _executed = [], _bare = [], _virsh = [];
    private string _serial = "", _run = "";

    /// <summary>In turns, each first as often as the others, so that what else the machine does meanwhile falls on all of them alike.</summary>
    public async Task RunAsync(Report report, CancellationToken ct)
    {
        await BenchDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(new() { Name = _name, Kind = kind, Image = "micro" }, 60, ct));
        var id = (await daemon.Api.GetInstanceAsync(_name, ct)).Id;
        (_serial, _run) = ($"{daemon.Root}/data/instances/{id}/serial.log", $"{daemon.Root}/run/instances/{id}");
        await BenchDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync(_name, InstanceAction.Start, 60, ct));
        var bare = BareQemu.Of($"{_run}/start.json", $"{daemon.Root}/bare-{_name}");
        await BenchDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync(_name, InstanceAction.Stop, 60, ct));
        libvirt?.Define(_name, bare);

        Func<Task>[] turns = [() => OursAsync(ct), () => BareAsync(bare, ct), .. libvirt is null ? (Func<Task>[])[] : [() => VirshAsync(libvirt, ct)]];
        for (var turn = 0; turn < Rounds * turns.Length; turn++)
        {
            await turns[(turn + (turn / turns.Length)) % turns.Length]();
        }

        var what = kind == InstanceKind.Microvm ? "microVM" : "VM (q35)";
        report.Add($"{what}: start by the API until its init speaks", "ms", _ours);
        report.Add($"{what}: the same QEMU command line started bare", "ms", _bare);
        report.Add($"{what}: what Gantry adds, round by round", "ms", [.. _ours.Zip(_bare, (with, without) => with - without)], "<= 50");
        report.Add($"{what}: start by the API until QEMU is executed", "ms", _executed);
        if (libvirt is not null)
        {
            report.Add($"{what}: virsh start of the same machine until its init speaks", "ms", _virsh);
        }
    }

    /// <summary>Milliseconds since the beginning; looked at every 4 ms, the same for all, so that looking does not take the guest's time.</summary>
    public static async Task<double> UntilSpeaksAsync(string serial, long begun, CancellationToken ct)
    {
        var log = new FileInfo(serial);
        for (long read = 0; Stopwatch.GetElapsedTime(begun) < Patience; log.Refresh())
        {
            if (log.Exists && log.Length != read)
            {
                read = log.Length;
                if (File.ReadAllText(serial).Contains(Speaks, StringComparison.Ordinal))
                {
                    return Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
                }
            }

            await Task.Delay(TimeSpan.FromMilliseconds(4), TimeProvider.System, ct);
        }

        throw new TimeoutException($"{serial} does not say '{Speaks}'.");
    }

    private async Task OursAsync(CancellationToken ct)
    {
        File.Delete(_serial);
        var (begun, at) = (Stopwatch.GetTimestamp(), TimeProvider.System.GetUtcNow().UtcDateTime);
        await daemon.Api.ActOnInstanceAsync(_name, InstanceAction.Start, ct: ct);
        _ours.Add(await UntilSpeaksAsync(_serial, begun, ct));
        _executed.Add((File.GetLastWriteTimeUtc($"{_run}/pids") - at).TotalMilliseconds);
        await BenchDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync(_name, InstanceAction.Stop, 60, ct));
    }

    private async Task BareAsync(BareQemu bare, CancellationToken ct)
    {
        var begun = Stopwatch.GetTimestamp();
        using var process = bare.Start();
        _bare.Add(await UntilSpeaksAsync(bare.Serial, begun, ct));
        process.Kill();
        await process.WaitForExitAsync(ct);
    }

    private async Task VirshAsync(Libvirt libvirt, CancellationToken ct)
    {
        File.Delete(libvirt.SerialOf(_name));
        var begun = Stopwatch.GetTimestamp();
        libvirt.Virsh("start", _name);
        _virsh.Add(await UntilSpeaksAsync(libvirt.SerialOf(_name), begun, ct));
        libvirt.Virsh("destroy", _name);
    }
}
