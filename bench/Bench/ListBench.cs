using System.Globalization;
using Gantry.Contracts;

namespace Gantry.Bench;

/// <summary>How long a list of the instances takes, beside libvirt's own test driver with as many domains.</summary>
internal static class ListBench
{
    private const int Clients = 16;
    private const int Rounds = 5;

    public static async Task RunAsync(Report report, CancellationToken ct)
    {
        await using var daemon = await BenchDaemon.StartAsync(ct);
        var made = 0;
        foreach (var count in (int[])[1_000, 10_000])
        {
            report.Say($"making {count:N0} simulated instances");
            await daemon.FillAsync(made, count, ct);
            made = count;
            using var libvirt = new LibvirtTest(count);

            await PagesAsync(report, daemon, count, 100, ct);
            await PagesAsync(report, daemon, count, 1_000, ct);
            Commands(report, daemon, libvirt, count);
        }
    }

    private static async Task PagesAsync(Report report, BenchDaemon daemon, int count, int page, CancellationToken ct)
    {
        async Task AskAsync()
        {
            // The whole body is read, and not kept: a client's own garbage is not the daemon's time.
            using var answer = await daemon.Api.SendAsync(
                HttpMethod.Get, $"/instances?limit={page}", completion: HttpCompletionOption.ResponseHeadersRead, ct: ct);
            await answer.Content.CopyToAsync(Stream.Null, ct);
        }

        List<double> alone = [], p50 = [], p99 = [], p50Saturated = [], p99Saturated = [], perSecond = [];
        await Load.SaturatedAsync(Clients, 10, AskAsync);
        for (var round = 0; round < Rounds; round++)
        {
            alone.Add(Statistics.Percentile((await Load.SaturatedAsync(1, 50, AskAsync)).Milliseconds, 50));
            var paced = await Load.PacedAsync(Clients, 25, TimeSpan.FromMilliseconds(200), AskAsync);
            p50.Add(Statistics.Percentile(paced.Milliseconds, 50));
            p99.Add(Statistics.Percentile(paced.Milliseconds, 99));
            var full = await Load.SaturatedAsync(Clients, 40, AskAsync);
            p50Saturated.Add(Statistics.Percentile(full.Milliseconds, 50));
            p99Saturated.Add(Statistics.Percentile(full.Milliseconds, 99));
            perSecond.Add(full.PerSecond);
        }

        var what = string.Create(CultureInfo.InvariantCulture, $"GET /instances, {count:N0} instances, page of {page:N0}");
        report.Add($"{what}: one client, p50", "ms", alone);
        report.Add($"{what}: 16 clients, 5/s each, p50", "ms", p50, "< 5");
        report.Add($"{what}: 16 clients, 5/s each, p99", "ms", p99, "< 20");
        report.Add($"{what}: one client, each just after an instance changed", "ms", await AfterChangesAsync(daemon, AskAsync, ct));
        report.Add($"{what}: 16 clients without pause, p50", "ms", p50Saturated, "< 5");
        report.Add($"{what}: 16 clients without pause, p99", "ms", p99Saturated, "< 20");
        report.Add($"{what}: 16 clients without pause", "req/s", perSecond);
    }

    /// <summary>Nothing that the daemon remembers of the last answer helps here.</summary>
    private static async Task<IReadOnlyList<double>> AfterChangesAsync(BenchDaemon daemon, Func<Task> ask, CancellationToken ct)
    {
        List<double> taken = [];
        for (var i = 0; i < 20; i++)
        {
            var action = i % 2 == 0 ? InstanceAction.Start : InstanceAction.Stop;
            await daemon.Api.ActOnInstanceAsync(BenchDaemon.NameOf(0), action, waitSeconds: 60, ct);
            taken.AddRange((await Load.SaturatedAsync(1, 1, ask)).Milliseconds);
        }

        return taken;
    }

    private static void Commands(Report report, BenchDaemon daemon, LibvirtTest libvirt, int count)
    {
        List<double> list = [], info = [], virshList = [], virshInfo = [], virshListInside = [], virshInfoInside = [];
        var root = new Dictionary<string, string> { ["GANTRY_ROOT"] = daemon.Root };
        for (var round = 0; round < Rounds; round++)
        {
            list.Add(Run.Milliseconds(daemon.Cli, ["list"], root));
            virshList.Add(libvirt.ListMilliseconds());
            info.Add(Run.Milliseconds(daemon.Cli, ["info", BenchDaemon.NameOf(count / 2)], root));
            virshInfo.Add(libvirt.InfoMilliseconds());
            var inside = libvirt.InsideMilliseconds();
            virshListInside.Add(inside.List);
            virshInfoInside.Add(inside.Info);
        }

        var with = string.Create(CultureInfo.InvariantCulture, $"{count:N0} instances");
        report.Add($"gantry list, as a process, {with}", "ms", list);
        report.Add($"virsh list --all, as a process, {with} (reads its XML each time)", "ms", virshList);
        report.Add($"virsh list --all, once connected, {with}", "ms", virshListInside);
        report.Add($"gantry info, as a process, {with}", "ms", info);
        report.Add($"virsh dominfo, as a process, {with} (reads its XML each time)", "ms", virshInfo);
        report.Add($"virsh dominfo, once connected, {with}", "ms", virshInfoInside);
    }
}
