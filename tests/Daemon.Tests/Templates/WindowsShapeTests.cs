using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;
using Gantry.Node;
using Gantry.Node.Drivers.Qemu;
using Gantry.Node.Pools;
using Gantry.Node.Host;
using Gantry.Node.Instances;

namespace Gantry.Daemon.Tests.Templates;

/// <summary>What the template windows comes to on QEMU's command line. Golden: a change here is a change of every Windows.</summary>
public sealed class WindowsShapeTests(RunningDaemon daemon) : IClassFixture<RunningDaemon>
{
    private static readonly HostFacts Host = new("n1", 8, 16L << 30, "6.1", "x86_64", 2_596_126, true);

    private const string Before = """
        -nodefaults -no-user-config -display none -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
        -name guest=NAME,debug-threads=on -uuid 0190a1b2-0000-7000-8000-000000000001
        -machine q35,pflash0=uefi.code,pflash1=uefi.vars,smm=on
        """;

    private const string Size = "-smp cpus=2,maxcpus=MAX -m size=4294967296b,slots=16,maxmem=8589934592b -rtc base=localtime";

    private const string After = """
        -action reboot=reset,shutdown=pause,panic=pause -trace resettable_reset
        -chardev socket,id=qmp,fd=3,server=on,wait=off -mon chardev=qmp,mode=control
        -chardev socket,id=serial,fd=4 -serial chardev:serial
        -device pvpanic -device virtio-rng-pci -device virtio-balloon-pci,id=balloon
        -add-fd fd=6,set=6 -add-fd fd=7,set=1643759358,opaque=rw -add-fd fd=8,set=1319616337,opaque=r
        -blockdev {"driver":"raw","node-name":"uefi.code","read-only":true,"file":{"driver":"file","filename":"/ovmf/code","read-only":true}}
        -blockdev {"driver":"raw","node-name":"uefi.vars","file":{"driver":"file","filename":"/dev/fdset/6"}}
        -global driver=cfi.pflash01,property=secure,value=on
        """;

    private const string Answers = """
        -object {"qom-type":"throttle-group","id":"limit.install","limits":{"bps-read":0,"bps-write":0,"iops-read":0,"iops-write":0}}
        -device ide-cd,bus=sata.1,id=volume.install,serial=install
        -object {"qom-type":"throttle-group","id":"limit.drivers","limits":{"bps-read":0,"bps-write":0,"iops-read":0,"iops-write":0}}
        -device ide-cd,bus=sata.2,id=volume.drivers,serial=drivers
        -object {"qom-type":"throttle-group","id":"limit.answers","limits":{"bps-read":0,"bps-write":0,"iops-read":0,"iops-write":0}}
        -blockdev {"driver":"raw","node-name":"answers.f2258f206c","read-only":true,"discard":"unmap","detect-zeroes":"off","cache":{"direct":false,"no-flush":false},"file":{"driver":"file","filename":"/dev/fdset/1319616337","locking":"off"}}
        -blockdev {"driver":"throttle","node-name":"answers","read-only":true,"throttle-group":"limit.answers","file":"answers.f2258f206c"}
        -device ide-cd,bus=sata.3,id=volume.answers,drive=answers,serial=answers
        """;

    /// <summary>Where NICs go.</summary>
    private static readonly string Ports = string.Join(' ', Enumerable.Range(0, 8).Select(n => $"-device pcie-root-port,id=plug.{n},bus=pcie.0,addr=1e.{n},multifunction=on,chassis={n + 1}"));

    /// <summary>Where disks on virtio and nvme go.</summary>
    private static readonly string Slots = string.Join(' ', Enumerable.Range(0, 16).Select(n => $"-device pcie-root-port,id=slot.{n},bus=pcie.0,addr={(n < 8 ? "1c" : "1d")}.{n % 8},multifunction=on,chassis={n + 9},io-reserve=0"));

    private const string Tpm = "-chardev socket,id=tpm,fd=5 -tpmdev emulator,id=tpm,chardev=tpm -device tpm-crb,tpmdev=tpm";

    private const string Agent =
        "-chardev socket,id=agent,fd=9,server=on,wait=off -device virtio-serial-pci,id=ports -device virtserialport,bus=ports.0,chardev=agent,id=agent,name=org.qemu.guest_agent.0";

    private const string RootDisk = """
        -object {"qom-type":"throttle-group","id":"limit.root","limits":{"bps-read":0,"bps-write":0,"iops-read":0,"iops-write":0}}
        -blockdev {"driver":"qcow2","node-name":"root.98c490ff6e","read-only":false,"discard":"unmap","detect-zeroes":"unmap","cache":{"direct":false,"no-flush":false},"file":{"driver":"file","filename":"/dev/fdset/1643759358","locking":"off"},"backing":null}
        -blockdev {"driver":"throttle","node-name":"root","read-only":false,"throttle-group":"limit.root","file":"root.98c490ff6e"}
        """;

    [Fact]
    public async Task Under_TCG() => (await LineAsync("shape-tcg", "windows", new("tcg"))).ShouldBe(Golden("shape-tcg", $"""
        {Before} -accel tcg -cpu max {Size}
        {After}
        -device ahci,id=sata
        {Slots}
        {RootDisk}
        -device ide-hd,bus=sata.0,id=volume.root,drive=root,serial=root,bootindex=2,write-cache=on,werror=stop,rerror=stop
        {Answers}
        {Ports}
        -netdev hubport,id=net.eth0,hubid=0 -device e1000e,id=nic.eth0,netdev=net.eth0,mac=52:54:00:aa:bb:cc,bus=plug.0,romfile=
        {Tpm}
        {Agent}
        """));

    [Fact]
    public async Task Under_KVM_with_Hyper_V_and_on_virtio() => (await LineAsync("shape-kvm", "windows-virtio", new("kvm", 104))).ShouldBe(Golden("shape-kvm", $"""
        {Before} -accel kvm -cpu host,hv-relaxed=on,hv-vapic=on,hv-spinlocks=0x1fff,hv-vpindex=on,hv-runtime=on,hv-time=on,hv-synic=on,hv-stimer=on,hv-frequencies=on,hv-tlbflush=on,hv-ipi=on {Size}
        {After}
        -device ahci,id=sata
        {Slots}
        {RootDisk}
        -device virtio-blk-pci,bus=slot.0,id=volume.root,drive=root,serial=root,bootindex=2,write-cache=on,werror=stop,rerror=stop
        {Answers.Replace("sata.1", "sata.0", StringComparison.Ordinal).Replace("sata.2", "sata.1", StringComparison.Ordinal).Replace("sata.3", "sata.2", StringComparison.Ordinal)}
        {Ports}
        -netdev hubport,id=net.eth0,hubid=0 -device virtio-net-pci,id=nic.eth0,netdev=net.eth0,mac=52:54:00:aa:bb:cc,bus=plug.0,romfile=
        {Tpm}
        {Agent}
        """));

    /// <summary>As this daemon made it, on another host and with an id and address that stay.</summary>
    private async Task<string> LineAsync(string name, string template, Accelerator accelerator)
    {
        var made = await daemon.MakeAsync($$"""{"name":"{{name}}","template":"{{template}}"}""");
        var spec = daemon.Node.Context.Folders.Read(made.Id);
        spec = spec with
        {
            Id = Id<Instance>.Parse("0190a1b2-0000-7000-8000-000000000001"),
            MaxCpus = 4,
            Nics = [.. spec.Nics!.Select(n => n with { Mac = "52:54:00:aa:bb:cc" })],
        };
        var disks = spec.Volumes!.Where(v => v.Device == VolumeDevice.Disk).ToDictionary(
            v => v.Name, v => new Disk(v.SizeBytes, [new("top", $"/r/data/pools/local/{spec.Id}/{v.Name}/top.qcow2", Gantry.Node.Pools.DiskFormat.Qcow2)]));
        return string.Join(' ', QemuCommandLine.Compose(spec, GantryRoot.At("/r"), Host, accelerator, new("/ovmf/code", "/ovmf/vars", NeedsSmm: true), disks).Arguments);
    }

    private static string Golden(string name, string text) =>
        string.Join(' ', text.Replace("NAME", name, StringComparison.Ordinal).Replace("MAX", "4", StringComparison.Ordinal).Split((char[])['\n', ' '], StringSplitOptions.RemoveEmptyEntries));
}
