using System.Globalization;
using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Bench;

/// <summary>Clones of a stopped instance's snapshot: linked ones of a large disk, and full ones beside the bare command that copies the same.</summary>
internal static class CloneSpeeds
{
    private const int Rounds = 10;
    private const int FullRounds = 5;
    private const int Written = 1024;

    /// <param name="copies">Full ones too.</param>
    public static async Task RunAsync(Report report, BenchDaemon daemon, string pool, bool copies, CancellationToken ct)
    {
        var name = $"cloned-{pool}";
        var script = string.Create(CultureInfo.InvariantCulture, $"dd if=/dev/urandom of=/dev/vda bs=1M count={Written} conv=fsync 2>/dev/null; echo written; sleep 1000000");
        var instance = await StorageBench.LaunchAsync(daemon, name, script, [new() { Name = "data", Pool = pool, SizeBytes = 10 * 1024 * Limits.MiB }], ct);
        await StorageBench.LinesAsync(daemon, name, "written", 1, ct);
        await BenchDaemon.DoneAsync(daemon.Api.ActOnInstanceAsync(name, InstanceAction.Stop, 60, ct));
        await BenchDaemon.DoneAsync(daemon.Api.CreateSnapshotAsync(name, new("s"), 60, ct));

        List<double> linked = [], full = [], bare = [];
        for (var round = 0; round < Rounds; round++)
        {
            linked.Add(await ClonedAsync(isLinked: true));
        }

        report.Add($"{pool}: linked clone of a 10 GiB disk by the API until it is done", "ms", linked, "< 200");
        for (var round = 0; copies && round < FullRounds; round++)
        {
            full.Add(await ClonedAsync(isLinked: false));
            bare.Add(await CopiedAsync(daemon, instance, pool, ct));
        }

        if (copies)
        {
            var what = string.Create(CultureInfo.InvariantCulture, $"{pool}: full clone of {Written} MiB in a 10 GiB disk");
            report.Add($"{what} by the API until it is done", "ms", full);
            report.Add($"{what}, {(pool == "local" ? "qemu-img convert" : "cp --reflink=never")} and sync beside it", "ms", bare);
            report.Add($"{what}, speed of the bare command's", "ratio", [.. bare.Zip(full, (other, our) => other / our)], ">= 0.95");
        }

        await BenchDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync(name, force: true, 60, ct));

        async Task<double> ClonedAsync(bool isLinked)
        {
            var from = TimeProvider.System.GetTimestamp();
            await BenchDaemon.DoneAsync(daemon.Api.CloneAsync(name, "s", new() { Name = "clone", Linked = isLinked }, 120, ct));
            var taken = TimeProvider.System.GetElapsedTime(from).TotalMilliseconds;
            await BenchDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync("clone", force: true, 60, ct));
            return taken;
        }
    }

    /// <summary>What a full clone leaves is on the disk; so is this.</summary>
    private static async Task<double> CopiedAsync(BenchDaemon daemon, Instance instance, string pool, CancellationToken ct)
    {
        var copy = pool == "local" ? $"{daemon.Root}/copy" : $"{daemon.Root}/{pool}/copy";
        var command = pool == "local"
            ? Run.Milliseconds("sh", ["-c", "qemu-img convert -f qcow2 -O qcow2 \"$0\" \"$1\" && sync -d \"$1\"", await LayerAsync(daemon, instance, ct), copy])
            : Run.Milliseconds("sh", ["-c", "cp --reflink=never --sparse=auto \"$0\" \"$1\" && sync -d \"$1\"", $"{daemon.Root}/{pool}/gantry/{instance.Id}/live/data.raw", copy]);
        File.Delete(copy);
        return command;
    }

    /// <summary>The file that all of the snapshot is in.</summary>
    private static async Task<string> LayerAsync(BenchDaemon daemon, Instance instance, CancellationToken ct)
    {
        var folder = $"{daemon.Root}/data/pools/local/{instance.Id}";
        using var record = JsonDocument.Parse(await File.ReadAllBytesAsync($"{folder}/disks.json", ct));
        var layer = record.RootElement.GetProperty("disks").GetProperty("data").GetProperty("tree").GetProperty("snapshots").EnumerateObject().Single().Value.GetString();
        return $"{folder}/data/{layer}.qcow2";
    }
}
