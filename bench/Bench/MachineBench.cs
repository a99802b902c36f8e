using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Bench;

/// <summary>
/// Real machines: what Gantry adds to starting one, beside the same QEMU started bare and the same machine started by libvirt,
/// and what many of them cost the daemon.
/// </summary>
internal static class MachineBench
{
    private const int Rounds = 15;
    private const int Many = 50;
    private const string Speaks = "micro is up";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    public static async Task RunAsync(Report report, CancellationToken ct)
    {
        await using var daemon = await BenchDaemon.StartAsync(ct);
        await DoneAsync(daemon.Api.BuildImageAsync(new("micro"), 120, ct));
        using (var libvirt = await Libvirt.StartAsync(ct))
        {
            await StartsAsync(report, daemon, InstanceKind.Microvm, null, ct);
            await StartsAsync(report, daemon, InstanceKind.Vm, libvirt, ct);
        }

        await ManyAsync(report, daemon, ct);
    }

    /// <summary>In turns, so that what else the machine does meanwhile falls on all of them alike.</summary>
    private static async Task StartsAsync(Report report, BenchDaemon daemon, InstanceKind kind, Libvirt? libvirt, CancellationToken ct)
    {
        var name = $"start-{kind.ToString().ToLowerInvariant()}";
        await DoneAsync(daemon.Api.CreateInstanceAsync(new() { Name = name, Kind = kind, Image = "micro" }, 60, ct));
        var id = (await daemon.Api.GetInstanceAsync(name, ct)).Id;
        var serial = $"{daemon.Root}/data/instances/{id}/serial.log";
        BareQemu? bare = null;
        List<double> ours = [], bares = [], more = [], virsh = [];
        for (var round = 0; round < Rounds; round++)
        {
            File.Delete(serial);
            var begun = Stopwatch.GetTimestamp();
            await daemon.Api.ActOnInstanceAsync(name, InstanceAction.Start, ct: ct);
            ours.Add(await UntilSpeaksAsync(serial, begun, ct));
            bare ??= BareQemu.Of($"{daemon.Root}/run/instances/{id}/start.json", $"{daemon.Root}/bare-{name}");
            await DoneAsync(daemon.Api.ActOnInstanceAsync(name, InstanceAction.Stop, 60, ct));

            begun = Stopwatch.GetTimestamp();
            using (var process = bare.Start())
            {
                bares.Add(await UntilSpeaksAsync(bare.Serial, begun, ct));
                process.Kill();
                await process.WaitForExitAsync(ct);
            }

            more.Add(ours[^1] - bares[^1]);
            if (libvirt is not null)
            {
                libvirt.Define(name, bare);
                begun = Stopwatch.GetTimestamp();
                libvirt.Virsh("start", name);
                virsh.Add(await UntilSpeaksAsync(libvirt.SerialOf(name), begun, ct));
                libvirt.Virsh("destroy", name);
            }
        }

        var what = kind == InstanceKind.Microvm ? "microVM" : "VM (q35)";
        report.Add($"{what}: start by the API until its init speaks", "ms", ours);
        report.Add($"{what}: the same QEMU command line started bare", "ms", bares);
        report.Add($"{what}: what Gantry adds, pair by pair", "ms", more, "<= 50");
        if (virsh.Count > 0)
        {
            report.Add($"{what}: virsh start of the same machine until its init speaks", "ms", virsh);
        }
    }

    private static async Task ManyAsync(Report report, BenchDaemon daemon, CancellationToken ct)
    {
        await daemon.DownAsync();
        await daemon.UpAsync(ct);
        await Task.Delay(TimeSpan.FromSeconds(20), TimeProvider.System, ct);
        var (idleMemory, idleCpu) = (daemon.ResidentMegabytes(), await CpuAsync(daemon, ct));

        for (var i = 0; i < Many; i++)
        {
            await DoneAsync(daemon.Api.CreateInstanceAsync(new() { Name = $"many-{i}", Image = "micro", StartNow = true }, 120, ct));
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
            await DoneAsync(daemon.Api.DeleteInstanceAsync($"many-{i}", force: true, waitSeconds: 60, ct: ct));
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
            await UntilSpeaksAsync($"{daemon.Root}/data/instances/{instance.Id}/serial.log", Stopwatch.GetTimestamp(), ct);
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

    /// <summary>Milliseconds since the beginning; looked at every millisecond, the same for all.</summary>
    private static async Task<double> UntilSpeaksAsync(string serial, long begun, CancellationToken ct)
    {
        while (Stopwatch.GetElapsedTime(begun) < Patience)
        {
            if (File.Exists(serial) && File.ReadAllText(serial).Contains(Speaks, StringComparison.Ordinal))
            {
                return Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, ct);
        }

        throw new TimeoutException($"{serial} does not say '{Speaks}'.");
    }

    private static async Task DoneAsync(Task<Operation> asked)
    {
        var operation = await asked;
        if (operation.State != OperationState.Succeeded)
        {
            throw new InvalidOperationException($"{operation.Kind} of {operation.TargetName}: {operation.Error?.Detail ?? operation.State.ToString()}");
        }
    }
}

/// <summary>A command line of Gantry's without Gantry: sockets and files by their paths, nobody confined.</summary>
internal sealed record BareQemu(string Program, IReadOnlyList<string> Arguments, string Serial, string Kernel, string Initrd, string Append)
{
    /// <param name="start">The start.json of a running instance.</param>
    public static BareQemu Of(string start, string folder)
    {
        Directory.CreateDirectory(folder);
        using var json = JsonDocument.Parse(File.ReadAllBytes(start));
        var files = json.RootElement.GetProperty("files").EnumerateArray()
            .ToDictionary(f => string.Create(CultureInfo.InvariantCulture, $"/dev/fd/{f.GetProperty("number").GetInt32()}"), f => f.GetProperty("path").GetString()!);
        List<string> arguments =
        [
            .. json.RootElement.GetProperty("arguments").EnumerateArray().Select(a => a.GetString()!).Select(a =>
                a.StartsWith("socket,id=qmp,", StringComparison.Ordinal) ? $"socket,id=qmp,path={folder}/qmp.sock,server=on,wait=off"
                : a.StartsWith("socket,id=serial,", StringComparison.Ordinal) ? $"file,id=serial,path={folder}/serial"
                : files.GetValueOrDefault(a, a)),
        ];
        return new(json.RootElement.GetProperty("program").GetString()!, arguments, $"{folder}/serial", After("-kernel"), After("-initrd"), After("-append"));

        string After(string option) => arguments[arguments.IndexOf(option) + 1];
    }

    public Process Start()
    {
        File.Delete(Serial);
        return Run.Start(Program, Arguments);
    }
}
