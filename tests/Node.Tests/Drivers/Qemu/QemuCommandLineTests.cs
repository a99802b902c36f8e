using Gantry.Contracts;
using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Host;
using Gantry.Node.Instances;

namespace Gantry.Node.Tests.Drivers.Qemu;

/// <summary>Golden: a change here is a change of every guest.</summary>
public sealed class QemuCommandLineTests
{
    private static readonly HostFacts Host = new("n1", 2, 8L << 30, "6.1", "x86_64", 2_596_126, true);

    private static readonly InstanceSpec Spec = new(
        Id<Instance>.Parse("0190a1b2-0000-7000-8000-000000000001"), "web-1", InstanceKind.Microvm, "qemu", 2, 128 * Limits.MiB, Firmware.Direct,
        "/images/a,b/kernel", "/images/a,b/initrd", "quiet my=1", 1_900_010_000);

    private const string Common = """
        -nodefaults -no-user-config -display none -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
        -name guest=web-1,debug-threads=on -uuid 0190a1b2-0000-7000-8000-000000000001
        """;

    private const string Devices = """
        -action reboot=reset,shutdown=pause,panic=pause -trace resettable_reset
        -chardev socket,id=qmp,fd=3,server=on,wait=off -mon chardev=qmp,mode=control
        -chardev socket,id=serial,fd=4 -serial chardev:serial
        -device pvpanic
        """;

    [Fact]
    public void A_microvm_under_TCG() => Line(Spec, new("tcg")).ShouldBe(Golden($"""
        {Common}
        -machine microvm,acpi=on -accel tcg -cpu max -smp cpus=2 -m size=134217728b
        {Devices}
        -device virtio-rng-device -device virtio-balloon-device,id=balloon
        -kernel /images/a,b/kernel -append console=ttyS0 reboot=t panic=-1 tsc_early_khz=2596126 gantry.name=web-1 quiet my=1
        -initrd /images/a,b/initrd
        """));

    [Fact]
    public void A_vm_under_KVM_is_not_told_the_clock() => Line(Spec with { Kind = InstanceKind.Vm, Initrd = null, CommandLine = null }, new("kvm", 104)).ShouldBe(Golden($"""
        {Common}
        -machine q35 -accel kvm -cpu host -smp cpus=2 -m size=134217728b
        {Devices}
        -device virtio-rng-pci -device virtio-balloon-pci,id=balloon
        -kernel /images/a,b/kernel -append console=ttyS0 reboot=t panic=-1 gantry.name=web-1
        """));

    [Fact]
    public void A_vm_has_room_for_what_it_may_be_given_later() => Line(
            Spec with { Kind = InstanceKind.Vm, MaxCpus = 4, MaxMemoryBytes = 1024 * Limits.MiB }, new("tcg"))
        .ShouldContain(" -smp cpus=2,maxcpus=4 -m size=134217728b,slots=16,maxmem=1073741824b ");

    [Theory]
    [InlineData(InstanceKind.Microvm, 4, 1024)]
    [InlineData(InstanceKind.Vm, 2, 128)]
    public void Room_that_nobody_can_use_is_left_out(InstanceKind kind, int maxCpus, int maxMiB) => Line(
            Spec with { Kind = kind, MaxCpus = maxCpus, MaxMemoryBytes = maxMiB * Limits.MiB }, new("tcg"))
        .ShouldContain(" -smp cpus=2 -m size=134217728b -action ");

    [Fact]
    public void A_comma_in_an_option_is_doubled() =>
        Line(Spec with { Name = "a,b" }, new("tcg")).ShouldContain("-name guest=a,,b,debug-threads=on ");

    private static string Line(InstanceSpec spec, Accelerator accelerator) => string.Join(' ', QemuCommandLine.Compose(spec, Host, accelerator));

    private static string Golden(string text) => text.ReplaceLineEndings(" ");
}
