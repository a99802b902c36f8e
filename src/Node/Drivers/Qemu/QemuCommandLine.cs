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
        "-smp", Number($"cpus={spec.Cpus}"),
        "-m", Number($"size={spec.MemoryBytes}b"),

        // A reboot ends QEMU as a power-off does, and a panic with code 1, so that the exit code tells them apart.
        "-action", "reboot=shutdown,panic=exit-failure",
        "-chardev", Number($"socket,id=qmp,fd={QmpFd},server=on,wait=off"),
        "-mon", "chardev=qmp,mode=control",
        "-chardev", Number($"socket,id=serial,fd={SerialFd}"),
        "-serial", "chardev:serial",
        "-device", "pvpanic",
        "-device", spec.Kind == InstanceKind.Microvm ? "virtio-rng-device" : "virtio-rng-pci",
        .. Boot(spec, host, accelerator),
    ];

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
