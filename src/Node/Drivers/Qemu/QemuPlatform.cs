using Gantry.Contracts;
using Gantry.Node.Instances;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>What differs between the machines QEMU builds, by guest architecture and kind.</summary>
/// <param name="Program">Which QEMU.</param>
/// <param name="Package">Debian's package that has it.</param>
/// <param name="Console">The Linux name of the first serial line.</param>
/// <param name="PanicDevice">Null where QEMU has none for it.</param>
/// <param name="Transport">How virtio devices are attached: the ending of their names.</param>
/// <param name="TpmDevice">Null where there is none.</param>
internal sealed record QemuPlatform(
    string Program, string Package, string Machine, string Console, string? PanicDevice, string Transport, string? TpmDevice)
{
    private static readonly QemuPlatform Microvm = new("qemu-system-x86_64", "qemu-system-x86", "microvm,acpi=on", "ttyS0", "pvpanic", "device", null);
    private static readonly QemuPlatform Pc = new("qemu-system-x86_64", "qemu-system-x86", "q35", "ttyS0", "pvpanic", "pci", "tpm-crb");
    private static readonly QemuPlatform Arm = new("qemu-system-aarch64", "qemu-system-arm", "virt", "ttyAMA0", "pvpanic-pci", "pci", "tpm-tis-device");
    private static readonly QemuPlatform Riscv = new("qemu-system-riscv64", "qemu-system-misc", "virt", "ttyS0", "pvpanic-pci", "pci", null);
    private static readonly QemuPlatform Power = new("qemu-system-ppc64", "qemu-system-ppc", "pseries", "hvc0", null, "pci", "tpm-spapr");

    public bool IsMicrovm => this == Microvm;

    /// <summary>PCI Express: what is to be plugged in later needs a port of its own. On POWER the bus itself takes it.</summary>
    public bool HasPorts => this == Pc || this == Arm || this == Riscv;

    /// <summary>SeaBIOS on a PC, SLOF on POWER; the others boot by UEFI or a kernel.</summary>
    public bool HasBios => this == Pc || this == Power;

    /// <summary>Null where QEMU has no such machine: microVMs are x86_64 only.</summary>
    public static QemuPlatform? Of(InstanceKind kind, Architecture architecture) => (kind, architecture) switch
    {
        (InstanceKind.Microvm, Architecture.X86_64) => Microvm,
        (InstanceKind.Vm, Architecture.X86_64) => Pc,
        (InstanceKind.Vm, Architecture.Aarch64) => Arm,
        (InstanceKind.Vm, Architecture.Riscv64) => Riscv,
        (InstanceKind.Vm, Architecture.Ppc64le) => Power,
        _ => null,
    };

    /// <exception cref="Refusal"><c>driver.architecture</c></exception>
    public static QemuPlatform Of(InstanceSpec spec, Architecture host) =>
        Of(spec.Kind, spec.Architecture ?? host) ?? throw DriverErrors.ArchitectureNotRun("qemu", spec.Kind, spec.Architecture ?? host);
}
