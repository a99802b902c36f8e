using Gantry.Contracts;
using Gantry.Node.Host;
using Gantry.Node.Images;
using Gantry.Node.Pools;

namespace Gantry.Node.Tests.Pools;

/// <summary>Reads and writes disks as a guest would: whole blocks, through the chain as the pool tells it.</summary>
internal static class TestDisks
{
    public const int BlockBytes = 64 << 10;

    private static readonly Shell Plain = new(TimeProvider.System);

    /// <summary>Writes a pattern into a block of the top.</summary>
    public static Task WriteAsync(Disk disk, params IEnumerable<(int Block, byte Value)> blocks) => WriteAsync(Plain, disk, blocks);

    /// <param name="shell">Where the disk can be reached.</param>
    public static Task WriteAsync(IShell shell, Disk disk, params IEnumerable<(int Block, byte Value)> blocks) =>
        RunAsync(shell, disk, blocks.Select(b => $"write -P {b.Value} {(long)b.Block * BlockBytes} {BlockBytes}"));

    public static Task DiscardAsync(Disk disk, int block) => RunAsync(Plain, disk, [$"write -z -u {(long)block * BlockBytes} {BlockBytes}"]);

    /// <summary>The pattern of each block; -1 for one that is not of one.</summary>
    public static Task<int[]> ReadAsync(Disk disk, string folder) => ReadAsync(Plain, disk, folder);

    /// <param name="shell">Where the disk can be reached.</param>
    public static async Task<int[]> ReadAsync(IShell shell, Disk disk, string folder)
    {
        var raw = $"{folder}/{Id<Pool>.New()}.raw";
        using var keys = RbdLoan.Of(0, NodePools.FilesOf(disk));
        await shell.RunAsync(new("qemu-img", ["convert", .. keys.Options, "-O", "raw", Chain(disk), raw], TimeSpan.FromMinutes(2)), default);
        var bytes = await File.ReadAllBytesAsync(raw);
        File.Delete(raw);
        return [.. bytes.Chunk(BlockBytes).Select(b => b.AsSpan().ContainsAnyExcept(b[0]) ? -1 : b[0])];
    }

    private static async Task RunAsync(IShell shell, Disk disk, IEnumerable<string> commands)
    {
        using var keys = RbdLoan.Of(0, NodePools.FilesOf(disk));
        var said = await shell.RunAsync(new("qemu-io", [.. keys.Options, .. commands.SelectMany(c => (string[])["-c", c]), Chain(disk)], TimeSpan.FromMinutes(2)), default);
        said.Output.ShouldNotContain("failed");
    }

    private static string Chain(Disk disk)
    {
        var below = "null";
        foreach (var layer in disk.Layers.Reverse())
        {
            var file = layer.Rbd?.ToBlock().ToJsonString() ?? $$$"""{"driver":"{{{(layer.Format == Gantry.Node.Pools.DiskFormat.Device ? "host_device" : "file")}}}","filename":"{{{layer.Path}}}"}""";
            below = layer.Format != Gantry.Node.Pools.DiskFormat.Qcow2 ? $$$"""{"driver":"raw","file":{{{file}}}}""" : $$$"""{"driver":"qcow2","file":{{{file}}},"backing":{{{below}}}}""";
        }

        return $"json:{below}";
    }
}
