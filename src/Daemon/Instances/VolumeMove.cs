using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Pools;
using Gantry.Node;

namespace Gantry.Daemon.Instances;

/// <summary>
/// Moves a disk to another pool while its guest uses it. Until its guest has it there, all can be undone; afterwards the row says where it lies, and what
/// lay in the other pool is removed, however the operation ends.
/// </summary>
internal sealed class VolumeMove(VolumeRows volumes, LocalNode node) : OperationType<VolumeMove.Input>
{
    /// <param name="Volume">As it was shown before.</param>
    public sealed record Input(Id<Instance> Id, Volume Volume, Place From, Place To);

    /// <param name="OnNode">Null for the pool beside the instances.</param>
    public sealed record Place(string Name, Id<Pool>? OnNode)
    {
        public static Place Of(StoredPool pool) => new(pool.Name, pool.OnNode);
    }

    public override string Kind => "volume.move";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        var (id, name) = (input.Id, input.Volume.Name);
        DbStep note = new("write down where it lies", (transaction, context, _) =>
            volumes.PlaceAsync(transaction, id, input.Volume, node.PoolOf(id, name) == input.To.OnNode ? (input.To, input.From) : (input.From, input.To), context.Operation.TargetName));
        return
        [
            new DbStep("hold the pool", async (transaction, context, _) =>
            {
                await InstanceStore.DemandNoClonesAsync(transaction, id, $"The disk '{name}' of '{context.Operation.TargetName}' cannot be moved");
                await volumes.JoinAsync(transaction, id, input.To.OnNode, context.Operation.TargetName);
            }, note.Do),
            new HostStep("copy",
                (context, ct) => node.MoveDiskAsync(id, name, input.To.OnNode, now => context.Report(now.ToWire($"copy {name}")), ct),
                (_, ct) => node.EndMoveAsync(id, name, input.From.OnNode, input.To.OnNode, ct)),
            new HostStep("remove it where it was", (_, ct) => node.EndMoveAsync(id, name, input.From.OnNode, input.To.OnNode, ct)) { OnlyForward = true },
            note,
            volumes.Publish(id, name, () => new(name, null)),
        ];
    }
}
