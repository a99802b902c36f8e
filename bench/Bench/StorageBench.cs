using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Bench;

/// <summary>Pools, snapshots and clones, beside the bare commands of the storage, in a mount namespace that goes with the bench.</summary>
internal static class StorageBench
{
    /// <summary>A ZFS of zfs-fuse and a Btrfs, each on a file of its own.</summary>
    private const string Prepare = """
        mount --make-rprivate /
        for place in /etc/zfs /var/lib/zfs; do mount -t tmpfs tmpfs $place; done
        mkdir -p /var/run/zfs; mount -t tmpfs tmpfs /var/run/zfs
        """;

    public static async Task RunAsync(Report report, CancellationToken ct)
    {
        if (!await Namespaces.EnterAsync(report.Name, "--mount", Prepare, ct))
        {
            return;
        }

        await using var daemon = await BenchDaemon.StartAsync(ct);
        await BenchDaemon.DoneAsync(daemon.Api.BuildImageAsync(new("micro"), 120, ct));
        await SnapshotGaps.RunAsync(report, daemon, ct);
        await SnapshotMerges.RunAsync(report, daemon, ct);
        await CloneSpeeds.RunAsync(report, daemon, "local", copies: true, ct);
        await using (await FileSystems.MakeAsync(daemon, ct))
        {
            await PoolSnapshots.RunAsync(report, daemon, ct);
            await CloneSpeeds.RunAsync(report, daemon, "zfs", copies: false, ct);
            await CloneSpeeds.RunAsync(report, daemon, "btrfs", copies: true, ct);
        }

        await SnapshotLists.RunAsync(report, daemon, ct);
    }

    /// <summary>A microVM that runs a script, with these disks beside.</summary>
    public static async Task<Instance> LaunchAsync(BenchDaemon daemon, string name, string script, IReadOnlyList<Volume> volumes, CancellationToken ct)
    {
        var commandLine = $"quiet tsc=reliable gantry.run={Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(script))}";
        await BenchDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(
            new() { Name = name, Image = "micro", Kind = InstanceKind.Microvm, Boot = new() { CommandLine = commandLine }, Volumes = volumes, StartNow = true }, 120, ct));
        return await daemon.Api.GetInstanceAsync(name, ct);
    }

    /// <summary>The lines of a guest's serial line from these words on, once there are as many. A shell's prompt may stand before the first.</summary>
    public static async Task<IReadOnlyList<string>> LinesAsync(BenchDaemon daemon, string name, string words, int count, CancellationToken ct)
    {
        var said = "";
        for (var began = TimeProvider.System.GetTimestamp(); TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromMinutes(5); await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, ct))
        {
            said = (await daemon.Api.GetLogsAsync(name, ct: ct)).Text;
            List<string> lines = [.. said.Split('\n').Where(l => l.Contains(words, StringComparison.Ordinal)).Select(l => l[l.IndexOf(words, StringComparison.Ordinal)..])];
            if (lines.Count >= count)
            {
                return lines;
            }
        }

        throw new TimeoutException(string.Create(CultureInfo.InvariantCulture, $"{name} did not say '{words}' {count} times, but: {said[^Math.Min(said.Length, 1000)..]}"));
    }
}
