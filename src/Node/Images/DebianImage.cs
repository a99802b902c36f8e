using Gantry.Contracts;

namespace Gantry.Node.Images;

/// <summary>
/// The recipe <c>debian</c>: a server of the node's own Debian, with cloud-init and the guest agent in it, on a disk that boots by
/// UEFI (with Secure Boot or without) and by BIOS and has its console on the serial line.
/// </summary>
internal sealed class DebianImage(NodeContext node, string workshop)
{
    /// <summary>Part of the cache's key: goes up with every change of what the image is.</summary>
    private const int Version = 1;

    private static readonly string[] Packages =
    [
        "linux-image-cloud-amd64", "grub-cloud-amd64", "grub-efi-amd64-signed", "shim-signed",
        "systemd-sysv", "systemd-resolved", "libpam-systemd", "libnss-resolve", "udev", "dbus", "cloud-init", "cloud-guest-utils", "fdisk", "qemu-guest-agent", "netplan.io",
        "openssh-server", "sudo", "iproute2", "iputils-ping", "ca-certificates", "curl", "less", "vim-tiny", "e2fsprogs", "dosfstools",
    ];

    public async Task BuildAsync(string into, Action<Progress> report, CancellationToken ct)
    {
        report(new("ask apt for its mirrors", 0));
        var mirrors = await DebianMirrors.AskAsync(node.Shell, ct);
        await new ImageCache(node.Time).FillAsync($"debian-{Version}-{mirrors.Suite}-x86_64", into, () => MakeAsync(mirrors, into, report, ct), report, ct);
    }

    private async Task MakeAsync(DebianMirrors mirrors, string into, Action<Progress> report, CancellationToken ct)
    {
        var root = new DebianRoot(node.Shell, $"{workshop}/root");
        await root.MakeAsync(mirrors, Packages, report, ct);
        report(new("write the disk", 70));
        Configure(root);
        await new BootDisk(node.Shell, root, workshop).WriteAsync($"{workshop}/disk.raw", ct);
        var qemu = new QemuImg(node.Shell, node.ToolUids);
        var size = new FileInfo($"{workshop}/disk.raw").Length;
        await qemu.ConvertAsync($"{workshop}/disk.raw", "raw", $"{into}/disk", size, percent => report(new("convert to qcow2", 80 + (percent / 10))), ct);
    }

    private static void Configure(DebianRoot root)
    {
        root.Anonymise("debian");
        root.Link("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf");
        Directory.CreateDirectory(root.In("boot/efi"));
        root.Write("etc/fstab", $"UUID={BootDisk.RootUuid} / ext4 errors=remount-ro 0 1\nLABEL={BootDisk.EspLabel} /boot/efi vfat umask=0077,nofail 0 1\n");

        // A new kernel makes update-grub write this anew, from the settings below; until then the links of linux-base find it.
        const string console = "console=tty0 console=ttyS0,115200";
        root.Write("boot/grub/grub.cfg", $$"""
            # Written by Gantry; update-grub replaces it.
            serial --unit=0 --speed=115200
            terminal_input console serial
            terminal_output console serial
            set timeout=0
            search --no-floppy --fs-uuid --set=root {{BootDisk.RootUuid}}
            menuentry "Debian GNU/Linux" {
                linux /vmlinuz root=UUID={{BootDisk.RootUuid}} ro {{console}}
                initrd /initrd.img
            }

            """);
        root.Write("etc/default/grub.d/10_gantry.cfg", $"""
            GRUB_TIMEOUT=0
            GRUB_CMDLINE_LINUX_DEFAULT=""
            GRUB_CMDLINE_LINUX="{console}"
            GRUB_TERMINAL="console serial"
            GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
            GRUB_DISABLE_OS_PROBER=true

            """);
        root.Write("etc/grub.d/enable_cloud", "# With this grub-cloud-amd64 puts a newer GRUB where the firmware looks.\n");

        // None last: without a seed the first boot goes on at once, with DHCP on the first network card.
        root.Write("etc/cloud/cloud.cfg.d/90_gantry.cfg", "datasource_list: [NoCloud, None]\nlocale: false\n");
        root.Write("etc/systemd/system/systemd-networkd-wait-online.service.d/gantry.conf", "[Service]\nExecStart=\nExecStart=/lib/systemd/systemd-networkd-wait-online --any --timeout=30\n");
    }
}
