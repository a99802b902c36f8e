using System.Globalization;
using System.Text.RegularExpressions;
using Gantry.Contracts;
using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Host;
using Gantry.Node.Images;
using Gantry.Node.Instances;

namespace Gantry.Node.Tests.Drivers.Qemu;

/// <summary>What is asked for is what the guest finds, in real machines.</summary>
public sealed class MachineTests(TestImages images) : IAsyncLifetime
{
    private const string AsFound = "mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev; for m in /modules/*; do insmod $m 2>/dev/null; done; ";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(8);

    private readonly TestRoot _root = new();
    private LocalNode _node = null!;

    public ValueTask InitializeAsync()
    {
        _node = new(_root.Context);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        await _root.DisposeAsync();
    }

    [Fact]
    public async Task A_machine_with_UEFI_and_a_TPM_has_measured_its_start()
    {
        var spec = await GivenAsync(
            "cat /sys/class/tpm/tpm0/tpm_version_major /sys/class/tpm/tpm0/pcr-sha256/0; echo end of list; sleep 1000",
            s => s with { Kind = InstanceKind.Vm, MemoryBytes = 256 * Limits.MiB, Firmware = Firmware.Uefi, Tpm = true });
        await _node.StartAsync(spec.Id, default);

        var (version, measured) = await FirstLinesAsync(spec.Id, "end of list") is [.., var first, var second] ? (first, second) : ("", "");
        version.ShouldBe("2");
        measured.ShouldMatch("^[0-9A-F]{64}$");
        measured.ShouldNotBe(new string('0', 64));

        var tpm = OnlyProcessOf(UidRange.TpmOf(spec.Uid));
        File.ReadAllText($"/proc/{tpm}/comm").ShouldBe("swtpm\n");
        File.ReadAllText($"/proc/{tpm}/status").ShouldMatch("CapEff:\t0+\nCapBnd:\t0+\n");
        File.GetUnixFileMode(InstanceVolumes.TpmOf(_root.Context.Root, spec.Id)).ShouldBe((UnixFileMode)0b111_000_000);
        await _node.StopAsync(spec.Id, default);
        await Eventually(() => ProcessesOf(UidRange.TpmOf(spec.Uid)).Count == 0);
    }

    [Fact]
    public async Task A_guest_for_Arm_boots_and_minds_its_power_button()
    {
        var image = await images.LendAsync("micro-aarch64", _root);
        var spec = await DefineAsync(Spec with
        {
            Kind = InstanceKind.Vm,
            Architecture = Architecture.Aarch64,
            Firmware = Firmware.Uefi,
            MemoryBytes = 256 * Limits.MiB,
            Kernel = ImageFolders.Kernel(_root.Context.Root, image),
            Initrd = ImageFolders.Initrd(_root.Context.Root, image),
            CommandLine = "quiet gantry.run=" + Convert.ToBase64String("uname -m; echo end of list"u8),
        });
        await _node.StartAsync(spec.Id, default);

        (await FirstLinesAsync(spec.Id, "end of list")).ShouldContain(l => l.EndsWith("aarch64", StringComparison.Ordinal), "beside what the shell on the same line writes");
        await _node.ShutdownAsync(spec.Id, TimeSpan.FromMinutes(5), default);
    }

    [Theory]
    [InlineData(InstanceKind.Microvm)]
    [InlineData(InstanceKind.Vm)]
    public async Task What_a_guest_writes_to_its_disk_is_there_at_its_next_start(InstanceKind kind)
    {
        var spec = await GivenAsync(
            "head -c 6 /dev/vda; echo; echo kept >/dev/vda; sync; blockdev --getsize64 /dev/vda; blockdev --getro /dev/vdb; echo end of list; poweroff -f",
            s => s with { Kind = kind, Volumes = [Disk("data", 64 * Limits.MiB) with { Limits = new() { WriteBytesPerSecond = 1 << 30, ReadOperationsPerSecond = 100_000 } }, Disk("other", Limits.MiB) with { ReadOnly = true, Cache = VolumeCache.Writethrough }] });

        await _node.StartAsync(spec.Id, default);
        (await FirstLinesAsync(spec.Id, "end of list"))[^2..].ShouldBe(["67108864", "1"]);
        await Eventually(async () => (await _node.InspectAsync(spec.Id, default)).State == InstanceState.Stopped);
        File.Delete($"{_root.Context.Folders.Data(spec.Id)}/serial.log");
        await _node.StartAsync(spec.Id, default);

        (await FirstLinesAsync(spec.Id, "end of list")).ShouldContain("kept");
    }

    [Fact]
    public async Task Every_bus_takes_disks_and_a_drive_takes_a_disc()
    {
        var disc = $"{_root.Path}/disc.iso";
        await File.WriteAllBytesAsync(disc, new byte[Limits.MiB]);
        var spec = await GivenAsync("sleep 1000", s => s with
        {
            Kind = InstanceKind.Vm,
            MemoryBytes = 256 * Limits.MiB,
            Volumes =
            [
                .. Enum.GetValues<VolumeBus>().Select(bus => Disk($"on-{bus.ToString().ToLowerInvariant()}", 8 * Limits.MiB) with { Bus = bus, Cache = VolumeCache.None }),
                new("full", VolumeDevice.Cdrom, null, disc, 0, VolumeBus.Sata, VolumeCache.Writeback, true),
                new("empty", VolumeDevice.Cdrom, null, null, 0, VolumeBus.Scsi, VolumeCache.Writeback, true),
            ],
            Nics = [new("eth0", "52:54:00:00:00:01"), new("eth1", "52:54:00:00:00:02", NicModel.E1000e), new("eth2", "52:54:00:00:00:03", NicModel.Rtl8139)],
        });

        await _node.StartAsync(spec.Id, default);

        (await _node.InspectAsync(spec.Id, default)).State.ShouldBe(InstanceState.Running);
    }

    [Fact]
    public async Task CPUs_look_as_asked_and_run_where_they_are_tied()
    {
        var spec = await GivenAsync(
            "cat /sys/devices/system/cpu/cpu1/topology/thread_siblings_list; grep -m1 name /proc/cpuinfo; echo end of list; sleep 1000",
            s => s with { Cpus = 2, Cpu = new() { Model = "Nehalem", Sockets = 1, Cores = 1, Threads = 2, Pinning = ["0", "0-1"] } });
        await _node.StartAsync(spec.Id, default);

        ((await FirstLinesAsync(spec.Id, "end of list"))[^2..] is [var siblings, var model] ? (siblings, model[..39]) : ("", "")).ShouldBe(("0-1", "model name\t: Intel Core i7 9xx (Nehalem"));
        var threads = Directory.GetDirectories($"/proc/{OnlyProcessOf(spec.Uid, "qemu")}/task")
            .Where(t => File.ReadAllText($"{t}/comm").StartsWith("CPU ", StringComparison.Ordinal))
            .ToDictionary(t => File.ReadAllText($"{t}/comm")[4], t => Regex.Match(File.ReadAllText($"{t}/status"), "Cpus_allowed_list:\t(.*)").Groups[1].Value);
        threads['0'].ShouldBe("0");
        threads['1'].ShouldBe(Environment.ProcessorCount == 1 ? "0" : "0-1");
    }

    [Fact]
    public async Task A_limit_of_CPU_time_is_that_of_its_control_group()
    {
        var spec = await GivenAsync("sleep 1000", s => s with { Cpu = new() { LimitPercent = 150, Weight = 200 } });
        await _node.StartAsync(spec.Id, default);

        var groups = File.ReadLines($"{_root.Context.Folders.Run(spec.Id)}/cgroups").Skip(1).ToList();
        groups.ShouldContain(g => (File.Exists($"{g}/cpu.max") && File.ReadAllText($"{g}/cpu.max") == "150000 100000\n")
            || (File.Exists($"{g}/cpu.cfs_quota_us") && File.ReadAllText($"{g}/cpu.cfs_quota_us") == "150000\n" && File.ReadAllText($"{g}/cpu.shares") == "2048\n"));
        groups.ShouldAllBe(g => !File.Exists($"{g}/cgroup.procs") || File.ReadLines($"{g}/cgroup.procs").Contains($"{OnlyProcessOf(spec.Uid, "qemu")}"));
    }

    [Fact]
    public async Task Memory_comes_from_the_NUMA_nodes_that_were_named()
    {
        var spec = await GivenAsync("echo end of list; sleep 1000", s => s with { Memory = new() { Numa = new(NumaMode.Bind, "0") } });
        await _node.StartAsync(spec.Id, default);
        await FirstLinesAsync(spec.Id, "end of list");

        File.ReadLines($"/proc/{OnlyProcessOf(spec.Uid, "qemu")}/numa_maps").ShouldContain(l => l.Contains(" bind:0 ", StringComparison.Ordinal) && l.Contains("memory-backend-memfd", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Huge_pages_that_the_host_does_not_have_are_told_before_anything_starts()
    {
        var spec = await GivenAsync("", s => s with { MemoryBytes = 1L << 40, Memory = new() { HugePageBytes = 1L << 30 } });

        var refusal = await Should.ThrowAsync<Refusal>(() => _node.StartAsync(spec.Id, default));

        refusal.Code.ShouldBe("driver.huge_pages_missing");
        refusal.Message.ShouldStartWith("1024 huge pages of 1024 MiB are needed");
    }

    private InstanceSpec Spec => new(
        Id<Instance>.New(), "machine", InstanceKind.Microvm, "qemu", 1, 128 * Limits.MiB, Firmware.Direct, images.Kernel, images.Initrd, null, 0);

    private static VolumeSpec Disk(string name, long bytes) => new(name, VolumeDevice.Disk, null, null, bytes, VolumeBus.Virtio, VolumeCache.Writeback, false);

    private Task<InstanceSpec> GivenAsync(string commands, Func<InstanceSpec, InstanceSpec> change) =>
        DefineAsync(change(Spec with { CommandLine = $"quiet rdinit=/bin/sh -- -c \"{AsFound}{commands}\"" }));

    private async Task<InstanceSpec> DefineAsync(InstanceSpec spec)
    {
        await _node.DefineAsync(spec, default);
        await _node.CheckAsync(spec, default);
        return _root.Context.Folders.Read(spec.Id);
    }

    /// <summary>What the guest wrote before a line that holds the word, once it has written that.</summary>
    private async Task<string[]> FirstLinesAsync(Id<Instance> id, string until)
    {
        string[] lines = [];
        await Eventually(async () =>
        {
            lines = (await _node.ReadSerialAsync(id, 1 << 20, default)).Text.Split('\n').Select(l => l.TrimEnd('\r')).ToArray();
            return lines.Any(l => l.Contains(until, StringComparison.Ordinal) && !l.Contains("Command line", StringComparison.Ordinal));
        });
        return [.. lines.TakeWhile(l => !l.Contains(until, StringComparison.Ordinal) || l.Contains("Command line", StringComparison.Ordinal))];
    }

    private static Task Eventually(Func<bool> condition) => Eventually(() => Task.FromResult(condition()));

    private static async Task Eventually(Func<Task<bool>> condition)
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (!await condition())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, deadline.Token);
        }
    }

    private static int OnlyProcessOf(int uid, string name = "") => ProcessesOf(uid).Single(p => File.ReadAllText($"/proc/{p}/comm").StartsWith(name, StringComparison.Ordinal));

    private static List<int> ProcessesOf(int uid) =>
    [
        .. Directory.GetDirectories("/proc").Where(p => int.TryParse(Path.GetFileName(p), CultureInfo.InvariantCulture, out _) && Posix.TryOwnerOf(p) == uid
            && !TryRead($"{p}/stat").Contains(") Z ", StringComparison.Ordinal)).Select(p => int.Parse(Path.GetFileName(p), CultureInfo.InvariantCulture)),
    ];

    private static string TryRead(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return ") Z ";
        }
    }
}
