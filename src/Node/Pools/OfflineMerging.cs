using Gantry.Node.Images;

namespace Gantry.Node.Pools;

/// <summary>Merges layers of disks that no guest has open.</summary>
public sealed class OfflineMerging(QemuImg qemu) : IDiskMerging
{
    public Task<bool> SwitchAsync(CancellationToken ct) => Task.FromResult(false);

    public Task CommitAsync(DiskName disk, Disk chain, DiskLayer upper, CancellationToken ct) =>
        qemu.CommitAsync(NodePools.FilesOf(chain with { Layers = [.. chain.Layers.SkipWhile(l => l != upper)] }), ct);

    public Task StreamAsync(DiskName disk, Disk chain, DiskLayer upper, CancellationToken ct) =>
        throw new InvalidOperationException($"{disk} is not open, so its layers are committed.");
}
