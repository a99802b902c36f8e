using System.Globalization;
using System.Text.Json.Nodes;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Instances;
using Gantry.Node.Pools;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>
/// How QEMU is started: a pure function, held by golden tests. QEMU opens nothing by itself but its own firmware; sockets,
/// disks and kernels come from the launcher at the numbers of <see cref="QemuFiles"/> (gantry-launch.c).
/// </summary>
/// <param name="firmware">Where the instance boots by UEFI.</param>
/// <param name="disks">As their pools say they are to be opened, by the volume's name.</param>
internal sealed class QemuCommandLine(InstanceSpec spec, GantryRoot root, HostFacts host, Accelerator accelerator, UefiFirmware? firmware, IReadOnlyDictionary<string, Disk> disks)
{
    public const string Sandbox = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

    /// <summary>What every KVM of the last years has and Windows uses (https://www.qemu.org/docs/master/system/i386/hyperv.html).</summary>
    private const string HyperV = "hv-relaxed=on,hv-vapic=on,hv-spinlocks=0x1fff,hv-vpindex=on,hv-runtime=on,hv-time=on,hv-synic=on,hv-stimer=on,hv-frequencies=on,hv-tlbflush=on,hv-ipi=on";

    private const int MemorySlots = 16;

    private readonly QemuPlatform _platform = QemuPlatform.Of(spec, host.Guest);
    private readonly QemuFiles _files = new();

    /// <summary>Of the socket the QEMU guest agent is reached through, in the run folder.</summary>
    public const string AgentSocket = "agent.sock";

    /// <summary>The character device and the port that lead there. The name of the port is the one the agent looks for.</summary>
    public const string Agent = "agent";

    public static (IReadOnlyList<string> Arguments, QemuFiles Files) Compose(
        InstanceSpec spec, GantryRoot root, HostFacts host, Accelerator accelerator, UefiFirmware? firmware, IReadOnlyDictionary<string, Disk> disks)
    {
        var line = new QemuCommandLine(spec, root, host, accelerator, firmware, disks);
        var arguments = line.Compose();
        return (arguments, line._files);
    }

    private List<string> Compose()
    {
        List<string> machine = [.. Firmware(), .. Devices(), .. Boot(), .. AgentPort()];
        return
        [
            "-nodefaults", "-no-user-config",
            "-display", "none",
            "-sandbox", Sandbox,
            "-name", $"guest={Quoted(spec.Name)},debug-threads=on",
            "-uuid", spec.Id.ToString(),
            "-machine", Machine(),
            "-accel", accelerator.Name,
            "-cpu", CpuModel(),
            "-smp", Cpus(),
            .. Memory(),
            .. spec.Clock == ClockBase.Localtime ? (string[])["-rtc", "base=localtime"] : [],

            // A guest that ends by itself leaves QEMU paused, to be asked what happened; its resets are counted in the log (QemuResets.cs).
            "-action", "reboot=reset,shutdown=pause,panic=pause",
            "-trace", QemuResets.TraceEvent,
            "-chardev", Number($"socket,id=qmp,fd={QemuFiles.Qmp},server=on,wait=off"),
            "-mon", "chardev=qmp,mode=control",
            "-chardev", Number($"socket,id=serial,fd={QemuFiles.Serial}"),
            "-serial", "chardev:serial",
            .. _platform.PanicDevice is { } panic ? (string[])["-device", panic] : [],
            "-device", $"virtio-rng-{_platform.Transport}",
            "-device", $"virtio-balloon-{_platform.Transport},id=balloon",
            .. _files.Declarations(),
            .. machine,
        ];
    }

    private string Machine() => string.Concat(
        _platform.Machine,
        spec.Memory is null ? "" : ",memory-backend=ram",
        firmware is null ? "" : ",pflash0=uefi.code,pflash1=uefi.vars",
        firmware is { NeedsSmm: true } ? ",smm=on" : "");

    /// <summary>Under emulation QEMU has no Hyper-V to offer.</summary>
    private string CpuModel() => (spec.Cpu?.Model ?? (accelerator.Name == "kvm" ? "host" : "max"))
        + (spec.Cpu?.HyperV == true && accelerator.Name == "kvm" ? $",{HyperV}" : "");

    private string Cpus() => string.Join(',', new[]
    {
        Number($"cpus={spec.Cpus}"),

        // Only a VM has sockets and slots in which more can be plugged while it runs.
        spec.Kind == InstanceKind.Vm && spec.MaxCpus > spec.Cpus ? Number($"maxcpus={spec.MaxCpus}") : null,
        spec.Cpu?.Sockets is { } sockets ? Number($"sockets={sockets}") : null,
        spec.Cpu?.Cores is { } cores ? Number($"cores={cores}") : null,
        spec.Cpu?.Threads is { } threads ? Number($"threads={threads}") : null,
    }.OfType<string>());

    private string[] Memory() =>
    [
        "-m", spec.Kind == InstanceKind.Vm && spec.MaxMemoryBytes > spec.MemoryBytes
            ? Number($"size={spec.MemoryBytes}b,slots={MemorySlots},maxmem={spec.MaxMemoryBytes}b") : Number($"size={spec.MemoryBytes}b"),
        .. spec.Memory is { } memory ? (string[])["-object", MemoryBackend(memory).ToJsonString()] : [],
    ];

    private JsonObject MemoryBackend(MemoryOptions memory)
    {
        var backend = new JsonObject { ["qom-type"] = "memory-backend-memfd", ["id"] = "ram", ["size"] = spec.MemoryBytes };
        if (memory.HugePageBytes is { } page)
        {
            // Taken at once: a guest that finds no page later would be killed.
            (backend["hugetlb"], backend["hugetlbsize"], backend["prealloc"]) = (true, page, true);
        }

        if (memory.Numa is { } numa)
        {
            backend["policy"] = numa.Mode.ToString().ToLowerInvariant();
            backend["host-nodes"] = new JsonArray([.. CpuList.Parse(numa.Nodes).Select(n => (JsonNode)n)]);
        }

        return backend;
    }

    private string[] Firmware() => firmware is null ? [] :
    [
        "-blockdev", new JsonObject
        {
            ["driver"] = "raw", ["node-name"] = "uefi.code", ["read-only"] = true,
            ["file"] = new JsonObject { ["driver"] = "file", ["filename"] = firmware.Code, ["read-only"] = true },
        }.ToJsonString(),
        "-blockdev", new JsonObject
        {
            ["driver"] = "raw", ["node-name"] = "uefi.vars",
            ["file"] = new JsonObject { ["driver"] = "file", ["filename"] = _files.AsSet(InstanceVolumes.NvramOf(root, spec.Id), writable: true) },
        }.ToJsonString(),
        .. firmware.NeedsSmm ? (string[])["-global", "driver=cfi.pflash01,property=secure,value=on"] : [],
    ];

    private IEnumerable<string> Devices()
    {
        var volumes = new QemuVolumes(spec, _platform, root, disks);
        foreach (var argument in volumes.Compose(_files))
        {
            yield return argument;
        }

        var nics = new QemuNics(spec, _platform);
        foreach (var argument in nics.Compose(volumes, _files))
        {
            yield return argument;
        }

        if (spec.Tpm)
        {
            foreach (var argument in (string[])["-chardev", Number($"socket,id=tpm,fd={QemuFiles.Tpm}"), "-tpmdev", "emulator,id=tpm,chardev=tpm", "-device", $"{_platform.TpmDevice},tpmdev=tpm"])
            {
                yield return argument;
            }
        }
    }

    /// <summary>Behind all others, whose places in the machine it so leaves as they are.</summary>
    private string[] AgentPort() =>
    [
        "-chardev", Number($"socket,id={Agent},fd={_files.Listen(AgentSocket)},server=on,wait=off"),
        "-device", $"virtio-serial-{_platform.Transport},id=ports",
        "-device", $"virtserialport,bus=ports.0,chardev={Agent},id={Agent},name=org.qemu.guest_agent.0",
    ];

    private bool IsX86 => (spec.Architecture ?? host.Guest) == Architecture.X86_64;

    private IEnumerable<string> Boot() =>
    [
        .. spec.Kernel is { } kernel ? (string[])["-kernel", _files.AsPath(kernel), "-append", KernelCommandLine()] : [],
        .. spec.Initrd is { } initrd ? (string[])["-initrd", _files.AsPath(initrd)] : [],
    ];

    private string KernelCommandLine()
    {
        // A guest under TCG on a busy host cannot measure its clock and hangs at boot, so it is told.
        var clock = accelerator.Name == "tcg" && host.ClockKhz > 0 && IsX86 ? Number($"tsc_early_khz={host.ClockKhz}") : null;
        var reboot = IsX86 ? "reboot=t" : null;
        return string.Join(' ', new[] { $"console={_platform.Console}", reboot, "panic=-1", clock, $"gantry.name={spec.Name}", spec.CommandLine }.OfType<string>());
    }

    /// <summary>In QEMU's options a comma separates; one that is meant is doubled.</summary>
    private static string Quoted(string value) => value.Replace(",", ",,", StringComparison.Ordinal);

    private static string Number(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
