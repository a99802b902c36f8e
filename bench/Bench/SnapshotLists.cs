using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Bench;

/// <summary>Pages out of many snapshots.</summary>
internal static class SnapshotLists
{
    private const int Count = 10_000;
    private const int Rounds = 50;

    public static async Task RunAsync(Report report, BenchDaemon daemon, CancellationToken ct)
    {
        report.Say(string.Create(CultureInfo.InvariantCulture, $"making {Count:N0} snapshots of simulated instances"));
        await daemon.FillAsync(0, Count / Limits.Snapshots, ct);
        await Parallel.ForEachAsync(Enumerable.Range(0, Count / Limits.Snapshots), new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = ct }, async (i, token) =>
        {
            for (var number = 0; number < Limits.Snapshots; number++)
            {
                await BenchDaemon.DoneAsync(daemon.Api.CreateSnapshotAsync(BenchDaemon.NameOf(i), new(string.Create(CultureInfo.InvariantCulture, $"s{number}")), 60, token));
            }
        });

        report.Add(string.Create(CultureInfo.InvariantCulture, $"GET /snapshots, {Count:N0} snapshots, the first page of 100"), "ms", await AskedAsync("/snapshots?limit=100"), "< 10");
        report.Add(string.Create(CultureInfo.InvariantCulture, $"GET /instances/…/snapshots, {Limits.Snapshots} snapshots of one among {Count:N0}"), "ms",
            await AskedAsync($"/instances/{BenchDaemon.NameOf(50)}/snapshots?limit=100"), "< 10");

        async Task<IReadOnlyList<double>> AskedAsync(string path)
        {
            async Task AskAsync()
            {
                using var answer = await daemon.Api.SendAsync(HttpMethod.Get, path, completion: HttpCompletionOption.ResponseHeadersRead, ct: ct);
                await answer.Content.CopyToAsync(Stream.Null, ct);
            }

            await AskAsync();
            return [.. (await Load.SaturatedAsync(1, Rounds, AskAsync)).Milliseconds];
        }
    }
}
