using System.Globalization;
using System.IO.Compression;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Images;

/// <summary>Debian's cloud kernel as it is, and an initial RAM disk of busybox, the modules of virtual machines and a script.</summary>
/// <param name="debian">Debian's word for the architecture.</param>
internal sealed class InitialRamDisk(IShell shell, string debian = InitialRamDisk.Native)
{
    private const string Native = "amd64";
    private const UnixFileMode ForAllToRead = (UnixFileMode)0b110_100_100;

    private static readonly string[] Modules =
        ["virtio_mmio", "virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "virtio_rng", "virtio_balloon", "button", "evdev", "pvpanic_mmio", "pvpanic_pci"];

    /// <summary>Further embedded scripts, by where they go.</summary>
    public IReadOnlyDictionary<string, string> Tools { get; init; } = new Dictionary<string, string>();

    private readonly DebianPackages _packages = new(shell, architecture: debian == Native ? null : debian);

    private static readonly string[] Folders = ["bin", "dev", "etc", "mnt", "modules", "proc", "root", "run", "sys", "tmp"];

    /// <summary>Puts <c>kernel</c> and <c>initrd</c> into a folder.</summary>
    /// <param name="script">The embedded script that is its PID 1.</param>
    /// <param name="workshop">A folder for what is needed on the way.</param>
    public async Task WriteAsync(string script, string into, string workshop, Action<Progress> report, CancellationToken ct)
    {
        report(new("find packages", 0));
        var kernel = await _packages.ResolveAsync($"linux-image-cloud-{debian}", "linux-image-", ct);
        report(new("fetch and unpack kernel", 10));
        await _packages.UnpackAsync(kernel, $"{workshop}/kernel", $"{workshop}/fetched", ct);
        report(new("fetch and unpack busybox", 60));
        await _packages.UnpackAsync("busybox-static", $"{workshop}/busybox", $"{workshop}/fetched", ct);
        if (debian != Native)
        {
            // One for this machine too, to be asked which commands it has: they are the same everywhere.
            await new DebianPackages(shell).UnpackAsync("busybox-static", $"{workshop}/native", $"{workshop}/fetched", ct);
        }

        report(new("write kernel and initial RAM disk", 80));
        var vmlinuz = Directory.GetFiles($"{workshop}/kernel/boot", "vmlinuz-*") is [var only] ? only : throw ImageErrors.PackageOdd(kernel, "it holds not one kernel.");
        File.Copy(vmlinuz, $"{into}/kernel");
        await WriteArchiveAsync($"{into}/initrd", script, Tools, new($"{workshop}/kernel/lib/modules"), (Busybox($"{workshop}/busybox"), await CommandsAsync(Busybox(debian == Native ? $"{workshop}/busybox" : $"{workshop}/native"), ct)), ct);
        foreach (var file in (string[])[$"{into}/kernel", $"{into}/initrd"])
        {
            File.SetUnixFileMode(file, ForAllToRead);
        }
    }

    private static string Busybox(string folder) =>
        ((string[])[$"{folder}/bin/busybox", $"{folder}/usr/bin/busybox"]).FirstOrDefault(File.Exists) ?? throw ImageErrors.PackageOdd("busybox-static", "it holds no bin/busybox.");

    private async Task<string[]> CommandsAsync(string busybox, CancellationToken ct) =>
        (await shell.RunAsync(new(busybox, ["--list"], TimeSpan.FromSeconds(30)), ct)).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static async Task WriteArchiveAsync(string path, string script, IReadOnlyDictionary<string, string> tools, KernelModules modules, (string Path, string[] Commands) busybox, CancellationToken ct)
    {
        await using var file = File.Create(path);
        await using var zipped = new GZipStream(file, CompressionLevel.Optimal);
        using var archive = new CpioArchive(zipped);
        foreach (var folder in Folders)
        {
            archive.AddFolder(folder);
        }

        archive.AddFile("bin/busybox", await File.ReadAllBytesAsync(busybox.Path, ct), executable: true);
        foreach (var command in busybox.Commands.Where(c => c != "busybox"))
        {
            archive.AddLink($"bin/{command}", "busybox");
        }

        var number = 10;
        foreach (var module in modules.InOrder(Modules))
        {
            archive.AddFile(string.Create(CultureInfo.InvariantCulture, $"modules/{number++}-{Path.GetFileName(module)}"), await File.ReadAllBytesAsync(module, ct));
        }

        foreach (var (place, name) in tools)
        {
            archive.AddFile(place, Script(name), executable: true);
        }

        archive.AddFile("init", Script(script), executable: true);
    }

    private static byte[] Script(string name)
    {
        using var script = typeof(InitialRamDisk).Assembly.GetManifestResourceStream(name)!;
        using var bytes = new MemoryStream();
        script.CopyTo(bytes);
        return bytes.ToArray();
    }
}
