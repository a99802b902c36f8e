using System.Globalization;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;
using Gantry.Node.Instances;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>What this host has for running QEMU.</summary>
/// <param name="program">For tests: in QEMU's place, whatever the guest's architecture.</param>
internal sealed class QemuHost(NodeContext node, string? program)
{
    public const string Swtpm = "/usr/bin/swtpm";

    private const string HugePages = "/sys/kernel/mm/hugepages";
    private const string Native = "qemu-system-x86_64";
    private const double TicksPerSecond = 100; // USER_HZ, the same on every Linux that .NET runs on
    private static readonly TimeSpan VersionDeadline = TimeSpan.FromSeconds(30);
    private static readonly string[] Folders = ["/usr/local/bin", "/usr/bin"];
    private (string Path, DateTime Written, string Version)? _asked;

    public HostFacts Facts { get; } = HostFacts.Read();

    /// <summary>Of this host's own architecture; null when it is not installed.</summary>
    public string? NativePath => Find(Native);

    public Accelerator Accelerator => field ??= Accelerator.Choose(Facts);

    /// <exception cref="Refusal">Its firmware is missing, or one of its disks.</exception>
    public Task<QemuStart> ComposeAsync(InstanceSpec spec, CancellationToken ct) => ComposeAsync(spec, AcceleratorOf(spec), Uefi(spec), ct);

    /// <exception cref="Refusal">One of its disks is missing or damaged.</exception>
    public async Task<QemuStart> ComposeAsync(InstanceSpec spec, Accelerator accelerator, UefiFirmware? firmware, CancellationToken ct)
    {
        var disks = await new InstanceDisks(node).FindAsync(spec, ct);
        var platform = QemuPlatform.Of(spec, Facts.Guest);
        var (arguments, files) = QemuCommandLine.Compose(spec, node.Root, Facts, accelerator, firmware, disks);
        var images = disks.Values.SelectMany(d => d.Layers).Select(l => l.Rbd).OfType<RbdImage>().ToList();
        return new(Find(platform.Program) ?? $"/usr/bin/{platform.Program}", arguments, accelerator.Name, files.All)
        {
            MaxMemoryBytes = spec.MaxMemoryBytes, Taps = files.Taps, Sockets = files.Sockets, IsNetworked = images.Count > 0, Images = images,
        };
    }

    /// <summary>A guest of another architecture is always emulated.</summary>
    public Accelerator AcceleratorOf(InstanceSpec spec) => (spec.Architecture ?? Facts.Guest) == Facts.Guest ? Accelerator : new("tcg");

    /// <summary>Null for what does not boot by UEFI.</summary>
    /// <exception cref="Refusal"><c>driver.firmware_missing</c></exception>
    public UefiFirmware? Uefi(InstanceSpec spec) => spec.Firmware != Firmware.Uefi ? null
        : UefiFirmware.Find(spec.Architecture ?? Facts.Guest, spec.SecureBoot) ?? throw DriverErrors.FirmwareMissing(spec.Architecture ?? Facts.Guest, spec.SecureBoot);

    /// <exception cref="Refusal">What it names is missing here, or does not go together.</exception>
    public void DemandMachine(InstanceSpec spec)
    {
        var platform = QemuPlatform.Of(spec, Facts.Guest);
        if (Find(platform.Program) is null)
        {
            throw DriverErrors.Unusable("qemu", $"{platform.Program} is not installed: `apt-get install {platform.Package}`.");
        }

        if ((spec.Firmware == Firmware.Uefi && platform.IsMicrovm) || (spec.Firmware == Firmware.Bios && !platform.HasBios))
        {
            throw DriverErrors.Cannot("qemu", $"boot this kind of machine with {spec.Firmware.ToString().ToLowerInvariant()} firmware");
        }

        _ = Uefi(spec);
        if (spec.SecureBoot && spec.Firmware != Firmware.Uefi)
        {
            throw DriverErrors.Cannot("qemu", "use Secure Boot without UEFI firmware");
        }

        if (spec.Tpm)
        {
            _ = platform.TpmDevice ?? throw DriverErrors.Cannot("qemu", "give this kind of machine a TPM");
            _ = File.Exists(Swtpm) ? Swtpm : throw DriverErrors.TpmMissing;
        }

        if (platform.IsMicrovm && ((spec.Volumes ?? []).Any(v => v.Bus != VolumeBus.Virtio) || (spec.Nics ?? []).Any(n => n.Model is not (null or NicModel.Virtio))))
        {
            throw DriverErrors.Cannot("qemu", "give a microVM other devices than virtio");
        }
    }

    /// <summary>Huge pages are counted at the moment they are needed.</summary>
    /// <exception cref="Refusal"><c>driver.huge_pages_missing</c></exception>
    public static void DemandHugePages(InstanceSpec spec)
    {
        if (spec.Memory?.HugePageBytes is { } size)
        {
            var free = PagesOf(size, "free_hugepages") - PagesOf(size, "resv_hugepages");
            var wanted = (spec.MemoryBytes + size - 1) / size;
            if (free < wanted)
            {
                throw DriverErrors.HugePagesMissing(size, wanted, free);
            }
        }
    }

    /// <summary>Free ones that another program has reserved are counted as free by the kernel.</summary>
    private static long PagesOf(long size, string which) =>
        string.Create(CultureInfo.InvariantCulture, $"{HugePages}/hugepages-{size >> 10}kB/{which}") is var file && File.Exists(file) ? long.Parse(File.ReadAllText(file), CultureInfo.InvariantCulture) : 0;

    public async Task<Fingerprint> ProbeAsync(CancellationToken ct)
    {
        if (WhyNot() is { } missing)
        {
            return new(DriverHealth.Unusable, Reason: missing);
        }

        try
        {
            return new(DriverHealth.Usable, await VersionAsync(Find(Native)!, ct), Accelerator.Name, Accelerator.Reason);
        }
        catch (CommandFailed e)
        {
            return new(DriverHealth.Unusable, Reason: $"{program ?? Native} does not run: {e.Message}");
        }
    }

    /// <exception cref="Refusal"><c>driver.unusable</c></exception>
    public async Task DemandUsableAsync(string driver, CancellationToken ct)
    {
        if (await ProbeAsync(ct) is { Health: DriverHealth.Unusable } probe)
        {
            throw DriverErrors.Unusable(driver, probe.Reason ?? "unknown");
        }
    }

    public static double? SecondsSinceStart(int pid) =>
        HostProcess.StartOf(pid) is { } ticks
            ? double.Parse(File.ReadAllText("/proc/uptime").Split(' ')[0], CultureInfo.InvariantCulture) - (ticks / TicksPerSecond)
            : null;

    private string? WhyNot() =>
        Facts.Architecture != "x86_64" ? $"this host is {Facts.Architecture}; so far QEMU is run on x86_64 only."
        : Find(Native) is null ? $"{program ?? Native} is not installed: `apt-get install qemu-system-x86`."
        : !File.Exists(node.Launcher) ? $"the launcher {node.Launcher} is missing: install Gantry anew."
        : Environment.UserName != "root" ? "only root can give each guest a user of its own: run the daemon as root."
        : null;

    private string? Find(string native) => Path.IsPathRooted(program ?? native)
        ? File.Exists(program) ? program : null
        : Folders.Select(d => $"{d}/{program ?? native}").FirstOrDefault(File.Exists);

    /// <summary>Asked once for each file: an upgrade of the package is seen, a second question costs nothing.</summary>
    private async Task<string> VersionAsync(string path, CancellationToken ct)
    {
        var written = File.GetLastWriteTimeUtc(path);
        if (_asked is not { } known || known.Path != path || known.Written != written)
        {
            var answer = await node.Shell.RunAsync(new(path, ["--version"], VersionDeadline), ct);
            var words = answer.Output.Split('\n')[0].Split(' ');
            _asked = known = (path, written, words is ["QEMU", "emulator", "version", var version, ..] ? version : answer.Output.Split('\n')[0]);
        }

        return known.Version;
    }
}
