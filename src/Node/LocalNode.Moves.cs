using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Instances;
using Gantry.Node.Pools;

namespace Gantry.Node;

/// <summary>Disks that go to another pool.</summary>
public sealed partial class LocalNode
{
    /// <summary>A volume as it is to be at the next start.</summary>
    /// <exception cref="Refusal"><c>volume.unknown</c></exception>
    public VolumeSpec VolumeOf(Id<Instance> id, string volume) => Demand(id, volume);

    /// <summary>Copies a disk to another pool, while its guest uses it too, who has it there from then on. Asked again after it broke off, it goes on.</summary>
    /// <param name="before">As it was before the first attempt.</param>
    /// <param name="pool">Null for the one beside the instances.</param>
    /// <exception cref="Refusal"><c>volume.unknown</c>, <c>volume.in_snapshot</c>, <c>volume.job_failed</c>, <c>pool.*</c>, <c>image.no_space</c></exception>
    public async Task MoveDiskAsync(Id<Instance> id, VolumeSpec before, Id<Pool>? pool, Action<DiskProgress> report, CancellationToken ct)
    {
        using var turn = await Snapshots.TurnAsync(id, ct);
        var (name, target) = (InstanceDisks.NameOf(id, before.Name), Context.Pools.Of(pool));
        await Context.Pools.DemandAsync([before.Pool, pool], ct);
        if (VolumeOf(id, before.Name).Pool != pool)
        {
            await DemandRemovableAsync(id, before.Name, ct);
            await target.CreateAsync(name, before.SizeBytes, null, ct);
        }

        if (await LeaveAsync(id, before, pool, report, ct) || VolumeOf(id, before.Name).Pool == pool)
        {
            return;
        }

        // Nobody has it open, and what an attempt before this one copied is of then.
        await target.DeleteAsync(name, ct);
        await target.CreateAsync(name, before.SizeBytes, null, ct);
        await Context.Pools.Copies.CopyAsync(await Context.Pools.Of(before.Pool).FindAsync(name, ct), await target.FindAsync(name, ct), report, ct);
        await PlaceAsync(id, before.Name, pool, null, ct);
    }

    /// <summary>Of a disk that was moved, or was to be, removes what lies where it is not. A guest that runs has left that before.</summary>
    public async Task EndMoveAsync(Id<Instance> id, VolumeSpec before, Id<Pool>? pool, CancellationToken ct)
    {
        using var turn = await Snapshots.TurnAsync(id, ct);
        var isThere = VolumeOf(id, before.Name).Pool == pool;
        if (isThere)
        {
            // That it lies there is written down before its guest has left where it was.
            await LeaveAsync(id, before, pool, _ => { }, ct);
        }
        else if (DriverOf(id) is IDisks able)
        {
            await able.EndMirrorAsync(id, before.Name, ct);
        }

        await Context.Pools.Of(isThere ? before.Pool : pool).DeleteAsync(InstanceDisks.NameOf(id, before.Name), ct);
    }

    /// <summary>Has a guest that runs leave a disk for the one in another pool.</summary>
    /// <returns>False when it does not run, or has it not open.</returns>
    private async Task<bool> LeaveAsync(Id<Instance> id, VolumeSpec before, Id<Pool>? pool, Action<DiskProgress> report, CancellationToken ct)
    {
        try
        {
            var target = await Context.Pools.Of(pool).FindAsync(InstanceDisks.NameOf(id, before.Name), ct);
            return await MirrorDiskAsync(id, before.Name, target, token => PlaceAsync(id, before.Name, pool, null, token), report, ct);
        }
        catch (Refusal refusal) when (refusal.Code == DiskErrors.JobFailedCode)
        {
            await PlaceAsync(id, before.Name, before.Pool, before.Image, CancellationToken.None); // the guest never left it
            throw;
        }
    }

    private Task PlaceAsync(Id<Instance> id, string volume, Id<Pool>? pool, Id<Image>? image, CancellationToken ct) =>
        ChangeVolumesAsync(id, volumes => volumes.Select(v => v.Name == volume ? v with { Pool = pool, Image = image } : v), ct);
}
