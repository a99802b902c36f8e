using System.Diagnostics;
using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Bench;

/// <summary>A ZFS and a Btrfs on files, each a pool of the daemon's. The daemon must run in the mount namespace that they are made in.</summary>
internal sealed class FileSystems : IAsyncDisposable
{
    private readonly BenchDaemon _daemon;
    private readonly Process _zfs;

    private FileSystems(BenchDaemon daemon, Process zfs) => (_daemon, _zfs) = (daemon, zfs);

    public static async Task<FileSystems> MakeAsync(BenchDaemon daemon, CancellationToken ct)
    {
        var root = daemon.Root;
        Run.Text("sh", ["-c", "truncate -s 6G \"$0/btrfs.disk\" && mkfs.btrfs -q \"$0/btrfs.disk\" && mkdir \"$0/btrfs\" && mount -o loop \"$0/btrfs.disk\" \"$0/btrfs\"", root]);
        var zfs = Run.Start("zfs-fuse", ["--no-kstat-mount", "--no-daemon", "--pidfile", "/var/run/zfs/pid"]);
        for (var tries = 0; ; tries++)
        {
            try
            {
                Run.Text("zpool", ["list"]);
                break;
            }
            catch (InvalidOperationException) when (tries < 600)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, ct);
            }
        }

        Run.Text("sh", ["-c", "truncate -s 6G \"$0/zfs.disk\" && zpool create -o ashift=12 -O atime=off -m \"$0/zfs\" tank \"$0/zfs.disk\"", root]);
        await BenchDaemon.DoneAsync(daemon.Api.CreatePoolAsync(new() { Name = "zfs", Kind = PoolKind.Zfs, Source = "tank/gantry" }, 60, ct));
        await BenchDaemon.DoneAsync(daemon.Api.CreatePoolAsync(new() { Name = "btrfs", Kind = PoolKind.Btrfs, Source = $"{root}/btrfs/gantry" }, 60, ct));
        return new(daemon, zfs);
    }

    public async ValueTask DisposeAsync()
    {
        await BenchDaemon.DoneAsync(_daemon.Api.DeletePoolAsync("zfs", 60));
        await BenchDaemon.DoneAsync(_daemon.Api.DeletePoolAsync("btrfs", 60));
        Run.Text("zpool", ["destroy", "tank"]);
        Run.Text("umount", [$"{_daemon.Root}/btrfs"]);
        Run.Text("kill", ["-TERM", _zfs.Id.ToString(CultureInfo.InvariantCulture)]);
        await _zfs.WaitForExitAsync();
        _zfs.Dispose();
    }
}
