using System.Security.Cryptography;
using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;
using Gantry.Node.Host;

namespace Gantry.Daemon.Tests.Instances;

/// <summary>A file system that fills up: a small one, mounted where only the daemon and what it starts can see it.</summary>
public sealed class FullDiskTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    private const int Written = 48 << 20;

    [Fact]
    public async Task A_guest_whose_disk_finds_no_room_is_paused_and_goes_on_once_there_is_some()
    {
        await using var machines = await RealMachines.WithMicroAsync(Database, root => WithSmall($"{root}/data/pools", "20m"));
        var pattern = $"yes gantry | head -c {Written}";
        await machines.LaunchAsync("writer", InstanceKind.Microvm, $"{pattern} >/dev/vda && sync && echo 3 >/proc/sys/vm/drop_caches && head -c {Written} /dev/vda | sha256sum; sleep 1000",
            [new() { Name = "data", SizeBytes = 256 * Limits.MiB }]);

        await Eventually.ShouldBeAsync(async () => (await machines.Api.GetInstanceAsync("writer")).PauseCause, PauseCause.IoError);
        var paused = await machines.Api.GetInstanceAsync("writer");
        (paused.State, paused.StateReason).ShouldBe((InstanceState.Paused, "no space is left on the host for disk 'data'"));

        await GrowAsync(machines, $"{machines.Root}/data/pools", "200m");
        await RunningDaemon.DoneAsync(machines.Api.ActOnInstanceAsync("writer", InstanceAction.Resume, 60));

        var wanted = string.Concat(Enumerable.Repeat("gantry\n", (Written / 7) + 1))[..Written];
        await machines.SaysAsync("writer", Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.ASCII.GetBytes(wanted))));
        (await machines.Api.GetInstanceAsync("writer")).State.ShouldBe(InstanceState.Running);
        await machines.DeleteAsync("writer");
    }

    [Fact]
    public async Task An_import_that_finds_no_room_is_refused_and_leaves_nothing()
    {
        await using var machines = await RealMachines.StartAsync(Database, root => WithSmall($"{root}/data/images", "320m"));
        var (large, small) = ($"{machines.Root}/large.raw", $"{machines.Root}/small.raw");
        await File.WriteAllBytesAsync(large, Enumerable.Repeat((byte)1, 340 << 20).ToArray());
        await File.WriteAllBytesAsync(small, RandomNumberGenerator.GetBytes(4 << 20));

        var refusal = await RunningDaemon.RefusedAsync(() => machines.Api.ImportImageAsync(new() { Name = "large", Path = large }, 120));

        refusal.Code.ShouldBe("image.no_space");
        (await machines.Api.ListImagesAsync()).Items.ShouldBeEmpty();
        (await InNamespaceAsync(machines, "find", $"{machines.Root}/data/images", "-type", "f")).ShouldBe("");
        await RunningDaemon.DoneAsync(machines.Api.ImportImageAsync(new() { Name = "small", Path = small }, 120));
    }

    private static string[] WithSmall(string folder, string size) =>
        ["unshare", "--mount", "sh", "-c", "mkdir -p \"$0\" && mount -t tmpfs -o \"size=$1\" none \"$0\" && shift && exec \"$@\"", folder, size];

    private static Task GrowAsync(RealMachines machines, string folder, string size) => InNamespaceAsync(machines, "mount", "-o", $"remount,size={size}", folder);

    /// <summary>Runs a command where the daemon's mounts are seen, and returns what it says.</summary>
    private static async Task<string> InNamespaceAsync(RealMachines machines, params string[] command)
    {
        var pid = (await File.ReadAllTextAsync($"{machines.Root}/run/gantryd.pid")).Trim();
        return (await new Shell(TimeProvider.System).RunAsync(new("nsenter", ["--target", pid, "--mount", .. command], TimeSpan.FromSeconds(30)), default)).Output;
    }
}
