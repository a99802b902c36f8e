using System.Globalization;
using Gantry.Contracts;
using Gantry.Daemon.Tests.Support;
using Gantry.Node;
using Gantry.Node.Host;
using Gantry.Node.Images;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gantry.Daemon.Tests.Deploy;

/// <summary>
/// A Debian with systemd, AppArmor and what Gantry needs of Debian, but without Gantry and without a network, as a virtual machine.
/// Its system disk is made once and kept in the machine's cache; a second disk brings what is to be tried, and the script that does it.
/// </summary>
internal sealed class SystemdGuest(TestRoot root)
{
    /// <summary>Part of the cache's key: goes up with every change of what the disk is.</summary>
    private const int Version = 2;

    private const string RootUuid = "5b1e7d0a-3c54-4f63-9a0e-7d0f1f0a5c21", BroughtUuid = "9d6c1f52-6b0e-4c0a-8f0b-2b1d3a4c5e6f";
    private const long DiskBytes = 6144 * Limits.MiB, BroughtBytes = 3072 * Limits.MiB;

    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(90);
    private static readonly TimeSpan ShortDeadline = TimeSpan.FromMinutes(5);

    private static readonly string[] Packages =
    [
        "systemd-sysv", "udev", "dbus", "apparmor", "procps", "iproute2", "nftables", "dnsmasq-base", "ca-certificates", "e2fsprogs",
        "qemu-system-x86", "qemu-utils", "postgresql", "cpio", "zstd", "xz-utils",
    ];

    private readonly NodeContext _node = NodeContext.Open(GantryRoot.At(root.Path), TimeProvider.System, NullLoggerFactory.Instance);

    private string Folder => $"{root.Path}/guest";

    /// <summary>Where a test puts what it brings; there it is /brought, and /brought/run is what is run.</summary>
    public string Brought => $"{root.Path}/brought";

    /// <summary>Boots it, lets it run what was brought and switch itself off.</summary>
    /// <returns>What the script wrote, and what was on the console meanwhile.</returns>
    public async Task<(string Findings, string Console)> RunAsync(CancellationToken ct)
    {
        Directory.CreateDirectory(Folder);
        var suite = (await DebianMirrors.AskAsync(_node.Shell, ct)).Suite;
        await new ImageCache(TimeProvider.System).FillAsync($"systemd-{Version}-{suite}-x86_64", Folder, () => MakeAsync(ct), _ => { }, ct);
        var brought = $"{Folder}/brought.raw";
        await WriteDiskAsync(Brought, brought, BroughtUuid, BroughtBytes, ct);
        var (findings, console) = ($"{Folder}/findings", $"{Folder}/console");
        var ended = "";
        try
        {
            await _node.Shell.RunAsync(new("qemu-system-x86_64",
            [
                "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048", "-nodefaults", "-no-user-config", "-display", "none",
                "-no-reboot", "-kernel", $"{Folder}/kernel", "-initrd", $"{Folder}/initrd", "-device", "virtio-rng-pci",
                "-append", string.Create(CultureInfo.InvariantCulture, $"console=ttyS0 quiet panic=-1 root=/dev/vda systemd.show_status=0 systemd.default_timeout_start_sec=900 tsc_early_khz={HostFacts.Read().ClockKhz}"),
                "-drive", $"if=virtio,format=qcow2,snapshot=on,cache=unsafe,file={Folder}/disk", "-drive", $"if=virtio,format=raw,cache=unsafe,file={brought}",
                "-serial", $"file:{console}", "-serial", $"file:{findings}",
            ], Deadline) { EndsWithDaemon = true, Environment = new Dictionary<string, string> { ["TMPDIR"] = root.Path } }, ct);
        }
        catch (CommandFailed e)
        {
            // What it came to say until then is worth more.
            ended = e.Message;
        }

        return (Plain(await File.ReadAllTextAsync(findings, ct)), Plain(await File.ReadAllTextAsync(console, ct)) + ended);
    }

    private async Task MakeAsync(CancellationToken ct)
    {
        var workshop = $"{root.Path}/workshop";
        Directory.CreateDirectory(workshop);
        await new InitialRamDisk(_node.Shell).WriteAsync("rootfs-init.sh", Folder, workshop, _ => { }, ct);
        var tree = new DebianRoot(_node.Shell, $"{workshop}/root");
        await tree.MakeAsync(await DebianMirrors.AskAsync(_node.Shell, ct), Packages, _ => { }, ct);
        tree.Anonymise("debian");
        tree.Write("etc/fstab", "/dev/vda / ext4 defaults 0 0\n/dev/vdb /brought ext4 ro,x-systemd.device-timeout=300 0 0\n");
        Directory.CreateDirectory(tree.In("brought"));

        // Debian's own cluster and its timers would only take time here; the console is the kernel's, and nobody signs in.
        foreach (var unit in (string[])["postgresql.service", "serial-getty@ttyS0.service", "apt-daily.timer", "apt-daily-upgrade.timer", "systemd-networkd-wait-online.service"])
        {
            tree.Link($"etc/systemd/system/{unit}", "/dev/null");
        }

        tree.Write("etc/systemd/system/brought.service", """
            [Unit]
            After=multi-user.target
            RequiresMountsFor=/brought

            [Service]
            Type=oneshot
            ExecStart=/bin/bash /brought/run
            StandardOutput=file:/dev/ttyS1
            StandardError=inherit
            ExecStopPost=systemctl poweroff --no-block
            TimeoutStartSec=infinity

            """);
        tree.Link("etc/systemd/system/graphical.target.wants/brought.service", "../brought.service");
        tree.Link("etc/systemd/system/default.target", "/lib/systemd/system/graphical.target");
        await AddRepositoryAsync(tree, ct);
        await WriteDiskAsync(tree.Folder, $"{workshop}/disk.raw", RootUuid, DiskBytes, ct);
        await new QemuImg(_node.Shell, _node.ToolUids).ConvertAsync($"{workshop}/disk.raw", "raw", $"{Folder}/disk", DiskBytes, _ => { }, ct);
    }

    /// <summary>The image micro is made of Debian packages; without a network these come from a repository of files.</summary>
    private async Task AddRepositoryAsync(DebianRoot tree, CancellationToken ct)
    {
        const string meta = "linux-image-cloud-amd64";
        var kernel = await new DebianPackages(_node.Shell).ResolveAsync(meta, "linux-image-", ct);
        var index = (await _node.Shell.RunAsync(new("apt-cache", ["show", "--no-all-versions", meta, kernel, "busybox-static"], ShortDeadline), ct)).Output;
        tree.Write("repository/Packages", index);
        foreach (var stanza in index.Split("\n\n", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var fields = stanza.Split('\n').Where(l => !l.StartsWith(' ')).Select(l => l.Split(": ", 2)).Where(f => f.Length == 2).ToDictionary(f => f[0], f => f[1]);
            if (fields["Package"] != meta)
            {
                var kept = $"{DebianPackages.CacheFolder()}/packages/{fields["Package"]}_{fields["Version"].Replace(":", "%3a", StringComparison.Ordinal)}_{fields["Architecture"]}.deb";
                Directory.CreateDirectory(Path.GetDirectoryName(tree.In($"repository/{fields["Filename"]}"))!);
                File.Copy(kept, tree.In($"repository/{fields["Filename"]}"));
            }
        }

        File.Delete(tree.In("etc/apt/sources.list"));
        foreach (var file in Directory.GetFiles(tree.In("etc/apt/sources.list.d")))
        {
            File.Delete(file);
        }

        tree.Write("etc/apt/sources.list", "deb [trusted=yes] file:/repository ./\n");
        await tree.RunAsync("apt-get", ["update"], ct);
    }

    private async Task WriteDiskAsync(string folder, string disk, string uuid, long bytes, CancellationToken ct)
    {
        await using (var file = File.Create(disk))
        {
            file.SetLength(bytes);
        }

        await BootDisk.ExtAsync(_node.Shell, folder, disk, uuid, 0, bytes / 1024, ct);
    }

    private static string Plain(string text) => text.Replace("\r", "", StringComparison.Ordinal);
}
