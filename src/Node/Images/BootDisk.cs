using System.Globalization;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Images;

/// <summary>
/// A disk made of a Debian root file system without a loop device: partitions by sfdisk, ext4 by <c>mkfs.ext4 -d</c>, the EFI system
/// partition by mtools. It boots by UEFI, with Secure Boot too (shim and GRUB as Debian signed them), and by BIOS.
/// </summary>
internal sealed class BootDisk(IShell shell, DebianRoot root, string workshop)
{
    /// <summary>Of the root file system: what boots it looks for it by this.</summary>
    public const string RootUuid = "6a7c3b52-5f0e-4b6f-9d2c-0d7c1f9b2e10";

    public const string EspLabel = "ESP";

    private const long DiskBytes = 2048 * Limits.MiB;
    private const int SectorBytes = 512;

    // Numbered as Debian's own cloud images are: the root is the first partition and lies last, so it can grow.
    private const long BiosStart = 2048, BiosSectors = 2048;
    private const long EspStart = 4096, EspSectors = 253_952;
    private const long RootStart = 262_144;

    private static readonly string Partitions = string.Create(CultureInfo.InvariantCulture, $"""
        label: gpt
        14: start={BiosStart}, size={BiosSectors}, type=21686148-6449-6E6F-744E-656564454649
        15: start={EspStart}, size={EspSectors}, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
        1: start={RootStart}, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709

        """);

    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(10);

    /// <summary>The first words of GRUB, before it finds its own: where the root is.</summary>
    private static readonly string FindRoot = $"search.fs_uuid {RootUuid} root\nset prefix=($root)/boot/grub\n";

    /// <summary>Writes the disk, raw; the root's own files must be as they are to be.</summary>
    public async Task WriteAsync(string disk, CancellationToken ct)
    {
        await using (var file = File.Create(disk))
        {
            file.SetLength(DiskBytes);
        }

        await ToolAsync("sfdisk", ["--quiet", disk], "fdisk", ct, Partitions);
        await WriteBiosAsync(disk, ct);
        await WriteEspAsync(disk, ct);
        await ExtAsync(shell, root.Folder, disk, RootUuid, RootStart * SectorBytes, (DiskBytes / 1024) - (RootStart / 2) - 1024, ct);
    }

    /// <summary>An ext4 with the files of a folder, in a file at an offset.</summary>
    /// <remarks>Without two features that GRUB 2.06 cannot read; the file is new, so its zeros need not be written.</remarks>
    public static Task ExtAsync(IShell shell, string folder, string disk, string uuid, long offset, long kibibytes, CancellationToken ct) => ToolAsync(shell, "mkfs.ext4",
    [
        "-q", "-F", "-d", folder, "-L", "root", "-U", uuid, "-O", "^metadata_csum_seed,^orphan_file",
        "-E", string.Create(CultureInfo.InvariantCulture, $"offset={offset},assume_storage_prezeroed=1"), disk, string.Create(CultureInfo.InvariantCulture, $"{kibibytes}k"),
    ], "e2fsprogs", ct);

    private async Task WriteBiosAsync(string disk, CancellationToken ct)
    {
        var modules = root.In("usr/lib/grub/i386-pc");
        Directory.CreateDirectory(root.In("boot/grub/i386-pc"));
        foreach (var file in Directory.GetFiles(modules, "*.mod").Concat(Directory.GetFiles(modules, "*.lst")))
        {
            File.Copy(file, root.In($"boot/grub/i386-pc/{Path.GetFileName(file)}"), overwrite: true);
        }

        const string early = "tmp/early.cfg", made = "tmp/core.img";
        root.Write(early, FindRoot);
        await root.RunAsync("grub-mkimage", ["-O", "i386-pc", "-o", $"/{made}", "-p", "/boot/grub", "-c", $"/{early}", "biosdisk", "part_gpt", "ext2", "search_fs_uuid", "normal"], ct);
        await using (var to = File.OpenWrite(disk))
        {
            BiosBoot.Install(to, await File.ReadAllBytesAsync($"{modules}/boot.img", ct), await File.ReadAllBytesAsync(root.In(made), ct), BiosStart, (int)BiosSectors);
        }

        File.Delete(root.In(early));
        File.Delete(root.In(made));
    }

    private async Task WriteEspAsync(string disk, CancellationToken ct)
    {
        var (esp, grub) = ($"{workshop}/esp", $"{workshop}/grub.cfg");
        await using (var file = File.Create(esp))
        {
            file.SetLength(EspSectors * SectorBytes);
        }

        await File.WriteAllTextAsync(grub, $"{FindRoot}configfile $prefix/grub.cfg\n", ct);
        await ToolAsync("mkfs.vfat", ["-F", "32", "-n", EspLabel, esp], "dosfstools", ct);
        await ToolAsync("mmd", ["-i", esp, "::/EFI", "::/EFI/BOOT", "::/EFI/debian"], "mtools", ct);
        (string From, string To)[] files =
        [
            (root.In("usr/lib/shim/shimx64.efi.signed"), "BOOT/BOOTX64.EFI"),
            (root.In("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"), "BOOT/grubx64.efi"),
            (root.In("usr/lib/shim/mmx64.efi.signed"), "BOOT/mmx64.efi"),
            (grub, "debian/grub.cfg"), // Debian's signed GRUB looks there, wherever it lies itself
        ];
        foreach (var (from, to) in files)
        {
            await ToolAsync("mcopy", ["-i", esp, from, $"::/EFI/{to}"], "mtools", ct);
        }

        await using var source = File.OpenRead(esp);
        await using var target = File.OpenWrite(disk);
        target.Position = EspStart * SectorBytes;
        await SparseCopy.ToAsync(source, target, ct);
    }

    private Task ToolAsync(string program, IReadOnlyList<string> arguments, string package, CancellationToken ct, string? input = null) =>
        ToolAsync(shell, program, arguments, package, ct, input);

    private static async Task ToolAsync(IShell shell, string program, IReadOnlyList<string> arguments, string package, CancellationToken ct, string? input = null)
    {
        try
        {
            await shell.RunAsync(new(program, arguments, Deadline, Input: input) { EndsWithDaemon = true }, ct);
        }
        catch (CommandFailed e) when (e.ExitCode == 127)
        {
            throw ImageErrors.ToolMissing(program, package);
        }
        catch (CommandFailed e) when (e.Errors.Contains("No space left", StringComparison.Ordinal))
        {
            throw ImageErrors.NoSpace(arguments[^1]);
        }
    }
}
