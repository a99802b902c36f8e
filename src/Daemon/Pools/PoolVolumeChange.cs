using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Pools;

/// <summary>Names a volume that belongs to no instance otherwise, describes it anew and makes it larger. One that has grown stays so, and the row says it.</summary>
internal sealed class PoolVolumeChange(PoolVolumeStore store, LocalNode node, EventLog events) : OperationType<PoolVolumeChange.Input>
{
    /// <param name="Before">With its size.</param>
    /// <param name="After">Likewise.</param>
    public sealed record Input(Id<PoolVolume> Id, Id<Pool>? Pool, string PoolName, ChangePoolVolume Before, ChangePoolVolume After);

    public override string Kind => "volume.change";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        var (id, pool, size) = (input.Id, input.Pool, input.After.SizeBytes!.Value);
        return
        [
            new DbStep("hold it",
                async (transaction, context, _) =>
                {
                    await store.HoldAsync(transaction, id, input.PoolName, context.Operation.TargetName, PoolVolumeState.Changing);
                    await store.SetAsync(transaction, id, input.PoolName, input.After with { SizeBytes = input.Before.SizeBytes });
                },
                async (transaction, _, ct) =>
                {
                    await store.SetAsync(transaction, id, input.PoolName, input.Before with { SizeBytes = await SizeAsync(input, ct) });
                    await store.ReleaseAsync(transaction, id);
                }),
            .. size > input.Before.SizeBytes ? (Step[])[new HostStep("grow", (_, ct) => node.GrowVolumeAsync(id, pool, size, ct))] : [],
            new DbStep("publish", async (transaction, context, _) =>
            {
                var caller = Caller.Of(context.Operation);
                await store.SetAsync(transaction, id, input.PoolName, input.After);
                await store.ReleaseAsync(transaction, id);
                await events.AppendAsync(
                    transaction, EventTypes.VolumeUpdated, $"volumes/{id}", caller.Name, caller.RequestId,
                    new { name = input.After.Name, pool = input.PoolName, sizeBytes = size });
            }),
        ];
    }

    /// <summary>How large it is where it lies; as it was where that cannot be told.</summary>
    private async Task<long> SizeAsync(Input input, CancellationToken ct)
    {
        try
        {
            return await node.VolumeBytesAsync(input.Id, input.Pool, ct);
        }
        catch (Refusal)
        {
            return input.Before.SizeBytes!.Value;
        }
    }
}
