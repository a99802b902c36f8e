using Gantry.Contracts;
using Gantry.Node.Instances;
using Gantry.Node.Pools;

namespace Gantry.Node.Drivers.Sim;

/// <summary>Its disks are real ones, in real pools; it only never has them open, so that nothing of them changes by itself.</summary>
public sealed partial class SimDriver
{
    public Task<DiskChange?> PlugDiskAsync(Id<Instance> id, string volume, CancellationToken ct) => DiskAsync("plugDisk", id, volume,
        spec => Task.FromResult(new DiskChange(spec.Kind == InstanceKind.Vm ? null : DiskReasons.NoPlug)), ct);

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

    public Task<DiskChange?> LimitDiskAsync(Id<Instance> id, string volume, CancellationToken ct) =>
        DiskAsync("limitDisk", id, volume, _ => Task.FromResult(new DiskChange()), ct);

    public Task<DiskChange?> GrowDiskAsync(Id<Instance> id, string volume, long sizeBytes, CancellationToken ct) => DiskAsync("growDisk", id, volume, async spec =>
    {
        await node.Pools.Of(spec.Volumes!.Single(v => v.Name == volume).Pool).GrowAsync(new($"{id}", volume), sizeBytes, ct);
        return new();
    }, ct);

    public async Task<bool> SwitchLayersAsync(Id<Instance> id, CancellationToken ct)
    {
        await Before("switchLayers", id, ct);
        return StateOf(id) != InstanceState.Stopped;
    }

    public Task<bool> CommitLayerAsync(Id<Instance> id, string volume, Disk chain, DiskLayer upper, Action<DiskProgress> report, CancellationToken ct) => Task.FromResult(false);

    public Task<bool> StreamLayerAsync(Id<Instance> id, string volume, Disk chain, DiskLayer upper, Action<DiskProgress> report, CancellationToken ct) => Task.FromResult(false);

    public Task<bool> MirrorDiskAsync(Id<Instance> id, string volume, Disk target, Func<CancellationToken, Task> settle, Action<DiskProgress> report, CancellationToken ct) =>
        Task.FromResult(false);

    private async Task<DiskChange?> DiskAsync(string call, Id<Instance> id, string volume, Func<InstanceSpec, Task<DiskChange>> change, CancellationToken ct)
    {
        await Before(call, id, ct);
        if (StateOf(id) == InstanceState.Stopped)
        {
            return null;
        }

        var spec = node.Folders.Read(id);
        return (spec.Volumes ?? []).Any(v => v.Name == volume) ? await change(spec) : throw DiskErrors.Unknown(spec.Name, volume);
    }
}
