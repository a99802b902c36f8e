using System.Security.Cryptography;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Images;

/// <summary>A new image's folder while it is filled, inside its workshop; renamed to its own place when all is in it.</summary>
internal sealed class ImageMaking : IAsyncDisposable
{
    private const UnixFileMode PassThrough = (UnixFileMode)0b111_101_101;
    private const UnixFileMode ForAllToRead = (UnixFileMode)0b110_100_100;

    private readonly NodeContext _node;
    private readonly Id<Image> _id;

    private ImageMaking(NodeContext node, Id<Image> id, string folder) => (_node, _id, Folder) = (node, id, folder);

    public string Folder { get; }

    /// <summary>Begins with an empty folder, whatever a run before left.</summary>
    public static ImageMaking Begin(NodeContext node, Id<Image> id)
    {
        var workshop = ImageFolders.Workshop(node.Root, id);
        Directory.CreateDirectory(workshop);
        File.SetUnixFileMode(workshop, (UnixFileMode)0b111_001_001);
        var making = new ImageMaking(node, id, $"{workshop}/image");
        making.Clear();
        Directory.CreateDirectory(making.Folder);
        File.SetUnixFileMode(making.Folder, PassThrough);
        return making;
    }

    /// <summary>Sums and sizes are taken of the files as they lie there; the rest is told.</summary>
    public async Task FinishAsync(ImageFiles about, CancellationToken ct)
    {
        var sums = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var size = 0L;
        foreach (var file in new DirectoryInfo(Folder).EnumerateFiles())
        {
            await using var content = file.OpenRead();
            sums[file.Name] = Convert.ToHexStringLower(await SHA256.HashDataAsync(content, ct));
            size += file.Length;
            File.SetUnixFileMode(file.FullName, ForAllToRead);
        }

        var disk = sums.ContainsKey("disk") ? await new QemuImg(_node.Shell, _node.ToolUids).InfoAsync($"{Folder}/disk", "qcow2", ct) : null;
        ImageFolders.Write(Folder, about with { SizeBytes = size, Sha256 = sums, DiskBytes = disk?.VirtualBytes });
        Directory.Move(Folder, ImageFolders.Path(_node.Root, _id));
        Posix.SyncDirectory(_node.Root.Images);
    }

    public ValueTask DisposeAsync()
    {
        Clear();
        return ValueTask.CompletedTask;
    }

    private void Clear()
    {
        if (Directory.Exists(Folder))
        {
            Directory.Delete(Folder, recursive: true);
        }
    }
}
