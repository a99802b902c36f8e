using Gantry.Contracts;
using Gantry.Node.Pools;

namespace Gantry.Node.Drivers;

/// <summary>Merges layers where they are open, in the instance's driver, and else in its pool.</summary>
internal sealed class DriverMerging(LocalNode node, Id<Instance> id, Action<DiskProgress> report) : IDiskMerging
{
    private readonly IDisks? _driver = node.DisksOf(id);

    public Task<bool> SwitchAsync(CancellationToken ct) => node.SwitchLayersAsync(id, ct);

    public async Task CommitAsync(DiskName disk, Disk chain, DiskLayer upper, CancellationToken ct)
    {
        if (_driver is null || !await _driver.CommitLayerAsync(id, disk.Name, chain, upper, report, ct))
        {
            await node.Context.Pools.Offline.CommitAsync(disk, chain, upper, ct);
        }
    }

    public async Task StreamAsync(DiskName disk, Disk chain, DiskLayer upper, CancellationToken ct)
    {
        if (_driver is null || !await _driver.StreamLayerAsync(id, disk.Name, chain, upper, report, ct))
        {
            throw DiskErrors.JobFailed(disk.Name, "its guest ended, or has it not open any more.");
        }
    }
}
