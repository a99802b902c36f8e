using Gantry.Contracts;
using Gantry.Daemon.Images;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Pools;
using Gantry.Daemon.Snapshots;
using Gantry.Node;
using Gantry.Node.Instances;
using Gantry.Node.Networks;
using Gantry.Node.Snapshots;

namespace Gantry.Daemon.Clones;

/// <summary>From what is cloned, and what is to be otherwise, to what the node is told.</summary>
internal sealed class ClonePlan(InstanceStore instances, ImageStore images, PoolStore pools, NicPlan nicPlan, LocalNode node)
{
    /// <param name="snapshot">Null for the source as it is now.</param>
    /// <exception cref="Refusal"><c>request.invalid</c>, <c>clone.other_pool</c>, <c>pool.*</c>, <c>network.*</c>, <c>driver.*</c>, <c>snapshot.missing</c></exception>
    public async Task<InstanceCloning.Input> ResolveAsync(Instance source, StoredSnapshot? snapshot, CloneInstance wanted, CancellationToken ct)
    {
        var id = Id<Instance>.New();
        var before = node.Context.Folders.Read(source.Id);
        var disks = node.DisksOf(source.Id, snapshot?.Id).Select(d => d.Volume).ToHashSet();
        new Body<CloneInstance>(wanted).Checked(_ => CloneRules.Faults(wanted, source.Nics ?? [], disks));

        var isLinked = wanted.Linked ?? (source.Template && wanted.Pool is null && wanted.Pools is null);
        var (shown, kept) = await VolumesAsync(source, before, disks, wanted, isLinked, ct);
        var nics = await NicsAsync(source, wanted, id, ct);
        var told = CloudInitOf((await instances.CloudInitAsync(source.Id, ct))?.Settings, wanted.CloudInit);
        new Body<CloneInstance>(wanted).Checked(_ => CloudInitRules.Faults(told, source.Kind));
        CloudInitApi.DemandNics(told, wanted.Name, nics.Shown);

        var names = shown.Select(v => v.Name).Concat((nics.Shown ?? []).Select(n => n.Name)).ToHashSet();
        var order = source.Boot.Order is { } said ? said.Where(names.Contains).ToList() : null;
        var spec = before with
        {
            Id = id,
            Name = wanted.Name,
            Uid = 0,
            TpmUid = null,
            Volumes = kept,
            Nics = nics.Kept,
            BootOrder = order,
            CloudInit = told is null ? null : new(told, 1),
        };
        await node.CheckAsync(spec, ct);
        var image = source.Image is { } name ? (await images.GetAsync(name, ct)).Id : (Id<Image>?)null;
        var machine = new Machine
        {
            Architecture = source.Architecture,
            Cpu = source.Cpu,
            Memory = source.Memory,
            Volumes = shown,
            Nics = nics.Shown,
            Security = source.Security,
            Clock = source.Clock,
            Windows = source.Windows,
        };
        var from = new CloneSource(source.Id, snapshot?.Id ?? Id<Snapshot>.New(), snapshot?.Sha256, isLinked, wanted.CopyTpm);
        return new(
            spec,
            new(image, wanted.Description ?? source.Description, wanted.Labels ?? source.Labels, source.Boot with { Order = order }, source.AutoStart, machine),
            from, source.Name, snapshot?.Name, isLinked && node.TiesClones(kept), [.. (wanted.Nics ?? []).Select(n => n.Mac?.ToLowerInvariant()).OfType<string>()], wanted.StartNow);
    }

    /// <summary>A copy stands on no image any more.</summary>
    private async Task<(IReadOnlyList<Volume> Shown, IReadOnlyList<VolumeSpec> Kept)> VolumesAsync(
        Instance source, InstanceSpec before, HashSet<string> disks, CloneInstance wanted, bool isLinked, CancellationToken ct)
    {
        List<Volume> shown = [];
        List<VolumeSpec> kept = [];
        foreach (var spec in before.Volumes ?? [])
        {
            var volume = source.Volumes?.FirstOrDefault(v => v.Name == spec.Name);
            if (volume is null || (spec.Device == VolumeDevice.Disk && !disks.Contains(spec.Name)))
            {
                continue;
            }

            var pool = spec.Device == VolumeDevice.Disk && (wanted.Pools?.GetValueOrDefault(spec.Name) ?? wanted.Pool) is { } name ? await pools.GetReadyAsync(name, ct) : null;
            if (isLinked && pool is not null && pool.OnNode != spec.Pool)
            {
                throw CloneErrors.OtherPool(spec.Name, pool.Name);
            }

            var copied = spec.Device == VolumeDevice.Disk && !isLinked;
            shown.Add(volume with { Pool = pool?.Name ?? volume.Pool, Image = copied ? null : volume.Image });
            kept.Add(spec with { Pool = pool is null ? spec.Pool : pool.OnNode, Image = copied ? null : spec.Image });
        }

        return (shown, kept);
    }

    private async Task<(IReadOnlyList<Nic>? Shown, IReadOnlyList<NicSpec>? Kept)> NicsAsync(Instance source, CloneInstance wanted, Id<Instance> id, CancellationToken ct)
    {
        if (source.Nics is null)
        {
            return (null, null);
        }

        List<Nic> nics =
        [
            .. from nic in source.Nics
               let other = (wanted.Nics ?? []).FirstOrDefault(n => n.Name == nic.Name)
               select nic with { Mac = other?.Mac, Address = other?.Address, Address6 = other?.Address6 },
        ];
        new Body<CloneInstance>(wanted).Checked(_ => MachineRules.Faults(new() { Nics = nics }, null, null, node.Host));
        return await nicPlan.ResolveAsync(nics, source.Kind, id, ct);
    }

    /// <summary>The name and the addresses are the clone's own. A network-config of the source's own writing names its cards and addresses: it does not go along.</summary>
    internal static CloudInit? CloudInitOf(CloudInit? before, CloneCloudInit? wanted) => before is null && wanted is null ? null : (before ?? new()) with
    {
        Hostname = wanted?.Hostname,
        Fqdn = null,
        NetworkConfig = null,
        Nics = wanted?.Nics,
        DnsServers = wanted?.DnsServers ?? before?.DnsServers,
        SearchDomains = wanted?.SearchDomains ?? before?.SearchDomains,
    };
}
