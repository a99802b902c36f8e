using System.Globalization;
using System.Reflection;
using Gantry.Contracts;

namespace Gantry.Bench;

/// <summary>How long a guest that writes to three disks without pause waits for one write while a snapshot of all three is taken, by its own clock.</summary>
internal static class SnapshotGaps
{
    private const int Rounds = 20;
    private const string Guest = "gaps";

    /// <summary>The program is on the disk that begins as ELF files do.</summary>
    private const string Script = """
        disks=; for disk in /dev/vd?; do
            if head -c 4 $disk | grep -q ELF; then dd if=$disk of=/tmp/gapwriter bs=64k 2>/dev/null; else disks="$disks $disk"; fi
        done
        chmod +x /tmp/gapwriter
        exec /tmp/gapwriter $disks
        """;

    public static async Task RunAsync(Report report, BenchDaemon daemon, CancellationToken ct)
    {
        await BenchDaemon.DoneAsync(daemon.Api.ImportImageAsync(new() { Name = "gapwriter", Path = Compiled(daemon), Format = DiskFormat.Raw, DefaultKind = InstanceKind.Microvm }, 60, ct));
        await StorageBench.LaunchAsync(
            daemon, Guest, Script, [new() { Name = "program", Image = "gapwriter" }, .. Enumerable.Range(1, 3).Select(i => new Volume { Name = $"data{i}", SizeBytes = 1024 * Limits.MiB })], ct);
        List<double> with = [], without = [], asked = [];
        for (var round = 0; round < Rounds; round++)
        {
            var before = (await StorageBench.LinesAsync(daemon, Guest, "gap ", 1, ct)).Count;
            before = (await StorageBench.LinesAsync(daemon, Guest, "gap ", before + 3, ct)).Count;
            without.Add(await MostAsync(before - 2));
            var from = TimeProvider.System.GetTimestamp();
            await BenchDaemon.DoneAsync(daemon.Api.CreateSnapshotAsync(Guest, new(string.Create(CultureInfo.InvariantCulture, $"s{round}")), 60, ct));
            asked.Add(TimeProvider.System.GetElapsedTime(from).TotalMilliseconds);
            with.Add(await MostAsync(before));

            async Task<double> MostAsync(int first)
            {
                var count = (await StorageBench.LinesAsync(daemon, Guest, "gap ", 1, ct)).Count;
                var lines = await StorageBench.LinesAsync(daemon, Guest, "gap ", count + 1, ct);
                return lines.Skip(first).Max(l => double.Parse(l["gap ".Length..], CultureInfo.InvariantCulture));
            }
        }

        report.Add("snapshot of three disks: longest wait of a writing guest for one write", "ms", with, "<= 15");
        report.Add("the same guest's longest wait with no snapshot", "ms", without);
        report.Add("snapshot of three disks by the API until it is done", "ms", asked);
        await BenchDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync(Guest, force: true, 60, ct));
    }

    /// <summary>Padded to whole MiB, as a disk is.</summary>
    private static string Compiled(BenchDaemon daemon)
    {
        var source = Path.Combine(daemon.Root, "gapwriter.c");
        using (var resource = Assembly.GetExecutingAssembly().GetManifestResourceStream("gapwriter.c")!)
        using (var file = File.Create(source))
        {
            resource.CopyTo(file);
        }

        var program = Path.Combine(daemon.Root, "gapwriter");
        Run.Text("gcc", ["-static", "-O2", "-o", program, source]);
        Run.Text("truncate", ["-s", "%1M", program]);
        return program;
    }
}
