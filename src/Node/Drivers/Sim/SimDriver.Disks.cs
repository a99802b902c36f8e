using Gantry.Contracts;
using Gantry.Node.Instances;
using Gantry.Node.Pools;

namespace Gantry.Node.Drivers.Sim;

public sealed partial class SimDriver
{
    private readonly InstanceDisks _disks = new(node);

    public async Task<DiskChange?> PlugDiskAsync(Id<Instance> id, string volume, CancellationToken ct)
    {
        await Before("plugDisk", id, ct);
        return StateOf(id) == InstanceState.Stopped ? null
            : new(DemandDisk(id, volume).Spec.Kind == InstanceKind.Vm ? null : DiskReasons.NoPlug);
    }

    public async Task<DiskChange?> UnplugDiskAsync(Id<Instance> id, string volume, CancellationToken ct)
    {
        await Before("unplugDisk", id, ct);
        return StateOf(id) switch
        {
            InstanceState.Stopped => null,
            _ when node.Folders.Read(id).Kind != InstanceKind.Vm => new(DiskReasons.NoUnplug),
            InstanceState.Paused => new(DiskReasons.Unanswered),
            _ => new(),
        };
    }

    public async Task<DiskChange?> LimitDiskAsync(Id<Instance> id, string volume, CancellationToken ct)
    {
        await Before("limitDisk", id, ct);
        if (StateOf(id) == InstanceState.Stopped)
        {
            return null;
        }

        DemandDisk(id, volume);
        return new();
    }

    /// <summary>Nothing has the file open, so the pool does it.</summary>
    public async Task<DiskChange?> GrowDiskAsync(Id<Instance> id, string volume, long sizeBytes, CancellationToken ct)
    {
        await Before("growDisk", id, ct);
        if (StateOf(id) == InstanceState.Stopped)
        {
            return null;
        }

        var (spec, disk) = DemandDisk(id, volume);
        var has = (await _disks.FindAsync(spec, disk, ct)).SizeBytes;
        if (sizeBytes < has)
        {
            throw DiskErrors.NoShrink(volume, has, sizeBytes);
        }

        await _disks.PoolOf(disk).GrowAsync(InstanceDisks.NameOf(id, volume), sizeBytes, ct);
        return new();
    }

    /// <summary>Its guests write nothing.</summary>
    public async Task<bool> SwitchLayersAsync(Id<Instance> id, CancellationToken ct)
    {
        await Before("switchLayers", id, ct);
        return false;
    }

    public async Task<bool> CommitLayerAsync(Id<Instance> id, string volume, Disk chain, DiskLayer upper, Action<DiskProgress> report, CancellationToken ct)
    {
        await Before("commitLayer", id, ct);
        return false;
    }

    public async Task<bool> StreamLayerAsync(Id<Instance> id, string volume, Disk chain, DiskLayer upper, Action<DiskProgress> report, CancellationToken ct)
    {
        await Before("streamLayer", id, ct);
        return false;
    }

    public async Task<bool> MirrorDiskAsync(
        Id<Instance> id, string volume, Disk target, Func<CancellationToken, Task> settle, Action<DiskProgress> report, CancellationToken ct)
    {
        await Before("mirrorDisk", id, ct);
        return false;
    }

    public Task EndMirrorAsync(Id<Instance> id, string volume, CancellationToken ct) => Before("endMirror", id, ct);

    private (InstanceSpec Spec, VolumeSpec Volume) DemandDisk(Id<Instance> id, string volume)
    {
        var spec = node.Folders.Read(id);
        return (spec, (spec.Volumes ?? []).SingleOrDefault(v => v.Name == volume) ?? throw DiskErrors.Unknown(spec.Name, volume));
    }
}
