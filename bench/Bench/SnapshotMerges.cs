using System.Globalization;
using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Bench;

/// <summary>
/// Snapshots in the middle of a chain deleted while the guest runs: what was written after each is merged into what it was. Beside it virsh
/// blockcommit of the same two layers of a copy of the same chain, under a QEMU of libvirt's.
/// </summary>
internal static class SnapshotMerges
{
    private const int Snapshots = 11;
    private const int WrittenEach = 256;
    private const string Guest = "merges";

    private static string Script => string.Create(CultureInfo.InvariantCulture, $$"""
        n=0; while [ $n -lt {{Snapshots}} ]; do
            dd if=/dev/urandom of=/dev/vda bs=1M count={{WrittenEach}} seek=$((n * {{WrittenEach}})) conv=fsync 2>/dev/null
            echo "wrote $n"; n=$((n + 1)); sleep 3
        done
        sleep 1000000
        """);

    public static async Task RunAsync(Report report, BenchDaemon daemon, CancellationToken ct)
    {
        var instance = await StorageBench.LaunchAsync(daemon, Guest, Script, [new() { Name = "data", SizeBytes = 4096 * Limits.MiB }], ct);
        for (var number = 0; number < Snapshots; number++)
        {
            await StorageBench.LinesAsync(daemon, Guest, "wrote ", number + 1, ct);
            await BenchDaemon.DoneAsync(daemon.Api.CreateSnapshotAsync(Guest, new(NameOf(number)), 60, ct));
        }

        var layers = await LayersAsync(daemon, instance, ct);
        using var libvirt = await Libvirt.StartAsync(ct);
        var copies = Copied(daemon, layers);
        libvirt.DefineDisk(Guest, "/usr/bin/qemu-system-x86_64", copies[^1]);
        libvirt.Virsh("start", Guest);

        List<double> ours = [], theirs = [];
        for (var number = 1; number < Snapshots - 1; number += 2)
        {
            var from = TimeProvider.System.GetTimestamp();
            await BenchDaemon.DoneAsync(daemon.Api.DeleteSnapshotAsync(Guest, NameOf(number), 120, ct));
            ours.Add(TimeProvider.System.GetElapsedTime(from).TotalMilliseconds);
            from = TimeProvider.System.GetTimestamp();
            libvirt.Virsh("blockcommit", Guest, "vda", "--base", copies[number], "--top", copies[number + 1], "--wait");
            theirs.Add(TimeProvider.System.GetElapsedTime(from).TotalMilliseconds);
        }

        libvirt.Virsh("destroy", Guest);
        var what = string.Create(CultureInfo.InvariantCulture, $"{WrittenEach} MiB");
        report.Add($"a middle snapshot of a running microVM deleted by the API, {what} to merge", "ms", ours);
        report.Add($"virsh blockcommit of the same layers of a copy, {what} to merge", "ms", theirs);
        report.Add("speed of the deletion, of virsh blockcommit's", "ratio", [.. theirs.Zip(ours, (their, our) => their / our)], ">= 0.9");
        await BenchDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync(Guest, force: true, 60, ct));
        Directory.Delete(Path.GetDirectoryName(copies[0])!, recursive: true);
    }

    private static string NameOf(int number) => string.Create(CultureInfo.InvariantCulture, $"s{number}");

    /// <summary>The layer of each snapshot, in the snapshots' order, as the pool wrote them down.</summary>
    private static async Task<IReadOnlyList<string>> LayersAsync(BenchDaemon daemon, Instance instance, CancellationToken ct)
    {
        var folder = $"{daemon.Root}/data/pools/local/{instance.Id}";
        using var record = JsonDocument.Parse(await File.ReadAllBytesAsync($"{folder}/disks.json", ct));
        var known = record.RootElement.GetProperty("disks").GetProperty("data").GetProperty("tree").GetProperty("snapshots");
        List<string> layers = [];
        for (var number = 0; number < Snapshots; number++)
        {
            layers.Add($"{folder}/data/{known.GetProperty($"{(await daemon.Api.GetSnapshotAsync(Guest, NameOf(number), ct)).Id}").GetString()}.qcow2");
        }

        return layers;
    }

    /// <summary>The chain once more, each naming the one under it, and a new one on top for a guest.</summary>
    private static List<string> Copied(BenchDaemon daemon, IReadOnlyList<string> layers)
    {
        var folder = Directory.CreateDirectory($"{daemon.Root}/copies").FullName;
        List<string> copies = [];
        foreach (var layer in layers)
        {
            var copy = $"{folder}/{NameOf(copies.Count)}.qcow2";
            Run.Text("cp", ["--sparse=always", layer, copy]);
            if (copies.Count > 0)
            {
                Run.Text("qemu-img", ["rebase", "-u", "-F", "qcow2", "-b", copies[^1], copy]);
            }

            copies.Add(copy);
        }

        copies.Add($"{folder}/top.qcow2");
        Run.Text("qemu-img", ["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", copies[^2], copies[^1]]);
        return copies;
    }
}
