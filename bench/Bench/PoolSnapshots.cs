using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Bench;

/// <summary>Snapshots by the storage itself, of a guest that runs and of one that does not, beside the bare command on the same data.</summary>
internal static class PoolSnapshots
{
    private const int Rounds = 15;

    public static async Task RunAsync(Report report, BenchDaemon daemon, CancellationToken ct)
    {
        foreach (var pool in (string[])["zfs", "btrfs"])
        {
            var name = $"on-{pool}";
            var instance = await StorageBench.LaunchAsync(
                daemon, name, "dd if=/dev/urandom of=/dev/vda bs=1M count=64 2>/dev/null; sync; echo written; sleep 1000000", [new() { Name = "data", Pool = pool, SizeBytes = 1024 * Limits.MiB }], ct);
            await StorageBench.LinesAsync(daemon, name, "written", 1, ct);
            await MeasureAsync(report, daemon, pool, instance, "running", ct);
            await BenchDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync(name, InstanceAction.Stop, 60, ct));
            await MeasureAsync(report, daemon, pool, instance, "stopped", ct);
            await BenchDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync(name, force: true, 60, ct));
        }
    }

    private static async Task MeasureAsync(Report report, BenchDaemon daemon, string pool, Instance instance, string state, CancellationToken ct)
    {
        List<double> ours = [], bare = [];
        for (var round = 0; round < Rounds; round++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"{state}-{round}");
            var from = TimeProvider.System.GetTimestamp();
            await BenchDaemon.DoneAsync(daemon.Api.CreateSnapshotAsync(instance.Name, new(name), 60, ct));
            ours.Add(TimeProvider.System.GetElapsedTime(from).TotalMilliseconds);
            bare.Add(pool == "zfs"
                ? Run.Milliseconds("zfs", ["snapshot", "-r", $"tank/gantry/{instance.Id}@bare-{name}"])
                : Run.Milliseconds("btrfs", ["subvolume", "snapshot", "-r", Subvolume(daemon, instance), $"{daemon.Root}/btrfs/bare-{name}"]));
        }

        Forget(daemon, pool, instance);
        var with = $"{pool} snapshot of a {state} microVM";
        report.Add($"{with}, by the API until it is done", "ms", ours);
        report.Add($"{with}, the bare command beside it", "ms", bare);
        report.Add($"{with}, what Gantry adds, round by round", "ms", [.. ours.Zip(bare, (with, without) => with - without)], "<= 30");
    }

    private static string Subvolume(BenchDaemon daemon, Instance instance) => $"{daemon.Root}/btrfs/gantry/{instance.Id}/live";

    private static void Forget(BenchDaemon daemon, string pool, Instance instance)
    {
        if (pool == "btrfs")
        {
            Run.Text("sh", ["-c", "btrfs subvolume delete \"$0\"/btrfs/bare-*", daemon.Root]);
            return;
        }

        foreach (var snapshot in Run.Text("zfs", ["list", "-H", "-t", "snapshot", "-o", "name"]).Split('\n').Where(s => s.StartsWith($"tank/gantry/{instance.Id}@bare-", StringComparison.Ordinal)))
        {
            Run.Text("zfs", ["destroy", snapshot]);
        }
    }
}
