using System.Globalization;
using System.Text;
using System.Text.Json;
using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Daemon.Tests.Snapshots;

/// <summary>What a disk was in a snapshot, read past Gantry: by qemu-img from the layers that the pool's record names.</summary>
internal static class SnapshotContents
{
    public static async Task<byte[]> ReadAsync(string root, Id<Instance> instance, string disk, Id<Snapshot> snapshot)
    {
        var folder = $"{root}/data/pools/local/{instance}";
        using var record = JsonDocument.Parse(await File.ReadAllBytesAsync($"{folder}/disks.json"));
        var tree = record.RootElement.GetProperty("disks").GetProperty(disk).GetProperty("tree");
        var layers = tree.GetProperty("layers");
        var chain = Chain(tree.GetProperty("snapshots").GetProperty(snapshot.ToString()).GetString());
        var raw = $"{root}/{snapshot}.raw";
        await new Shell(TimeProvider.System).RunAsync(new("qemu-img", ["convert", "-U", "-O", "raw", $"json:{chain}", raw], TimeSpan.FromMinutes(2)), default);
        try
        {
            return await File.ReadAllBytesAsync(raw);
        }
        finally
        {
            File.Delete(raw);
        }

        string Chain(string? layer) => layer is null ? "null"
            : $$$"""{"driver":"qcow2","file":{"driver":"file","filename":"{{{folder}}}/{{{disk}}}/{{{layer}}}.qcow2"},"backing":{{{Chain(layers.GetProperty(layer).GetProperty("parent").GetString())}}}}""";
    }
}

/// <summary>Blocks of 4096 bytes, each its number over and over, and nothing behind them.</summary>
internal static class NumberedBlocks
{
    private const int Size = 4096;

    public static int Count(ReadOnlySpan<byte> disk)
    {
        var count = 0;
        for (; ; count++)
        {
            var line = Encoding.ASCII.GetBytes(count.ToString("D7", CultureInfo.InvariantCulture) + "\n");
            var block = disk.Slice(count * Size, Size);
            if (!block.StartsWith(line))
            {
                break;
            }

            for (var at = 0; at < Size; at += line.Length)
            {
                block.Slice(at, line.Length).SequenceEqual(line).ShouldBeTrue($"block {count} is torn");
            }
        }

        disk[(count * Size)..].ContainsAnyExcept((byte)0).ShouldBeFalse($"there is something behind {count} blocks");
        return count;
    }
}
