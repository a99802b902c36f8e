using System.Globalization;
using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;
using Gantry.Node.Host;

namespace Gantry.Daemon.Tests.Templates;

/// <summary>With a real daemon and real QEMU.</summary>
public sealed class RealTemplateTests(TestPostgres postgres) : DatabaseTests(postgres)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(8);

    [Fact]
    public async Task Windows_without_a_medium_starts_its_firmware_with_Secure_Boot_and_finds_nothing_to_boot() => await RunAsync(async daemon =>
    {
        await RunningDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(new() { Name = "win1", Template = "windows", StartNow = true }, 120));

        var text = await SaysAsync(daemon, "win1", "BdsDxe: No bootable option or device was found.");

        // The firmware's own shell is not signed: that it is refused shows that Secure Boot is on.
        text.ShouldContain("\"EFI Internal Shell\"");
        text.ShouldContain("Security Violation");
        return ["win1"];
    });

    [Fact]
    public async Task A_microVM_of_a_template_saved_of_another_one_runs() => await RunAsync(async daemon =>
    {
        await RunningDaemon.DoneAsync(daemon.Api.BuildImageAsync(new("micro"), 120));
        await RunningDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(new() { Name = "first", Template = "linux-microvm", Image = "micro", Labels = new Dictionary<string, string> { ["tier"] = "front" } }, 120));
        await daemon.Api.CreateTemplateAsync(new() { Name = "front", From = new(Instance: "first") });

        await RunningDaemon.DoneAsync(daemon.Api.CreateInstanceAsync(new() { Name = "second", Template = "front", StartNow = true }, 120));

        await SaysAsync(daemon, "second", "micro is up: second");
        var second = await daemon.Api.GetInstanceAsync("second");
        (second.Kind, second.MemoryBytes, second.Image, second.Labels["tier"]).ShouldBe((InstanceKind.Microvm, 128L << 20, "micro", "front"));
        return ["second", "first"];
    });

    /// <summary>Runs the work, then deletes the instances it names: nothing is left.</summary>
    private async Task RunAsync(Func<DaemonProcess, Task<string[]>> work)
    {
        using var root = new TestRoot();
        await using var daemon = new DaemonProcess(root.Path, Database, driver: "qemu");
        await daemon.StartAsync();
        try
        {
            foreach (var name in await work(daemon))
            {
                await RunningDaemon.DoneAsync(daemon.Api.DeleteInstanceAsync(name, force: true, 120));
            }

            Directory.GetFileSystemEntries($"{root.Path}/data/instances").ShouldBeEmpty();
            Directory.GetFileSystemEntries($"{root.Path}/run/instances").ShouldBeEmpty();
        }
        finally
        {
            // Not deleted when a check failed: they must not outlive the test.
            foreach (var file in Directory.GetFiles($"{root.Path}/run/instances", "pids", SearchOption.AllDirectories))
            {
                foreach (var pid in File.ReadAllText(file).Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(p => int.TryParse(p, CultureInfo.InvariantCulture, out var n) ? n : 0).Where(p => IsOurs(p, root.Path)))
                {
                    Posix.Kill(pid, Posix.SigKill);
                }
            }
        }
    }

    private static async Task<string> SaysAsync(DaemonProcess daemon, string name, string text)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var said = (await daemon.Api.GetLogsAsync(name)).Text;
            if (said.Contains(text, StringComparison.Ordinal) || TimeProvider.System.GetElapsedTime(began) > Patience)
            {
                said.ShouldContain(text);
                return said;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System);
        }
    }

    /// <summary>A pid may be another's by now; the path of this root among the arguments may not.</summary>
    private static bool IsOurs(int pid, string root)
    {
        try
        {
            return pid > 1 && File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/cmdline")).Contains(root, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }
}
