using System.Globalization;
using Gantry.Node.Host;

namespace Gantry.Node.Tests.Images;

/// <summary>A guest booted from an image, as far as a text on its serial line.</summary>
internal static class BootedGuest
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(8);

    /// <summary>A boot under emulation on a busy host may hang while the kernel calibrates its clock: then once more.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromMinutes(2);

    private const int Tries = 3;

    /// <summary>On a kernel's command line: what it would else calibrate, and hang.</summary>
    public static string Clock { get; } = HostFacts.Read() is { ClockKhz: > 0 and var khz } ? string.Create(CultureInfo.InvariantCulture, $"tsc_early_khz={khz}") : "";

    /// <returns>All it wrote to its serial line; QEMU is ended.</returns>
    public static async Task<string> BootAsync(TestRoot root, string disk, IReadOnlyList<string> machine, string until)
    {
        for (var attempt = 1; ; attempt++)
        {
            var log = string.Create(CultureInfo.InvariantCulture, $"{root.Path}/serial{attempt}");
            if (await RunAsync(disk, machine, log, until) || attempt == Tries)
            {
                var text = await File.ReadAllTextAsync(log);
                text.ShouldContain(until);
                return text;
            }
        }
    }

    private static async Task<bool> RunAsync(string disk, IReadOnlyList<string> machine, string log, string until)
    {
        using var enough = new CancellationTokenSource();
        var qemu = new Shell(TimeProvider.System).RunAsync(new("qemu-system-x86_64",
        [
            .. machine, "-accel", "tcg", "-cpu", "max", "-m", "512", "-nodefaults", "-display", "none", "-device", "virtio-rng-pci",
            "-drive", $"if=virtio,format=qcow2,snapshot=on,file={disk}", "-serial", $"file:{log}",
        ], Deadline)
        { EndsWithDaemon = true }, enough.Token);
        var (length, since) = (0L, TimeProvider.System.GetTimestamp());
        while (!qemu.IsCompleted)
        {
            var text = File.Exists(log) ? await File.ReadAllTextAsync(log) : "";
            if (text.Contains(until, StringComparison.Ordinal) || TimeProvider.System.GetElapsedTime(since) > Silence)
            {
                break;
            }

            (length, since) = text.Length == length ? (length, since) : (text.Length, TimeProvider.System.GetTimestamp());
            await Task.WhenAny(qemu, Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System));
        }

        await enough.CancelAsync();
        var failure = await Record.ExceptionAsync(() => qemu);
        (failure is OperationCanceledException ? null : failure).ShouldBeNull();
        return (await File.ReadAllTextAsync(log)).Contains(until, StringComparison.Ordinal);
    }
}
