using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Pools;
using Gantry.Node.Instances;
using Npgsql;

namespace Gantry.Daemon.Instances;

/// <summary>What the changes of an instance's volumes have in common: its row, and what keeps its images and pools.</summary>
internal sealed class VolumeRows(InstanceStore store, EventLog events)
{
    private static readonly string[] Changed = ["volumes"];

    /// <exception cref="Refusal"><c>volume.taken</c>, <c>volume.too_many</c>, <c>volume.no_sata</c>, <c>image.unknown</c>, <c>pool.unknown</c></exception>
    public async Task AddAsync(NpgsqlTransaction transaction, Id<Instance> id, Volume volume, VolumeSpec spec, string name)
    {
        var before = await DemandRoomAsync(transaction, id, volume, name);
        if (spec.Image is { } image)
        {
            await InstanceStore.UseImageAsync(transaction, id, image);
        }

        if (spec.Pool is { } pool)
        {
            await PoolStore.UseAsync(transaction, id, pool);
        }

        await store.SetVolumesAsync(transaction, id, [.. before, volume]);
    }

    /// <summary>Finds that an instance can have one more.</summary>
    /// <returns>Those it has; its row is locked.</returns>
    /// <exception cref="Refusal"><c>volume.taken</c>, <c>volume.too_many</c>, <c>volume.no_sata</c>, <c>instance.wrong_state</c></exception>
    public async Task<IReadOnlyList<Volume>> DemandRoomAsync(NpgsqlTransaction transaction, Id<Instance> id, Volume volume, string name)
    {
        var before = await LockedAsync(transaction, id, name);
        if (before.Any(v => v.Name == volume.Name))
        {
            throw VolumeErrors.Taken(name, volume.Name);
        }

        if (before.Count >= Limits.Volumes)
        {
            throw VolumeErrors.TooMany(name);
        }

        if (MachineRules.IsOnSata(volume) && before.Count(MachineRules.IsOnSata) >= MachineRules.SataPorts)
        {
            throw VolumeErrors.NoSata(name);
        }

        return before;
    }

    /// <summary>Takes one out of the row. An image that it stood on stays needed: a snapshot may have it.</summary>
    public async Task RemoveAsync(NpgsqlTransaction transaction, Id<Instance> id, Volume volume, string name) =>
        await store.SetVolumesAsync(transaction, id, [.. (await LockedAsync(transaction, id, name)).Where(v => v.Name != volume.Name)]);

    /// <summary>Lets go of the pool that a volume lay in, once it is gone from there and no other lies in it.</summary>
    public static async Task LeaveAsync(NpgsqlTransaction transaction, Id<Instance> id, Volume volume, Id<Pool>? pool)
    {
        if (pool is { } left && (await InstanceStore.VolumesAsync(transaction, id)).All(v => v.Pool != volume.Pool))
        {
            await PoolStore.LeaveAsync(transaction, id, left);
        }
    }

    /// <summary>Refuses what would take away what clones stand on; nobody begins to clone it until the transaction ends.</summary>
    /// <param name="what">That is to go, as in <see cref="InstanceStore.DemandNoClonesAsync"/>.</param>
    /// <exception cref="Refusal"><c>clone.stands_on_it</c></exception>
    public async Task DemandNoClonesAsync(NpgsqlTransaction transaction, Id<Instance> id, string what, string name)
    {
        _ = await LockedAsync(transaction, id, name);
        await InstanceStore.DemandNoClonesAsync(transaction, id, what);
    }

    /// <summary>Notes that a disk will lie in a pool.</summary>
    /// <param name="pool">Null for the node's own.</param>
    /// <exception cref="Refusal"><c>instance.wrong_state</c>, <c>pool.unknown</c></exception>
    public async Task JoinAsync(NpgsqlTransaction transaction, Id<Instance> id, Id<Pool>? pool, string name)
    {
        _ = await LockedAsync(transaction, id, name);
        if (pool is { } joined)
        {
            await PoolStore.UseAsync(transaction, id, joined);
        }
    }

    /// <summary>Notes in which of both pools a disk that is moved lies, and lets go of the other. It stands on no image any more once it was copied.</summary>
    public async Task PlaceAsync(NpgsqlTransaction transaction, VolumeMove.Input move, bool isThere, string name)
    {
        var (before, after) = (move.Volume, move.Volume with { Pool = move.PoolName, Image = null });
        await ChangeAsync(transaction, move.Id, before.Name, _ => isThere ? after : before, name);
        await LeaveAsync(transaction, move.Id, isThere ? before : after, isThere ? move.Spec.Pool : move.Pool);
    }

    /// <exception cref="Refusal"><c>volume.unknown</c></exception>
    public async Task ChangeAsync(NpgsqlTransaction transaction, Id<Instance> id, string volume, Func<Volume, Volume> change, string name)
    {
        var before = await LockedAsync(transaction, id, name);
        if (before.All(v => v.Name != volume))
        {
            throw Node.Drivers.DiskErrors.Unknown(name, volume);
        }

        await store.SetVolumesAsync(transaction, id, [.. before.Select(v => v.Name == volume ? change(v) : v)]);
    }

    /// <summary>The step that ends a change: the event, and what could not be done at once.</summary>
    public DbStep Publish(Id<Instance> id, string volume, Func<VolumeChangeResult> result) => new("publish", async (transaction, context, _) =>
    {
        await TellAsync(transaction, id, volume, Caller.Of(context.Operation));
        context.SetResult(result());
    });

    public Task TellAsync(NpgsqlTransaction transaction, Id<Instance> id, string volume, Caller caller) =>
        events.AppendAsync(transaction, EventTypes.InstanceChanged, $"instances/{id}", caller.Name, caller.RequestId, new { fields = Changed, volume });

    /// <exception cref="Refusal"><c>instance.wrong_state</c></exception>
    public static void Demand(string instance, InstanceState state)
    {
        if (state is not (InstanceState.Stopped or InstanceState.Running or InstanceState.Paused))
        {
            throw InstanceErrors.WrongStateFor("volumes", instance, state);
        }
    }

    private async Task<IReadOnlyList<Volume>> LockedAsync(NpgsqlTransaction transaction, Id<Instance> id, string name)
    {
        Demand(name, await store.LockAsync(transaction, id) ?? throw InstanceErrors.Unknown(name));
        return await InstanceStore.VolumesAsync(transaction, id);
    }
}

/// <summary>What a change of a volume answers with.</summary>
/// <param name="Pending">Why a running instance has it only from its next start on; null when it holds.</param>
internal sealed record VolumeChangeResult(string Volume, string? Pending);
