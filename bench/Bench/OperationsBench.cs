using System.Diagnostics;
using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Bench;

/// <summary>How many operations of three steps are done in a second, and what each costs the database.</summary>
internal static class OperationsBench
{
    private const int Instances = 500;
    private const int Clients = 64;
    private const int Rounds = 10;

    public static async Task RunAsync(Report report, CancellationToken ct)
    {
        await using var daemon = await BenchDaemon.StartAsync(ct);
        await daemon.FillAsync(0, Instances, ct);
        var database = new Database(daemon.Root);
        await RoundAsync(daemon, InstanceAction.Start, ct);
        await RoundAsync(daemon, InstanceAction.Stop, ct);

        List<double> perSecond = [], latency = [];
        var before = await database.CommitsAsync(ct);
        for (var round = 0; round < Rounds; round++)
        {
            var (rate, p50) = await RoundAsync(daemon, round % 2 == 0 ? InstanceAction.Start : InstanceAction.Stop, ct);
            perSecond.Add(rate);
            latency.Add(p50);
        }

        report.Add(string.Create(CultureInfo.InvariantCulture, $"instance start/stop (sim), {Clients} clients that wait for the end"), "ops/s", perSecond, ">= 400");
        report.Add("the same: time of one, p50", "ms", latency);
        report.Add("commits of the database for each, everything counted", "commits", [(await database.CommitsAsync(ct) - before) / (double)(Rounds * Instances)]);
    }

    private static async Task<(double PerSecond, double P50)> RoundAsync(BenchDaemon daemon, InstanceAction action, CancellationToken ct)
    {
        var taken = new System.Collections.Concurrent.ConcurrentBag<double>();
        var from = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(Enumerable.Range(0, Instances), new ParallelOptions { MaxDegreeOfParallelism = Clients, CancellationToken = ct }, async (i, token) =>
        {
            var begun = Stopwatch.GetTimestamp();
            var operation = await daemon.Api.ActOnInstanceAsync(BenchDaemon.NameOf(i), action, waitSeconds: 60, token);
            if (operation.State != OperationState.Succeeded)
            {
                throw new InvalidOperationException($"{operation.Kind} of {operation.TargetName} is {operation.State}: {operation.Error?.Detail}");
            }

            taken.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
        });
        return (Instances / Stopwatch.GetElapsedTime(from).TotalSeconds, Statistics.Percentile(taken, 50));
    }
}
