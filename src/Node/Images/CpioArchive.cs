using System.Globalization;
using System.Text;

namespace Gantry.Node.Images;

/// <summary>
/// Writes the archive a Linux kernel unpacks as its first root file system: cpio in the "newc" form
/// (https://docs.kernel.org/driver-api/early-userspace/buffer-format.html). All of it belongs to root.
/// Dispose writes the trailer.
/// </summary>
internal sealed class CpioArchive(Stream to) : IDisposable
{
    private const int FolderType = 0x4000, FileType = 0x8000, LinkType = 0xA000;
    private int _inode;

    public void AddFolder(string path) => Add(path, FolderType | 0b111_101_101, []);

    public void AddFile(string path, ReadOnlySpan<byte> content, bool executable = false) =>
        Add(path, FileType | (executable ? 0b111_101_101 : 0b110_100_100), content);

    public void AddLink(string path, string target) => Add(path, LinkType | 0b111_111_111, Encoding.UTF8.GetBytes(target));

    public void Dispose() => Add("TRAILER!!!", 0, []);

    private void Add(string path, int mode, ReadOnlySpan<byte> content)
    {
        var name = Encoding.UTF8.GetBytes(path + "\0");
        var header = new StringBuilder("070701", 110);
        foreach (var field in (ReadOnlySpan<int>)[++_inode, mode, 0, 0, 1, 0, content.Length, 0, 0, 0, 0, name.Length, 0])
        {
            header.Append(CultureInfo.InvariantCulture, $"{field:x8}");
        }

        to.Write(Encoding.ASCII.GetBytes(header.ToString()));
        to.Write(name);
        Pad(header.Length + name.Length);
        to.Write(content);
        Pad(content.Length);
    }

    /// <summary>Names and contents end at a multiple of four.</summary>
    private void Pad(int length) => to.Write([0, 0, 0], 0, -length & 3);
}
