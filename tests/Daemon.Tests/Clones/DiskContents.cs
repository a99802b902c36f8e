using Gantry.Contracts;
using Gantry.Node;
using Gantry.Node.Host;
using Gantry.Node.Pools;

namespace Gantry.Daemon.Tests.Clones;

/// <summary>What is on a disk that nothing has open, written and read past Gantry.</summary>
internal static class DiskContents
{
    private static readonly Shell Shell = new(TimeProvider.System);

    /// <param name="value">Written over and over to the first 64 KiB.</param>
    public static async Task WriteAsync(LocalNode node, Id<Instance> instance, string volume, byte value, Id<Pool>? pool = null)
    {
        var top = (await node.Context.Pools.Of(pool).FindAsync(new($"{instance}", volume), default)).Top;
        await Shell.RunAsync(new("qemu-io", ["-f", top.Format.ToString().ToLowerInvariant(), "-c", $"write -P {value} 0 64k", top.Path], TimeSpan.FromMinutes(1)), default);
    }

    public static async Task<byte[]> ReadAsync(LocalNode node, Id<Instance> instance, string volume, Id<Pool>? pool = null)
    {
        var disk = await node.Context.Pools.Of(pool).FindAsync(new($"{instance}", volume), default);
        var raw = $"{node.Context.Root.Data}/{Guid.CreateVersion7():N}.raw";
        await Shell.RunAsync(new("qemu-img", ["convert", "-U", "-O", "raw", $"json:{Chain(disk.Layers)}", raw], TimeSpan.FromMinutes(1)), default);
        try
        {
            return await File.ReadAllBytesAsync(raw);
        }
        finally
        {
            File.Delete(raw);
        }
    }

    private static string Chain(IEnumerable<DiskLayer> layers) => layers.Reverse().Aggregate("null", (below, layer) =>
        $$"""{"driver":"{{layer.Format.ToString().ToLowerInvariant()}}","file":{"driver":"file","filename":"{{layer.Path}}"}{{(layer.Format == Gantry.Node.Pools.DiskFormat.Qcow2 ? $",\"backing\":{below}" : "")}}}""");
}
