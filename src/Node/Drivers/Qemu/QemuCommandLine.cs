using System.Globalization;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Instances;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>
/// How QEMU is started: a pure function, held by golden tests. QEMU opens nothing itself but the kernel and the
/// initial RAM disk; its sockets come from the launcher at the numbers below (gantry-launch.c).
/// </summary>
internal static class QemuCommandLine
{
    private const int QmpFd = 3;
    private const int SerialFd = 4;
    private const int MemorySlots = 16;

    public static IReadOnlyList<string> Compose(InstanceSpec spec, HostFacts host, Accelerator accelerator) =>
    [
        "-nodefaults", "-no-user-config",
        "-display", "none",
        "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-name", $"guest={Quoted(spec.Name)},debug-threads=on",
        "-uuid", spec.Id.ToString(),

        // acpi=on gives the microVM a power button; without it no guest could be asked to shut down.
        "-machine", spec.Kind == InstanceKind.Microvm ? "microvm,acpi=on" : "q35",
        "-accel", accelerator.Name,
        "-cpu", accelerator.Name == "kvm" ? "host" : "max",
        "-smp", Processors(spec),
        "-m", Memory(spec),

        // A guest that ends by itself leaves QEMU paused, to be asked what happened; its resets are counted in the log (QemuResets.cs).
        "-action", "reboot=reset,shutdown=pause,panic=pause",
        "-trace", QemuResets.TraceEvent,
        "-chardev", Number($"socket,id=qmp,fd={QmpFd},server=on,wait=off"),
        "-mon", "chardev=qmp,mode=control",
        "-chardev", Number($"socket,id=serial,fd={SerialFd}"),
        "-serial", "chardev:serial",
        "-device", "pvpanic",
        "-device", spec.Kind == InstanceKind.Microvm ? "virtio-rng-device" : "virtio-rng-pci",
        "-device", spec.Kind == InstanceKind.Microvm ? "virtio-balloon-device,id=balloon" : "virtio-balloon-pci,id=balloon",
        .. Boot(spec, host, accelerator),
    ];

    /// <summary>Only a VM has sockets and slots in which more can be plugged while it runs.</summary>
    private static string Processors(InstanceSpec spec) =>
        spec.Kind == InstanceKind.Vm && spec.MaxCpus > spec.Cpus ? Number($"cpus={spec.Cpus},maxcpus={spec.MaxCpus}") : Number($"cpus={spec.Cpus}");

    private static string Memory(InstanceSpec spec) =>
        spec.Kind == InstanceKind.Vm && spec.MaxMemoryBytes > spec.MemoryBytes
            ? Number($"size={spec.MemoryBytes}b,slots={MemorySlots},maxmem={spec.MaxMemoryBytes}b") : Number($"size={spec.MemoryBytes}b");

    private static IEnumerable<string> Boot(InstanceSpec spec, HostFacts host, Accelerator accelerator) =>
    [
        .. spec.Kernel is { } kernel ? (string[])["-kernel", kernel, "-append", KernelCommandLine(spec, host, accelerator)] : [],
        .. spec.Initrd is { } initrd ? (string[])["-initrd", initrd] : [],
    ];

    private static string KernelCommandLine(InstanceSpec spec, HostFacts host, Accelerator accelerator)
    {
        // A guest under TCG on a busy host cannot measure its clock and hangs at boot, so it is told.
        var clock = accelerator.Name == "tcg" && host.ClockKhz > 0 ? Number($"tsc_early_khz={host.ClockKhz}") : null;
        return string.Join(' ', new[] { "console=ttyS0", "reboot=t", "panic=-1", clock, $"gantry.name={spec.Name}", spec.CommandLine }.OfType<string>());
    }

    /// <summary>In QEMU's options a comma separates; one that is meant is doubled.</summary>
    private static string Quoted(string value) => value.Replace(",", ",,", StringComparison.Ordinal);

    private static string Number(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
