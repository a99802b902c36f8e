using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Node;
using Gantry.Node.Instances;

namespace Gantry.Daemon.Instances;

/// <summary>
/// Moves a disk to another pool while its guest uses it. Until its guest has it there, all can be undone; afterwards the row says where it lies, and what
/// lay in the other pool is removed, however the operation ends.
/// </summary>
internal sealed class VolumeMove(VolumeRows volumes, LocalNode node) : OperationType<VolumeMove.Input>
{
    /// <param name="Volume">As it was shown before.</param>
    /// <param name="Spec">As the node had it before.</param>
    /// <param name="Pool">Where it is to lie; null for the pool beside the instances.</param>
    public sealed record Input(Id<Instance> Id, Volume Volume, VolumeSpec Spec, Id<Pool>? Pool, string PoolName);

    public override string Kind => "volume.move";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        var (id, name) = (input.Id, input.Volume.Name);
        DbStep note = new("write down where it lies", (transaction, context, _) =>
            volumes.PlaceAsync(transaction, input, isThere: node.VolumeOf(id, name).Pool == input.Pool, context.Operation.TargetName));
        return
        [
            new DbStep("hold the pool", async (transaction, context, _) =>
            {
                await volumes.DemandNoClonesAsync(transaction, id, $"The disk '{name}' of '{context.Operation.TargetName}' cannot be moved", context.Operation.TargetName);
                await volumes.JoinAsync(transaction, id, input.Pool, context.Operation.TargetName);
            }, note.Do),
            new HostStep("copy",
                (context, ct) => node.MoveDiskAsync(id, input.Spec, input.Pool, now => context.Report(now.ToWire($"copy {name}")), ct),
                (_, ct) => node.EndMoveAsync(id, input.Spec, input.Pool, ct)),
            new HostStep("remove it where it was", (_, ct) => node.EndMoveAsync(id, input.Spec, input.Pool, ct)) { OnlyForward = true },
            note,
            volumes.Publish(id, name, () => new(name, null)),
        ];
    }
}
