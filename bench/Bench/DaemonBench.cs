using System.Globalization;

namespace Gantry.Bench;

/// <summary>What the daemon itself costs: to start, to keep, to ask.</summary>
internal static class DaemonBench
{
    private const int Instances = 1_000;
    private const int Rounds = 5;

    public static async Task RunAsync(Report report, CancellationToken ct)
    {
        await using var daemon = await BenchDaemon.StartAsync(ct);
        await daemon.FillAsync(0, Instances, ct);
        await StartsAsync(report, daemon, ct);
        await AtRestAsync(report, daemon, ct);
        await ListAsync(report, daemon, ct);
    }

    private static async Task StartsAsync(Report report, BenchDaemon daemon, CancellationToken ct)
    {
        List<double> starts = [];
        for (var round = 0; round < Rounds; round++)
        {
            await daemon.DownAsync();
            starts.Add(await daemon.UpAsync(ct));
        }

        report.Add("start with warm data until health is ok, its PostgreSQL included", "ms", starts, "< 1500");
    }

    private static async Task AtRestAsync(Report report, BenchDaemon daemon, CancellationToken ct)
    {
        for (var i = 0; i < 100; i++)
        {
            await daemon.Api.ListInstancesAsync("?limit=1000", ct);
        }

        report.Add("resident memory after 100 lists of 1,000", "MB", [daemon.ResidentMegabytes()], "< 200");
        await Task.Delay(TimeSpan.FromSeconds(10), TimeProvider.System, ct);
        List<double> idle = [];
        for (var round = 0; round < 3; round++)
        {
            var before = daemon.CpuSeconds();
            await Task.Delay(TimeSpan.FromSeconds(30), TimeProvider.System, ct);
            idle.Add((daemon.CpuSeconds() - before) / 30 * 100);
        }

        report.Add("CPU at rest, over 30 s", "% of one", idle, "< 1");
        report.Add("resident memory at rest, 1,000 instances", "MB", [daemon.ResidentMegabytes()], "< 200");
    }

    private static async Task ListAsync(Report report, BenchDaemon daemon, CancellationToken ct)
    {
        var root = new Dictionary<string, string> { ["GANTRY_ROOT"] = daemon.Root };
        List<double> calls = [], processes = [], more = [];
        for (var round = 0; round < 4 * Rounds; round++)
        {
            var (milliseconds, _) = await Load.SaturatedAsync(1, 5, () => daemon.Api.ListInstancesAsync("", ct));
            calls.Add(Statistics.Percentile(milliseconds, 50));
            processes.Add(Run.Milliseconds(daemon.Cli, ["list", "-q"], root));
            more.Add(processes[^1] - calls[^1]);
        }

        report.Add("GET /instances from a running client", "ms", calls);
        report.Add("gantry list -q, as a process", "ms", processes);
        report.Add("what the process costs more", "ms", more, "<= 30");
    }
}
