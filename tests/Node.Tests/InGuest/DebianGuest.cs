using System.Globalization;
using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;

namespace Gantry.Node.Tests.InGuest;

/// <summary>
/// A Debian with a kernel of its own that has what this machine's may lack (device-mapper, NFS, CIFS), as a virtual machine without a network.
/// Its system disk is made once and kept in the machine's cache; a second disk brings these tests, a third is empty and theirs to use.
/// </summary>
internal sealed class DebianGuest(TestRoot root)
{
    /// <summary>Part of the cache's key: goes up with every change of what the disk is.</summary>
    private const int Version = 2;

    private const string RootUuid = "0f0e7a52-2c1b-4a7e-9d53-6b1c2f3e4d01", BroughtUuid = "0f0e7a52-2c1b-4a7e-9d53-6b1c2f3e4d02";
    private const long DiskBytes = 4096 * Limits.MiB, BroughtBytes = 2048 * Limits.MiB, EmptyBytes = 4096 * Limits.MiB;

    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(120);

    private static readonly string[] Packages =
    [
        "util-linux", "udev", "kmod", "procps", "iproute2", "e2fsprogs", "qemu-utils", "lvm2", "thin-provisioning-tools",
        "nfs-kernel-server", "nfs-common", "samba", "cifs-utils",
    ];

    private string Folder => $"{root.Path}/guest";

    /// <summary>Boots it, has it run the tests of a trait, and switches it off.</summary>
    /// <param name="suite">The value of the trait <c>Guest</c>.</param>
    /// <returns>What the tests wrote, and what was on the console meanwhile.</returns>
    public async Task<(string Findings, string Console)> RunAsync(string suite, CancellationToken ct)
    {
        Directory.CreateDirectory(Folder);
        var debian = (await DebianMirrors.AskAsync(root.Context.Shell, ct)).Suite;
        await new ImageCache(TimeProvider.System).FillAsync($"in-guest-{Version}-{debian}-x86_64", Folder, () => MakeAsync(ct), _ => { }, ct);
        await BringAsync(suite, ct);
        var (findings, console) = ($"{Folder}/findings", $"{Folder}/console");
        var ended = "";
        try
        {
            await root.Context.Shell.RunAsync(new("qemu-system-x86_64",
            [
                "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048", "-nodefaults", "-no-user-config", "-display", "none",
                "-no-reboot", "-kernel", $"{Folder}/kernel", "-initrd", $"{Folder}/initrd", "-device", "virtio-rng-pci",
                "-append", string.Create(CultureInfo.InvariantCulture, $"console=ttyS0 quiet panic=-1 root=/dev/vda init=/in-guest tsc_early_khz={HostFacts.Read().ClockKhz}"),
                "-drive", $"if=virtio,format=qcow2,snapshot=on,cache=unsafe,file={Folder}/disk", "-drive", $"if=virtio,format=raw,cache=unsafe,file={Folder}/brought.raw",
                "-drive", $"if=virtio,format=raw,cache=unsafe,discard=unmap,file={Folder}/empty.raw",
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
        await new InitialRamDisk(root.Context.Shell).WriteAsync("rootfs-init.sh", Folder, workshop, _ => { }, ct);
        var tree = new DebianRoot(root.Context.Shell, $"{workshop}/root");
        await tree.MakeAsync(await DebianMirrors.AskAsync(root.Context.Shell, ct), Packages, _ => { }, ct);
        tree.Write("etc/hosts", "127.0.0.1 localhost guest\n");
        await RunAsync("cp", ["-r", $"{workshop}/kernel/lib/modules", tree.In("usr/lib/modules")], ct);
        await tree.RunAsync("depmod", ["-a", Path.GetFileName(Directory.GetDirectories(tree.In("usr/lib/modules")).Single())], ct);
        Directory.CreateDirectory(tree.In("brought"));
        tree.Write("in-guest", "#!/bin/sh\nmount -t ext4 -o ro /dev/vdb /brought\nexec /bin/sh /brought/run\n");
        File.SetUnixFileMode(tree.In("in-guest"), (UnixFileMode)0b111_101_101);
        await DiskAsync(tree.Folder, $"{workshop}/disk.raw", RootUuid, DiskBytes, ct);
        await new QemuImg(root.Context.Shell, root.Context.ToolUids).ConvertAsync($"{workshop}/disk.raw", "raw", $"{Folder}/disk", DiskBytes, _ => { }, ct);
    }

    /// <summary>These tests as they were built, and the runtime they run on here.</summary>
    private async Task BringAsync(string suite, CancellationToken ct)
    {
        var brought = $"{root.Path}/brought";
        var runtime = Path.GetFullPath($"{Path.GetDirectoryName(typeof(object).Assembly.Location)}/../../..");
        Directory.CreateDirectory($"{brought}/dotnet");
        await RunAsync("cp", ["-r", AppContext.BaseDirectory, $"{brought}/tests"], ct);
        await RunAsync("cp", ["-r", $"{runtime}/host", $"{runtime}/shared", $"{brought}/dotnet"], ct);
        await File.WriteAllTextAsync($"{brought}/suite", $"{suite}\n", ct);
        File.Copy($"{AppContext.BaseDirectory}/InGuest/run.sh", $"{brought}/run");
        await DiskAsync(brought, $"{Folder}/brought.raw", BroughtUuid, BroughtBytes, ct);
        await using var empty = File.Create($"{Folder}/empty.raw");
        empty.SetLength(EmptyBytes);
    }

    private async Task DiskAsync(string folder, string disk, string uuid, long bytes, CancellationToken ct)
    {
        await using (var file = File.Create(disk))
        {
            file.SetLength(bytes);
        }

        await BootDisk.ExtAsync(root.Context.Shell, folder, disk, uuid, 0, bytes / 1024, ct);
    }

    private Task RunAsync(string program, string[] arguments, CancellationToken ct) => root.Context.Shell.RunAsync(new(program, arguments, TimeSpan.FromMinutes(10)), ct);

    private static string Plain(string text) => text.Replace("\r", "", StringComparison.Ordinal);
}
