using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Host;
using Gantry.Node.Instances;

namespace Gantry.Node.Tests.Drivers.Qemu;

/// <summary>CPUs and memory of a real guest, as it sees them itself.</summary>
public sealed partial class QemuResizeTests(TestImages images) : IAsyncLifetime
{
    private const long MiB = Limits.MiB;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    /// <summary>What a guest tells of itself each second.</summary>
    private const string Report = "while :; do echo \"has $(cat /sys/devices/system/cpu/online) $(awk '/MemTotal/ { print $2 }' /proc/meminfo)\"; sleep 1; done";

    private readonly TestRoot _root = new();
    private QemuDriver _driver = null!;

    public ValueTask InitializeAsync()
    {
        _driver = new(_root.Context);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _driver.DisposeAsync();
        await _root.DisposeAsync();
    }

    [Fact]
    public async Task A_running_VM_is_given_CPUs_and_memory_and_gives_them_back()
    {
        var id = await GivenAsync(InstanceKind.Vm, 256, maxCpus: 3, maxMiB: 768);
        var (_, before) = await UntilAsync(id, (_, _) => true);

        (await _driver.ResizeAsync(id, new(2, 448 * MiB), default)).ShouldBe(new Resized(new(2, 448 * MiB)));
        // Plugged in were 256 MiB, of which the guest gave 64 back.
        await UntilAsync(id, (cpus, memory) => cpus == "0-1" && memory > before + (150 << 10));

        // The next driver knows it too: QEMU is asked.
        await _driver.DisposeAsync();
        _driver = new(_root.Context);
        var observed = (await _driver.RecoverAsync(id, default)).Observed!;
        (observed.Cpus, observed.MemoryBytes).ShouldBe((2, 448 * MiB));

        // Once more the same, as after a crash in between: nothing is plugged in twice.
        (await _driver.ResizeAsync(id, new(2, 448 * MiB), default)).ShouldBe(new Resized(new(2, 448 * MiB)));

        (await _driver.ResizeAsync(id, new(1, 200 * MiB), default)).ShouldBe(new Resized(new(1, 200 * MiB)));
        await UntilAsync(id, (cpus, memory) => cpus == "0" && memory < before);

        (await _driver.ResizeAsync(id, new(4, 2048 * MiB), default))
            .ShouldBe(new Resized(new(1, 200 * MiB), $"{ResizeReasons.CpuRoom(3)} {ResizeReasons.MemoryRoom(768 * MiB)}"));
    }

    [Fact]
    public async Task A_running_microVM_gives_memory_back_down_from_what_it_was_started_with()
    {
        var id = await GivenAsync(InstanceKind.Microvm, 256);
        var (_, before) = await UntilAsync(id, (_, _) => true);

        (await _driver.ResizeAsync(id, new(1, 160 * MiB), default)).ShouldBe(new Resized(new(1, 160 * MiB)));
        await UntilAsync(id, (_, memory) => memory < before - (90 << 10));
        (await _driver.ResizeAsync(id, new(1, 256 * MiB), default)).ShouldBe(new Resized(new(1, 256 * MiB)));
        await UntilAsync(id, (_, memory) => memory > before - (10 << 10));

        (await _driver.ResizeAsync(id, new(2, 300 * MiB), default))
            .ShouldBe(new Resized(new(1, 256 * MiB), $"{ResizeReasons.NoCpuPlug} {ResizeReasons.MemoryRoom(256 * MiB)}"));
    }

    [Fact]
    public async Task A_guest_that_takes_no_part_keeps_what_it_has_and_that_is_said()
    {
        // Without an init that loads its driver, the guest has no balloon and never hears of a CPU that is to go.
        var id = await GivenAsync(InstanceKind.Microvm, 128, commandLine: "quiet rdinit=/bin/sh -- -c \"echo has 0 1; sleep 100000\"");
        await UntilAsync(id, (_, _) => true);

        (await _driver.ResizeAsync(id, new(1, 64 * MiB), default)).ShouldBe(new Resized(new(1, 128 * MiB), ResizeReasons.MemoryKept(128 * MiB)));
    }

    private async Task<Id<Instance>> GivenAsync(InstanceKind kind, int mib, int? maxCpus = null, int? maxMiB = null, string? commandLine = null)
    {
        var spec = await _root.DefineAsync(new(
            Id<Instance>.New(), "web-1", kind, "qemu", 1, mib * MiB, Firmware.Direct, images.Kernel, images.Initrd,
            commandLine ?? $"quiet gantry.run={Convert.ToBase64String(Encoding.UTF8.GetBytes(Report))}", 0)
        { MaxCpus = maxCpus, MaxMemoryBytes = maxMiB * MiB });
        await _driver.StartAsync(spec.Id, default);
        return spec.Id;
    }

    /// <summary>The guest's last report that is enough: the CPUs online, and its memory in KiB.</summary>
    private async Task<(string Cpus, long Memory)> UntilAsync(Id<Instance> id, Func<string, long, bool> enough)
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (true)
        {
            var text = Gantry.Node.Drivers.SerialLog.Read($"{_root.Context.Folders.Data(id)}/serial.log", 1 << 20).Text;
            if (Told().Matches(text).LastOrDefault() is { } last
                && (last.Groups[1].Value, long.Parse(last.Groups[2].Value, CultureInfo.InvariantCulture)) is var (cpus, memory) && enough(cpus, memory))
            {
                return (cpus, memory);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, deadline.Token);
        }
    }

    [GeneratedRegex(@"has ([\d,-]+) (\d+)\r?\n")]
    private static partial Regex Told();
}
