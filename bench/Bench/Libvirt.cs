using System.Diagnostics;
using System.Globalization;
using System.Security;

namespace Gantry.Bench;

/// <summary>
/// A libvirtd of the bench's own: its sockets and settings lie in a folder that goes with it. It looks for qemu.conf and keeps its
/// domains in one place only and brings up networks by itself, so it is given a mount and a network namespace.
/// </summary>
internal sealed class Libvirt : IDisposable
{
    /// <summary>As the bare QEMU runs: root's, without a log daemon in between.</summary>
    private const string QemuSettings = "stdio_handler = \"file\"\nsecurity_driver = \"none\"\nuser = \"root\"\ngroup = \"root\"\ndynamic_ownership = 0\n";

    private const string InItsNamespaces = "mount --bind \"$1/qemu.conf\" /etc/libvirt/qemu.conf && mount -t tmpfs none /etc/libvirt/qemu && ip link set lo up && exec libvirtd --config \"$1/libvirtd.conf\" --pid-file \"$1/pid\"";

    private readonly string _folder = Directory.CreateTempSubdirectory("gantry-bench-libvirt-").FullName;
    private Process _process = null!;

    private string Uri => $"qemu+unix:///system?socket={_folder}/libvirt-sock";

    public static async Task<Libvirt> StartAsync(CancellationToken ct)
    {
        var libvirt = new Libvirt();
        File.SetUnixFileMode(libvirt._folder, (UnixFileMode)0b111_101_101);
        await File.WriteAllTextAsync($"{libvirt._folder}/libvirtd.conf", $"unix_sock_dir = \"{libvirt._folder}\"\nauth_unix_rw = \"none\"\n", ct);
        await File.WriteAllTextAsync($"{libvirt._folder}/qemu.conf", QemuSettings, ct);
        libvirt._process = Run.Start("unshare", ["--mount", "--net", "sh", "-c", InItsNamespaces, "sh", libvirt._folder]);
        for (var tries = 0; tries < 200; tries++)
        {
            try
            {
                libvirt.Virsh("list");
                return libvirt;
            }
            catch (InvalidOperationException) when (!libvirt._process.HasExited)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, ct);
            }
        }

        throw new TimeoutException("libvirtd does not answer.");
    }

    public string SerialOf(string name) => $"{_folder}/{name}.serial";

    public void Define(string name, BareQemu like)
    {
        var file = $"{_folder}/{name}.xml";
        File.WriteAllText(file, $"""
            <domain type='qemu'>
              <name>{name}</name><memory unit='MiB'>512</memory><vcpu>1</vcpu>
              <os><type arch='x86_64' machine='q35'>hvm</type><kernel>{like.Kernel}</kernel><initrd>{like.Initrd}</initrd><cmdline>{SecurityElement.Escape(like.Append)}</cmdline></os>
              <features><acpi/></features><cpu mode='maximum'/>
              <devices>
                <emulator>{like.Program}</emulator>
                <controller type='usb' model='none'/><memballoon model='virtio'/><panic model='isa'/>
                <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
                <serial type='file'><source path='{SerialOf(name)}'/></serial>
              </devices>
            </domain>
            """);
        Virsh("define", file);
    }

    /// <summary>A machine that sits in its firmware, with one disk of qcow2 whose layers name each other in their headers.</summary>
    public void DefineDisk(string name, string program, string disk)
    {
        var file = $"{_folder}/{name}.xml";
        File.WriteAllText(file, $"""
            <domain type='qemu'>
              <name>{name}</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>
              <os><type arch='x86_64' machine='q35'>hvm</type></os>
              <devices>
                <emulator>{program}</emulator>
                <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='writeback' discard='unmap'/><source file='{disk}'/><target dev='vda' bus='virtio'/></disk>
              </devices>
            </domain>
            """);
        Virsh("define", file);
    }

    public void DefineNetwork(string name, string gateway)
    {
        var file = $"{_folder}/{name}-network.xml";
        File.WriteAllText(file, $"""
            <network><name>{name}</name><forward mode='nat'/><bridge name='virbr-bench'/>
              <ip address='{gateway}' netmask='255.255.255.0'><dhcp><range start='{gateway}00' end='{gateway}99'/></dhcp></ip>
            </network>
            """);
        Virsh("net-define", file);
    }

    public void Virsh(params string[] arguments) => Run.Text("virsh", ["-q", "-c", Uri, .. arguments]);

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            Run.Text("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]);
            _process.WaitForExit(TimeSpan.FromSeconds(30));
        }

        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
