using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Pools;

/// <summary>Makes a volume that belongs to no instance: whole or not at all.</summary>
internal sealed class PoolVolumeCreation(PoolVolumeStore store, LocalNode node, EventLog events) : OperationType<PoolVolumeCreation.Input>
{
    public sealed record Input(NewVolume Volume);

    public override string Kind => "volume.create";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        var volume = input.Volume;
        return
        [
            new HostStep("look at its pool", (_, ct) => node.DemandPoolAsync(volume.Pool, ct)),
            new DbStep("reserve the name",
                (transaction, _, _) => store.InsertAsync(transaction, volume, PoolVolumeState.Creating),
                (transaction, _, _) => PoolVolumeStore.DeleteAsync(transaction, volume.Id)),
            new HostStep("make it",
                (_, ct) => node.MakeVolumeAsync(volume.Id, volume.Pool, volume.SizeBytes, volume.Image, ct),
                (_, ct) => node.RemoveVolumeAsync(volume.Id, volume.Pool, ct)),
            new DbStep("publish", async (transaction, context, _) =>
            {
                var caller = Caller.Of(context.Operation);
                await store.ReleaseAsync(transaction, volume.Id);
                await events.AppendAsync(
                    transaction, EventTypes.VolumeCreated, $"volumes/{volume.Id}", caller.Name, caller.RequestId,
                    new { name = volume.Name, pool = volume.PoolName });
                context.SetResult(new { id = $"{volume.Id}", name = volume.Name });
            }),
        ];
    }
}
