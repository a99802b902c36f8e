using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Instances;
using Gantry.Node.Pools;

namespace Gantry.Node;

public sealed partial class LocalNode
{
    /// <summary>Makes a volume for an instance, in place of none of that name, and plugs it into a running one as far as that can be done.</summary>
    /// <returns>Null when it does not run.</returns>
    /// <exception cref="Refusal"><c>pool.*</c>, <c>volume.*</c></exception>
    public async Task<DiskChange?> PlugVolumeAsync(Id<Instance> id, VolumeSpec volume, CancellationToken ct)
    {
        await ChangeVolumesAsync(id, volumes => volumes.Any(v => v.Name == volume.Name) ? volumes : volumes.Append(volume), ct);
        await _volumes.EnsureAsync(Context.Folders.Read(id), ct);
        return await NowAsync(id, "plug volumes into a running instance", able => able.PlugDiskAsync(id, volume.Name, ct), ct);
    }

    /// <summary>Pulls a volume out of a running instance; what is in it stays, and its next start has it again.</summary>
    /// <returns>Null when it does not run.</returns>
    public Task<DiskChange?> UnplugVolumeAsync(Id<Instance> id, string volume, CancellationToken ct) =>
        NowAsync(id, "pull volumes out of a running instance", able => able.UnplugDiskAsync(id, volume, ct), ct);

    /// <exception cref="Refusal"><c>volume.in_snapshot</c></exception>
    public async Task DemandRemovableAsync(Id<Instance> id, string volume, CancellationToken ct)
    {
        if (Find(id, volume) is { Device: VolumeDevice.Disk } disk && (await PoolOf(disk).SnapshotsAsync($"{id}", ct)).Count > 0)
        {
            throw DiskErrors.InSnapshot(Context.Folders.Read(id).Name, volume);
        }
    }

    /// <summary>Deletes a volume that nothing has open, with all that is in it.</summary>
    public async Task RemoveVolumeAsync(Id<Instance> id, string volume, CancellationToken ct)
    {
        if (Find(id, volume) is not { } found)
        {
            return;
        }

        if (found.Device == VolumeDevice.Disk)
        {
            await PoolOf(found).DeleteAsync(new($"{id}", volume), ct);
        }

        await ChangeVolumesAsync(id, volumes => volumes.Where(v => v.Name != volume), ct);
        await _volumes.EnsureAsync(Context.Folders.Read(id), ct); // a disc that Gantry made of settings goes with its drive
    }

    /// <summary>Stores the limits of a volume and makes them hold at once; null for none.</summary>
    /// <returns>Null when it does not run.</returns>
    /// <exception cref="Refusal"><c>volume.unknown</c></exception>
    public async Task<DiskChange?> LimitVolumeAsync(Id<Instance> id, string volume, VolumeLimits? limits, CancellationToken ct)
    {
        Demand(id, volume);
        await ChangeVolumesAsync(id, volumes => volumes.Select(v => v.Name == volume ? v with { Limits = limits } : v), ct);
        return await NowAsync(id, "limit the volumes of a running instance", able => able.LimitDiskAsync(id, volume, ct), ct);
    }

    /// <summary>Makes a volume larger, whether its guest runs or not. One that is as large already stays as it is.</summary>
    /// <returns>Null when it does not run.</returns>
    /// <exception cref="Refusal"><c>volume.unknown</c>, <c>volume.no_shrink</c>, <c>pool.*</c></exception>
    public async Task<DiskChange?> GrowVolumeAsync(Id<Instance> id, string volume, long sizeBytes, CancellationToken ct)
    {
        var found = Demand(id, volume);
        var change = await NowAsync(id, "make volumes of a running instance larger", able => able.GrowDiskAsync(id, volume, sizeBytes, ct), ct);
        if (change is null)
        {
            await PoolOf(found).GrowAsync(new($"{id}", volume), sizeBytes, ct);
        }

        if (change?.WhyNot is null)
        {
            await ChangeVolumesAsync(id, volumes => volumes.Select(v => v.Name == volume ? v with { SizeBytes = Math.Max(v.SizeBytes, sizeBytes) } : v), ct);
        }

        return change;
    }

    /// <summary>How large it is to be at its next start, and is now where that could be done.</summary>
    /// <exception cref="Refusal"><c>volume.unknown</c></exception>
    public long VolumeBytes(Id<Instance> id, string volume) => Demand(id, volume).SizeBytes;

    private IPool PoolOf(VolumeSpec volume) => Context.Pools.Of(volume.Pool);

    private VolumeSpec? Find(Id<Instance> id, string volume) => (Context.Folders.Read(id).Volumes ?? []).SingleOrDefault(v => v.Name == volume);

    private VolumeSpec Demand(Id<Instance> id, string volume) => Find(id, volume) ?? throw DiskErrors.Unknown(Context.Folders.Read(id).Name, volume);

    private Task ChangeVolumesAsync(Id<Instance> id, Func<IReadOnlyList<VolumeSpec>, IEnumerable<VolumeSpec>> change, CancellationToken ct) =>
        ChangeAsync(id, spec => spec with { Volumes = [.. change(spec.Volumes ?? [])] }, ct);

    private async Task<DiskChange?> NowAsync(Id<Instance> id, string what, Func<IDisks, Task<DiskChange?>> change, CancellationToken ct)
    {
        var driver = DriverOf(id);
        return driver is IDisks able ? await change(able)
            : (await driver.InspectAsync(id, ct)).State is InstanceState.Running or InstanceState.Paused ? throw DriverErrors.Cannot(driver.Name, what)
            : null;
    }
}
