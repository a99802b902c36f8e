using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Instances;
using Gantry.Node.Pools;
using Gantry.Node.Snapshots;

namespace Gantry.Node;

public sealed partial class LocalNode
{
    /// <summary>
    /// Stores a volume for the next start, in place of one of the same name, makes its disk where there is none, and plugs it into a running instance
    /// as far as that can be done. Of a disc drive that is there, the disc is changed.
    /// </summary>
    /// <returns>Null when it does not run.</returns>
    public async Task<DiskChange?> PlugDiskAsync(Id<Instance> id, VolumeSpec volume, CancellationToken ct)
    {
        await ChangeVolumesAsync(
            id, volumes => volumes.Any(v => v.Name == volume.Name) ? volumes.Select(v => v.Name == volume.Name ? volume with { Port = volume.Port ?? v.Port } : v) : volumes.Append(volume), ct);
        await _volumes.EnsureAsync(Context.Folders.Read(id), ct);
        return await NowAsync(id, "plug disks into a running instance", (IDisks able) => able.PlugDiskAsync(id, volume.Name, ct), ct);
    }

    /// <summary>Removes a volume from the next start on, and from a running instance as far as that can be done. Its disk stays in its pool.</summary>
    /// <returns>Null when it does not run.</returns>
    public async Task<DiskChange?> UnplugDiskAsync(Id<Instance> id, string volume, CancellationToken ct)
    {
        await ChangeVolumesAsync(id, volumes => volumes.Where(v => v.Name != volume), ct);
        return await NowAsync(id, "unplug disks of a running instance", (IDisks able) => able.UnplugDiskAsync(id, volume, ct), ct);
    }

    /// <summary>Finds that no snapshot of the instance has a volume in it. Of one whose record cannot be read, nobody knows.</summary>
    /// <exception cref="Refusal"><c>volume.in_snapshot</c></exception>
    public async Task DemandRemovableAsync(Id<Instance> id, string volume, CancellationToken ct)
    {
        var spec = Context.Folders.Read(id);
        if ((spec.Volumes ?? []).SingleOrDefault(v => v.Name == volume) is { Device: VolumeDevice.Disk } disk
            && (await Context.Pools.Of(disk.Pool).SnapshotsAsync($"{id}", ct)).Keys
                .Any(s => new SnapshotFolder(Context.Root, id, s).TryRead()?.Record.Disks.Any(d => d.Volume == volume) != false))
        {
            throw DiskErrors.InSnapshot(spec.Name, volume);
        }
    }

    /// <summary>Finds that every pool an instance has disks in answers. One whose folder cannot be read has none that are known.</summary>
    /// <exception cref="Refusal"><c>pool.unknown</c>, <c>pool.gone</c></exception>
    public Task DemandPoolsAsync(Id<Instance> id, CancellationToken ct) =>
        Context.Pools.DemandAsync(InstanceVolumes.Disks(TryRead(id)).Select(v => v.Pool), ct);

    /// <summary>Deletes a volume that the instance has no more, with all that is in it.</summary>
    public async Task DeleteDiskAsync(Id<Instance> id, VolumeSpec volume, CancellationToken ct)
    {
        if (volume.Device == VolumeDevice.Disk)
        {
            await Context.Pools.Of(volume.Pool).DeleteAsync(InstanceDisks.NameOf(id, volume.Name), ct);
        }

        await _volumes.EnsureAsync(Context.Folders.Read(id), ct); // a disc that Gantry made goes with its drive
    }

    /// <summary>How large it is to be at its next start, and is now where that could be done.</summary>
    /// <exception cref="Refusal"><c>volume.unknown</c></exception>
    public long DiskBytes(Id<Instance> id, string volume) => Demand(id, volume).SizeBytes;

    /// <summary>Stores the limits of a volume and makes them hold at once; null for none.</summary>
    /// <returns>Null when it does not run.</returns>
    /// <exception cref="Refusal"><c>volume.unknown</c></exception>
    public async Task<DiskChange?> LimitDiskAsync(Id<Instance> id, string volume, VolumeLimits? limits, CancellationToken ct)
    {
        _ = Demand(id, volume);
        await ChangeVolumesAsync(id, volumes => volumes.Select(v => v.Name == volume ? v with { Limits = limits } : v), ct);
        return await NowAsync(id, "limit the disks of a running instance", (IDisks able) => able.LimitDiskAsync(id, volume, ct), ct);
    }

    /// <summary>Makes a disk larger, and tells a guest that runs.</summary>
    /// <returns>Null when it does not run, or has it not open; the disk is larger all the same.</returns>
    /// <exception cref="Refusal"><c>volume.unknown</c>, <c>volume.no_shrink</c></exception>
    public async Task<DiskChange?> GrowDiskAsync(Id<Instance> id, string volume, long sizeBytes, CancellationToken ct)
    {
        var has = Demand(id, volume);
        if (sizeBytes < has.SizeBytes)
        {
            throw DiskErrors.NoShrink(volume, has.SizeBytes, sizeBytes);
        }

        var change = await NowAsync(id, "make disks of a running instance larger", (IDisks able) => able.GrowDiskAsync(id, volume, sizeBytes, ct), ct);
        if (change is null)
        {
            await Context.Pools.Of(has.Pool).GrowAsync(InstanceDisks.NameOf(id, volume), sizeBytes, ct);
        }

        if (change is null or { WhyNot: null })
        {
            await ChangeVolumesAsync(id, volumes => volumes.Select(v => v.Name == volume ? v with { SizeBytes = sizeBytes } : v), ct);
        }

        return change;
    }

    /// <summary>Has a guest that runs write to the top layers its pools name: what follows a snapshot of disks that are layered.</summary>
    /// <returns>False when it does not run.</returns>
    public async Task<bool> SwitchLayersAsync(Id<Instance> id, CancellationToken ct) => DriverOf(id) is IDisks able && await able.SwitchLayersAsync(id, ct);

    /// <summary>As <see cref="IDisks.MirrorDiskAsync"/>.</summary>
    /// <returns>False when it does not run, or has it not open: then the pools copy it.</returns>
    public async Task<bool> MirrorDiskAsync(
        Id<Instance> id, string volume, Disk target, Func<CancellationToken, Task> settle, Action<DiskProgress> report, CancellationToken ct) =>
        DriverOf(id) is IDisks able && await able.MirrorDiskAsync(id, volume, target, settle, report, ct);

    /// <summary>How layers of an instance's disks become one, whether it runs or not.</summary>
    public IDiskMerging MergingOf(Id<Instance> id, Action<DiskProgress> report) => new DriverMerging(this, id, report);

    internal IDisks? DisksOf(Id<Instance> id) => DriverOf(id) as IDisks;

    private VolumeSpec Demand(Id<Instance> id, string volume) => Context.Folders.Read(id) is var spec && (spec.Volumes ?? []).SingleOrDefault(v => v.Name == volume) is { } found
        ? found : throw DiskErrors.Unknown(spec.Name, volume);

    private Task ChangeVolumesAsync(Id<Instance> id, Func<IReadOnlyList<VolumeSpec>, IEnumerable<VolumeSpec>> change, CancellationToken ct) =>
        ChangeAsync(id, spec => spec with { Volumes = VolumeSpec.WithPorts([.. change(VolumeSpec.WithPorts(spec.Volumes ?? []))]) }, ct);
}
