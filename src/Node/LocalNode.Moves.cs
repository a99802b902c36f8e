using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Instances;
using Gantry.Node.Pools;

namespace Gantry.Node;

/// <summary>Disks that go to another pool.</summary>
public sealed partial class LocalNode
{
    /// <summary>The pool a disk lies in; null for the one beside the instances.</summary>
    /// <exception cref="Refusal"><c>volume.unknown</c></exception>
    public Id<Pool>? PoolOf(Id<Instance> id, string volume) => Demand(id, volume).Pool;

    /// <summary>Copies a disk to another pool, while its guest uses it too, who has it there from then on. Asked again after it broke off, it goes on.</summary>
    /// <param name="pool">Null for the one beside the instances.</param>
    /// <exception cref="Refusal"><c>volume.unknown</c>, <c>volume.in_snapshot</c>, <c>volume.job_failed</c>, <c>pool.*</c>, <c>image.no_space</c></exception>
    public async Task MoveDiskAsync(Id<Instance> id, string volume, Id<Pool>? pool, Action<DiskProgress> report, CancellationToken ct)
    {
        var has = Demand(id, volume);
        var (name, target) = (InstanceDisks.NameOf(id, volume), Context.Pools.Of(pool));
        await Context.Pools.DemandAsync([has.Pool, pool], ct);
        if (has.Pool != pool)
        {
            await DemandRemovableAsync(id, volume, ct);
            await target.CreateAsync(name, has.SizeBytes, null, ct);
        }

        try
        {
            if (await MirrorDiskAsync(id, volume, await target.FindAsync(name, ct), token => PlaceAsync(pool, null, token), report, ct) || PoolOf(id, volume) == pool)
            {
                return;
            }
        }
        catch (Refusal refusal) when (refusal.Code == DiskErrors.JobFailedCode)
        {
            await PlaceAsync(has.Pool, has.Image, CancellationToken.None); // the guest never left it
            throw;
        }

        // Nobody has it open, and what an attempt before this one copied is of then.
        await target.DeleteAsync(name, ct);
        await target.CreateAsync(name, has.SizeBytes, null, ct);
        await Context.Pools.CopyAsync(await Context.Pools.Of(has.Pool).FindAsync(name, ct), await target.FindAsync(name, ct), report, ct);
        await PlaceAsync(pool, null, ct);

        Task PlaceAsync(Id<Pool>? place, Id<Image>? image, CancellationToken token) =>
            ChangeVolumesAsync(id, volumes => volumes.Select(v => v.Name == volume ? v with { Pool = place, Image = image } : v), token);
    }

    /// <summary>Of a disk that was moved, or was to be, removes what lies where it is not.</summary>
    public async Task EndMoveAsync(Id<Instance> id, string volume, Id<Pool>? from, Id<Pool>? to, CancellationToken ct)
    {
        var left = PoolOf(id, volume) == to ? from : to;
        if (left == to && DriverOf(id) is IDisks able)
        {
            await able.EndMirrorAsync(id, volume, ct);
        }

        await Context.Pools.Of(left).DeleteAsync(InstanceDisks.NameOf(id, volume), ct);
    }
}
