using System.Buffers.Binary;
using Gantry.Contracts;

namespace Gantry.Node.Images;

/// <summary>
/// Puts GRUB where a BIOS finds it on a disk with a GUID partition table: boot.img in the master boot record, core.img
/// in the BIOS boot partition, as grub-bios-setup does (GRUB 2.06: util/setup.c; the offsets are those of
/// include/grub/i386/pc/boot.h and include/grub/offsets.h).
/// </summary>
internal static class BiosBoot
{
    private const int SectorBytes = 512;

    /// <summary>GRUB_BOOT_MACHINE_KERNEL_SECTOR: where boot.img reads core.img's first sector from, 64 bits.</summary>
    private const int KernelSectorOffset = 0x5c;

    /// <summary>GRUB_BOOT_MACHINE_DRIVE_CHECK: a jump, made two no-operations on a hard disk, past BIOSes that name the wrong drive.</summary>
    private const int DriveCheckOffset = 0x66;

    /// <summary>GRUB_BOOT_MACHINE_WINDOWS_NT_MAGIC: from here on the master boot record is the partition table's.</summary>
    private const int CodeBytes = 0x1b8;

    /// <summary>
    /// The last block list at the end of core.img's first sector (diskboot.img), struct grub_pc_bios_boot_blocklist: the sector
    /// the rest starts at, 64 bits, and how many they are, 16 bits. The segment behind stays.
    /// </summary>
    private const int BlockListOffset = SectorBytes - 12;

    /// <param name="disk">Open for writing.</param>
    /// <param name="start">First sector of the BIOS boot partition.</param>
    /// <param name="sectors">How many it has.</param>
    /// <exception cref="Refusal"><c>image.package_odd</c></exception>
    public static void Install(Stream disk, byte[] boot, byte[] core, long start, int sectors)
    {
        var used = (core.Length + SectorBytes - 1) / SectorBytes;
        if (boot.Length != SectorBytes || used < 2 || used > sectors)
        {
            throw ImageErrors.PackageOdd("grub-pc-bin", $"boot.img has {boot.Length} bytes, core.img {core.Length}.");
        }

        Span<byte> record = stackalloc byte[SectorBytes];
        boot.CopyTo(record);
        BinaryPrimitives.WriteInt64LittleEndian(record[KernelSectorOffset..], start);
        record.Slice(DriveCheckOffset, 2).Fill(0x90);

        var kernel = new byte[used * SectorBytes];
        core.CopyTo(kernel);
        BinaryPrimitives.WriteInt64LittleEndian(kernel.AsSpan(BlockListOffset), start + 1);
        BinaryPrimitives.WriteUInt16LittleEndian(kernel.AsSpan(BlockListOffset + sizeof(long)), (ushort)(used - 1));

        disk.Position = 0;
        disk.Write(record[..CodeBytes]);
        disk.Position = start * SectorBytes;
        disk.Write(kernel);
    }
}
