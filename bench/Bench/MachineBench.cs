using System.Diagnostics;
using Gantry.Contracts;

namespace Gantry.Bench;

/// <summary>
/// Real machines: what Gantry adds to starting one, beside the same QEMU started bare and the same machine started by libvirt,
/// and what many of them cost the daemon.
/// </summary>
internal static class MachineBench
{
    private const int Many = 50;

    public static async Task RunAsync(Report report, CancellationToken ct)
    {
        await using var daemon = await BenchDaemon.StartAsync(ct);
        await BenchDaemon.DoneAsync(daemon.Api.BuildImageAsync(new("micro"), 120, ct));
        using (var libvirt = await Libvirt.StartAsync(ct))
        {
            await new MachineStarts(daemon, InstanceKind.Microvm, null).RunAsync(report, ct);
            await new MachineStarts(daemon, InstanceKind.Vm, libvirt).RunAsync(report, ct);
        }

        await ManyAsync(report, daemon, ct);
    }

    private static async Task ManyAsync(Report report, BenchDaemon daemon, CancellationToken ct)
    {
        await daemon.DownAsync();
        await daemon.UpAsync(ct);
        await Task.Delay(TimeSpan.FromSeconds(20), TimeProvider.System, ct);
        var (idleMemory, idleCpu) = (daemon.ResidentMegabytes(), await CpuAsync(daemon, ct));

        for (var i = 0; i < Many; i++)
        {
            await BenchDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(new() { Name = $"many-{i}", Image = "micro", StartNow = true }, 120, ct));
        }

        await SpokenAsync(daemon, ct);
        List<double> restarts = [];
        for (var round = 0; round < 5; round++)
        {
            var before = await PidsAsync(daemon, ct);
            await daemon.KillAsync();
            restarts.Add(await daemon.UpAsync(ct));
            var after = await PidsAsync(daemon, ct);
            if (after.Count != Many || !after.SequenceEqual(before))
            {
                throw new InvalidOperationException($"{after.Intersect(before).Count()} of {Many} microVMs were taken up undisturbed.");
            }
        }

        report.Add($"kill -9 of the daemon, restart until {Many} microVMs are taken up", "ms", restarts, "< 2000");
        await Task.Delay(TimeSpan.FromSeconds(20), TimeProvider.System, ct);
        var cpu = await CpuAsync(daemon, ct);
        report.Add($"resident memory of the daemon, {Many} microVMs more", "MB", [daemon.ResidentMegabytes() - idleMemory], "< 40");
        report.Add($"CPU of the daemon, {Many} microVMs more, over 30 s", "% of one", [.. cpu.Zip(idleCpu, (with, without) => with - without)], "< 1");
        for (var i = 0; i < Many; i++)
        {
            await BenchDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync($"many-{i}", force: true, waitSeconds: 60, ct: ct));
        }
    }

    private static async Task<List<double>> CpuAsync(BenchDaemon daemon, CancellationToken ct)
    {
        List<double> percents = [];
        for (var round = 0; round < 3; round++)
        {
            var before = daemon.CpuSeconds();
            await Task.Delay(TimeSpan.FromSeconds(30), TimeProvider.System, ct);
            percents.Add((daemon.CpuSeconds() - before) / 30 * 100);
        }

        return percents;
    }

    private static async Task SpokenAsync(BenchDaemon daemon, CancellationToken ct)
    {
        foreach (var instance in (await daemon.Api.ListInstancesAsync("?limit=1000&filter=name like 'many-*'", ct)).Items)
        {
            await MachineStarts.UntilSpeaksAsync($"{daemon.Root}/data/instances/{instance.Id}/serial.log", Stopwatch.GetTimestamp(), ct);
        }
    }

    private static async Task<List<int>> PidsAsync(BenchDaemon daemon, CancellationToken ct)
    {
        List<int> pids = [];
        foreach (var instance in (await daemon.Api.ListInstancesAsync("?limit=1000&filter=name like 'many-*'", ct)).Items)
        {
            pids.AddRange((await daemon.Api.GetInstanceAsync(instance.Name, ct)).Observed?.Pid is { } pid ? [pid] : (int[])[]);
        }

        return pids;
    }
}
