using System.Globalization;
using Gantry.Contracts;
using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Host;
using Gantry.Node.Instances;
using Gantry.Node.Networks;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Drivers.Qemu;

/// <summary>Golden: a change here is a change of every guest.</summary>
public sealed class QemuCommandLineTests
{
    private static readonly HostFacts Host = new("n1", 2, 8L << 30, "6.1", "x86_64", 2_596_126, true);

    private static readonly InstanceSpec Spec = new(
        Id<Instance>.Parse("0190a1b2-0000-7000-8000-000000000001"), "web-1", InstanceKind.Microvm, "qemu", 2, 128 * Limits.MiB, Firmware.Direct,
        "/images/a,b/kernel", "/images/a,b/initrd", "quiet my=1", 1_900_010_000);

    private static readonly Id<Network> Net = Id<Network>.Parse("0190a1b2-0000-7000-8000-000000000003");

    private static readonly Dictionary<string, Disk> NoDisks = [];

    private static readonly GantryRoot Root = GantryRoot.At("/r");

    private const string Common = """
        -nodefaults -no-user-config -display none -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
        -name guest=web-1,debug-threads=on -uuid 0190a1b2-0000-7000-8000-000000000001
        """;

    /// <summary>Where NICs of a VM with PCI Express go.</summary>
    private static readonly string Ports = string.Join('\n', Enumerable.Range(0, 8).Select(n => $"-device pcie-root-port,id=plug.{n},bus=pcie.0,addr=1e.{n},multifunction=on,chassis={n + 1}"));

    /// <summary>Where disks on virtio and nvme go in such a VM.</summary>
    private static readonly string Slots = string.Join('\n', Enumerable.Range(0, 16).Select(n => $"-device pcie-root-port,id=slot.{n},bus=pcie.0,addr={(n < 8 ? "1c" : "1d")}.{n % 8},multifunction=on,chassis={n + 9},io-reserve=0"));

    private const string Devices = """
        -action reboot=reset,shutdown=pause,panic=pause -trace resettable_reset
        -chardev socket,id=qmp,fd=3,server=on,wait=off -mon chardev=qmp,mode=control
        -chardev socket,id=serial,fd=4 -serial chardev:serial
        -device pvpanic
        """;

    /// <summary>Where the guest's agent listens, behind all that is handed over before.</summary>
    private static string Agent(int number, string transport) => string.Create(
        CultureInfo.InvariantCulture,
        $"-chardev socket,id=agent,fd={number},server=on,wait=off -device virtio-serial-{transport},id=ports -device virtserialport,bus=ports.0,chardev=agent,id=agent,name=org.qemu.guest_agent.0");

    [Fact]
    public void A_microvm_under_TCG() => Line(Spec, new("tcg")).ShouldBe(Golden($"""
        {Common}
        -machine microvm,acpi=on -accel tcg -cpu max -smp cpus=2 -m size=134217728b
        {Devices}
        -device virtio-rng-device -device virtio-balloon-device,id=balloon
        -kernel /dev/fd/6 -append console=ttyS0 reboot=t panic=-1 tsc_early_khz=2596126 gantry.name=web-1 quiet my=1
        -initrd /dev/fd/7
        {Agent(8, "device")}
        """));

    [Fact]
    public void A_vm_under_KVM_is_not_told_the_clock() => Line(Spec with { Kind = InstanceKind.Vm, Initrd = null, CommandLine = null }, new("kvm", 104)).ShouldBe(Golden($"""
        {Common}
        -machine q35 -accel kvm -cpu host -smp cpus=2 -m size=134217728b
        {Devices}
        -device virtio-rng-pci -device virtio-balloon-pci,id=balloon
        {Slots}
        {Ports}
        -kernel /dev/fd/6 -append console=ttyS0 reboot=t panic=-1 gantry.name=web-1
        {Agent(7, "pci")}
        """));

    [Fact]
    public void A_vm_with_all_there_is()
    {
        var image = Id<Image>.Parse("0190a1b2-0000-7000-8000-000000000002");
        var spec = Spec with
        {
            Kind = InstanceKind.Vm,
            Kernel = null,
            Initrd = null,
            Firmware = Firmware.Uefi,
            SecureBoot = true,
            Tpm = true,
            Cpu = new() { Model = "EPYC,-svm", Sockets = 1, Cores = 2, Threads = 1 },
            Memory = new() { HugePageBytes = 2 * Limits.MiB, Numa = new(NumaMode.Interleave, "0-1") },
            BootOrder = ["disc", "root", "eth0"],
            Volumes =
            [
                new("root", VolumeDevice.Disk, image, null, 1 << 30, VolumeBus.Scsi, VolumeCache.None, false, new() { ReadBytesPerSecond = 1_000_000, WriteOperationsPerSecond = 50 }),
                new("data", VolumeDevice.Disk, null, null, 1 << 30, VolumeBus.Nvme, VolumeCache.Writethrough, true),
                new("disc", VolumeDevice.Cdrom, image, null, 0, VolumeBus.Sata, VolumeCache.Writeback, true),
                new("slot", VolumeDevice.Cdrom, null, null, 0, VolumeBus.Sata, VolumeCache.Writeback, true),
            ],
            Nics = [new("eth0", "52:54:00:00:00:01", Network: Net), new("eth1", "52:54:00:00:00:02", NicModel.E1000e)],
        };

        Line(spec, new("kvm", 104), new("/fw/code.fd", "/fw/vars.fd", NeedsSmm: true)).ShouldBe(Golden($$$$"""
            {{{{Common}}}}
            -machine q35,memory-backend=ram,pflash0=uefi.code,pflash1=uefi.vars,smm=on -accel kvm -cpu EPYC,-svm -smp cpus=2,sockets=1,cores=2,threads=1 -m size=134217728b
            -object {"qom-type":"memory-backend-memfd","id":"ram","size":134217728,"hugetlb":true,"hugetlbsize":2097152,"prealloc":true,"policy":"interleave","host-nodes":[0,1]}
            {{{{Devices}}}}
            -device virtio-rng-pci -device virtio-balloon-pci,id=balloon
            -add-fd fd=6,set=6 -add-fd fd=7,set=1380529728,opaque=r -add-fd fd=8,set=1626288058,opaque=rw -add-fd fd=9,set=1563405893,opaque=r -add-fd fd=10,set=1347875888,opaque=r
            -blockdev {"driver":"raw","node-name":"uefi.code","read-only":true,"file":{"driver":"file","filename":"/fw/code.fd","read-only":true}}
            -blockdev {"driver":"raw","node-name":"uefi.vars","file":{"driver":"file","filename":"/dev/fdset/6"}}
            -global driver=cfi.pflash01,property=secure,value=on
            -device virtio-scsi-pci,id=scsi -device ahci,id=sata
            {{{{Slots}}}}
            -object {"qom-type":"throttle-group","id":"limit.root","limits":{"bps-read":1000000,"bps-write":0,"iops-read":0,"iops-write":50}}
            -blockdev {"driver":"qcow2","node-name":"root.f79dcd24c7","read-only":true,"discard":"unmap","detect-zeroes":"off","cache":{"direct":true,"no-flush":false},"file":{"driver":"file","filename":"/dev/fdset/1380529728","locking":"off"},"backing":null}
            -blockdev {"driver":"qcow2","node-name":"root.a6dd3f8bcf","read-only":false,"discard":"unmap","detect-zeroes":"unmap","cache":{"direct":true,"no-flush":false},"file":{"driver":"file","filename":"/dev/fdset/1626288058","locking":"off"},"backing":"root.f79dcd24c7"}
            -blockdev {"driver":"throttle","node-name":"root","read-only":false,"throttle-group":"limit.root","file":"root.a6dd3f8bcf"}
            -device scsi-hd,bus=scsi.0,scsi-id=0,id=volume.root,drive=root,serial=root,bootindex=2,write-cache=on,werror=stop,rerror=stop
            -object {"qom-type":"throttle-group","id":"limit.data","limits":{"bps-read":0,"bps-write":0,"iops-read":0,"iops-write":0}}
            -blockdev {"driver":"qcow2","node-name":"data.7a207b6db5","read-only":true,"discard":"unmap","detect-zeroes":"off","cache":{"direct":false,"no-flush":false},"file":{"driver":"file","filename":"/dev/fdset/1563405893","locking":"off"},"backing":null}
            -blockdev {"driver":"throttle","node-name":"data","read-only":true,"throttle-group":"limit.data","file":"data.7a207b6db5"}
            -device nvme,bus=slot.0,id=volume.data,drive=data,serial=data,write-cache=off
            -object {"qom-type":"throttle-group","id":"limit.disc","limits":{"bps-read":0,"bps-write":0,"iops-read":0,"iops-write":0}}
            -blockdev {"driver":"qcow2","node-name":"disc.468f2f4c8f","read-only":true,"discard":"unmap","detect-zeroes":"off","cache":{"direct":false,"no-flush":false},"file":{"driver":"file","filename":"/dev/fdset/1347875888","locking":"off"},"backing":null}
            -blockdev {"driver":"throttle","node-name":"disc","read-only":true,"throttle-group":"limit.disc","file":"disc.468f2f4c8f"}
            -device ide-cd,bus=sata.0,id=volume.disc,drive=disc,serial=disc,bootindex=1
            -object {"qom-type":"throttle-group","id":"limit.slot","limits":{"bps-read":0,"bps-write":0,"iops-read":0,"iops-write":0}}
            -device ide-cd,bus=sata.1,id=volume.slot,serial=slot
            {{{{Ports}}}}
            -netdev tap,id=net.eth0,fd=11,vhost=off -device virtio-net-pci,id=nic.eth0,netdev=net.eth0,mac=52:54:00:00:00:01,bus=plug.0,bootindex=3
            -netdev hubport,id=net.eth1,hubid=1 -device e1000e,id=nic.eth1,netdev=net.eth1,mac=52:54:00:00:00:02,bus=plug.1,romfile=
            -chardev socket,id=tpm,fd=5 -tpmdev emulator,id=tpm,chardev=tpm -device tpm-crb,tpmdev=tpm
            {{{{Agent(12, "pci")}}}}
            """));
    }

    [Theory]
    [InlineData(Architecture.Aarch64, "virt", "pvpanic-pci", "ttyAMA0")]
    [InlineData(Architecture.Riscv64, "virt", "pvpanic-pci", "ttyS0")]
    [InlineData(Architecture.Ppc64le, "pseries", null, "hvc0")]
    public void A_vm_of_another_architecture_is_emulated(Architecture architecture, string machine, string? panic, string console) =>
        Line(Spec with { Kind = InstanceKind.Vm, Architecture = architecture, CommandLine = null, Initrd = null }, new("tcg")).ShouldBe(Golden($"""
        {Common}
        -machine {machine} -accel tcg -cpu max -smp cpus=2 -m size=134217728b
        {Devices.Replace(" -device pvpanic", panic is null ? "" : $" -device {panic}", StringComparison.Ordinal).Replace("\n-device pvpanic", panic is null ? "" : $"\n-device {panic}", StringComparison.Ordinal)}
        -device virtio-rng-pci -device virtio-balloon-pci,id=balloon
        {(machine == "virt" ? $"{Slots}\n{Ports}\n" : "")}-kernel /dev/fd/6 -append console={console} panic=-1 gantry.name=web-1
        {Agent(7, "pci")}
        """));

    [Fact]
    public void NICs_on_a_network_are_handed_over_opened()
    {
        var spec = Spec with { Nics = [new("eth0", "52:54:00:00:00:01", Network: Net), new("eth1", "52:54:00:00:00:02"), new("eth2", "52:54:00:00:00:03", Network: Net)] };
        var composed = QemuCommandLine.Compose(spec, Root, Host, new("tcg"), null, NoDisks);

        string.Join(' ', composed.Arguments).ShouldBe(Golden($"""
            {Common}
            -machine microvm,acpi=on -accel tcg -cpu max -smp cpus=2 -m size=134217728b
            {Devices}
            -device virtio-rng-device -device virtio-balloon-device,id=balloon
            -netdev tap,id=net.eth0,fd=6,vhost=off -device virtio-net-device,id=nic.eth0,netdev=net.eth0,mac=52:54:00:00:00:01
            -netdev hubport,id=net.eth1,hubid=1 -device virtio-net-device,id=nic.eth1,netdev=net.eth1,mac=52:54:00:00:00:02
            -netdev tap,id=net.eth2,fd=7,vhost=off -device virtio-net-device,id=nic.eth2,netdev=net.eth2,mac=52:54:00:00:00:03
            -kernel /dev/fd/8 -append console=ttyS0 reboot=t panic=-1 tsc_early_khz=2596126 gantry.name=web-1 quiet my=1
            -initrd /dev/fd/9
            {Agent(10, "device")}
            """));
        composed.Files.Taps.Select(t => t.ToString()).ShouldBe([$"6:{NetworkNames.Tap(spec.Id, "eth0")}", $"7:{NetworkNames.Tap(spec.Id, "eth2")}"]);
        composed.Files.All.Select(f => f.ToString()).ShouldBe(["8:r:/images/a,b/kernel", "9:r:/images/a,b/initrd"]);
    }

    [Fact]
    public void A_NIC_keeps_its_port_when_others_go_and_come()
    {
        NicSpec[] nics = [new("a", "02:00:00:00:00:01"), new("b", "02:00:00:00:00:02", Port: 0), new("c", "02:00:00:00:00:03")];

        NicSpec.WithPorts(nics).Select(n => (n.Name, n.Port)).ShouldBe([("a", 1), ("b", 0), ("c", 2)]);
        NicSpec.WithPorts([.. NicSpec.WithPorts(nics).Skip(1), new("d", "02:00:00:00:00:04")]).Select(n => (n.Name, n.Port)).ShouldBe([("b", 0), ("c", 2), ("d", 1)]);
        Line(Spec with { Kind = InstanceKind.Vm, Nics = [new("c", "02:00:00:00:00:03", Port: 2)] }, new("tcg")).ShouldContain(",mac=02:00:00:00:00:03,bus=plug.2,");
    }

    [Fact]
    public void NICs_written_before_there_were_networks_are_read()
    {
        const string written = """
            {"id": "0190a1b2-0000-7000-8000-000000000001", "name": "web-1", "kind": "vm", "driver": "qemu", "cpus": 1, "memoryBytes": 1, "firmware": "direct", "kernel": null, "initrd": null, "commandLine": null, "uid": 1,
             "nics": [{"name": "eth0", "mac": "52:54:00:00:00:01", "model": "e1000e"}, {"name": "eth1", "mac": "52:54:00:00:00:02", "model": null, "network": null, "address": null, "limits": {"sendBytesPerSecond": 5}}]}
            """;

        System.Text.Json.JsonSerializer.Deserialize(written, SpecJson.Default.InstanceSpec)!.Nics.ShouldBe(
            [new("eth0", "52:54:00:00:00:01", NicModel.E1000e), new("eth1", "52:54:00:00:00:02", Limits: new() { SendBytesPerSecond = 5 })]);
    }

    [Fact]
    public void Firmware_is_found_by_the_descriptions_of_the_distribution()
    {
        UefiFirmware.Find(Architecture.X86_64, secureBoot: false)!.NeedsSmm.ShouldBeFalse();
        UefiFirmware.Find(Architecture.X86_64, secureBoot: true)!.NeedsSmm.ShouldBeTrue();
        UefiFirmware.Find(Architecture.Riscv64, secureBoot: false).ShouldBeNull();
        UefiFirmware.Find(Architecture.X86_64, secureBoot: false, ["/nowhere"]).ShouldBeNull();
    }

    [Fact]
    public void A_comma_in_an_option_is_doubled() =>
        Line(Spec with { Name = "a,b" }, new("tcg")).ShouldContain("-name guest=a,,b,debug-threads=on ");

    [Fact]
    public void A_name_that_a_volume_and_a_NIC_have_is_the_volumes_in_the_order_of_boot()
    {
        var line = Line(
            Spec with
            {
                Kind = InstanceKind.Vm,
                Volumes = [new("lan", VolumeDevice.Disk, null, null, 1 << 30, VolumeBus.Virtio, VolumeCache.Writeback, false)],
                Nics = [new("lan", "52:54:00:00:00:01", Network: Net), new("wan", "52:54:00:00:00:02", Network: Net)],
                BootOrder = ["lan", "wan"],
            },
            new("kvm", 104));

        line.ShouldContain("id=volume.lan,drive=lan,serial=lan,bootindex=1");
        line.ShouldNotContain("mac=52:54:00:00:00:01,bus=plug.0,bootindex");
        line.ShouldContain("mac=52:54:00:00:00:02,bus=plug.1,bootindex=2");
    }

    private static string Line(InstanceSpec spec, Accelerator accelerator, UefiFirmware? firmware = null) => string.Join(' ', QemuCommandLine.Compose(spec, Root, Host, accelerator, firmware, Disks(spec)).Arguments);

    private static Dictionary<string, Disk> Disks(InstanceSpec spec) => (spec.Volumes ?? []).Where(v => v.Device == VolumeDevice.Disk).ToDictionary(v => v.Name, v => new Disk(v.SizeBytes,
    [
        new("top", $"/pools/{v.Name}/top.qcow2", Gantry.Node.Pools.DiskFormat.Qcow2),
        .. v.Image is { } image ? (DiskLayer[])[new("image", $"/images/{image}/disk", Gantry.Node.Pools.DiskFormat.Qcow2)] : [],
    ]));

    private static string Golden(string text) => text.ReplaceLineEndings(" ");
}
