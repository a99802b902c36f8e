using Gantry.Contracts;

namespace Gantry.Node.Images;

/// <summary>
/// The recipe <c>rootfs</c>: Debian's minimal root file system on a disk without partitions, booted directly: the kernel and an initial
/// RAM disk (rootfs-init.sh) stand beside it. Root is signed in on the serial line, as in the image micro.
/// </summary>
internal sealed class RootfsImage(NodeContext node, string workshop)
{
    /// <summary>Part of the cache's key: goes up with every change of what the image is.</summary>
    private const int Version = 1;

    private const long DiskBytes = 1024 * Limits.MiB;
    private const string RootUuid = "0b0e6a54-9d0d-4f53-8a5c-7a1f6c2d4e33";

    private static readonly string[] Packages = ["systemd-sysv", "systemd-resolved", "udev", "dbus", "iproute2", "iputils-ping", "ca-certificates", "e2fsprogs"];

    public async Task BuildAsync(string into, Action<Progress> report, CancellationToken ct)
    {
        report(new("ask apt for its mirrors", 0));
        var mirrors = await DebianMirrors.AskAsync(node.Shell, ct);
        await new ImageCache(node.Time).FillAsync($"rootfs-{Version}-{mirrors.Suite}-x86_64", into, () => MakeAsync(mirrors, into, report, ct), report, ct);
    }

    private async Task MakeAsync(DebianMirrors mirrors, string into, Action<Progress> report, CancellationToken ct)
    {
        await new InitialRamDisk(node.Shell).WriteAsync("rootfs-init.sh", into, workshop, progress => report(progress with { Percent = progress.Percent / 10 }), ct);
        var root = new DebianRoot(node.Shell, $"{workshop}/root");
        await root.MakeAsync(mirrors, Packages, progress => report(progress with { Percent = 10 + (progress.Percent / 2) }), ct);
        report(new("write the disk", 70));
        Configure(root);
        var raw = $"{workshop}/disk.raw";
        await using (var file = File.Create(raw))
        {
            file.SetLength(DiskBytes);
        }

        await BootDisk.ExtAsync(node.Shell, root.Folder, raw, RootUuid, 0, DiskBytes / 1024, ct);
        await new QemuImg(node.Shell, node.ToolUids).ConvertAsync(raw, "raw", $"{into}/disk", DiskBytes, percent => report(new("convert to qcow2", 80 + (percent / 10))), ct);
    }

    private static void Configure(DebianRoot root)
    {
        root.Anonymise("debian");
        root.Link("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf");
        root.Write("etc/fstab", "/dev/vda / ext4 errors=remount-ro,x-systemd.growfs 0 1\n");
        root.Write("etc/systemd/network/80-any.network", "[Match]\nType=ether\n\n[Network]\nDHCP=yes\n");
        root.Link("etc/systemd/system/multi-user.target.wants/systemd-networkd.service", "/lib/systemd/system/systemd-networkd.service");
        root.Write("etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf", "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --keep-baud 115200 - $TERM\n");
    }
}
