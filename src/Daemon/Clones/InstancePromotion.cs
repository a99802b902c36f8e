using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Daemon.Snapshots;
using Gantry.Node;

namespace Gantry.Daemon.Clones;

/// <summary>Makes a linked clone stand alone, running or not. What was copied when it breaks off or is cancelled stays copied, and the clone linked.</summary>
internal sealed class InstancePromotion(InstanceStore store, EventLog events, LocalNode node) : OperationType<InstancePromotion.Input>
{
    private static readonly string[] Changed = ["parent"];

    /// <param name="Parent">What it stands on.</param>
    public sealed record Input(Id<Instance> Id, CloneTie Parent);

    public override string Kind => "instance.promote";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        new DbStep("check", async (transaction, context, _) =>
        {
            var name = context.Operation.TargetName;
            SnapshotRules.DemandAtRest(name, await store.LockAsync(transaction, input.Id) ?? throw InstanceErrors.Unknown(name), "making it stand alone");
            await InstanceStore.DemandNoClonesAsync(transaction, input.Id, $"'{name}' cannot be made to stand alone");
        }),
        new HostStep("copy what it shares", (context, ct) => node.PromoteAsync(input.Id, context.Report, ct)),

        // From here on it needs its parent no more, and nobody else has the snapshot.
        .. input.Parent.Own
            ? [new HostStep("remove the snapshot",
                (context, ct) => node.DeleteSnapshotAsync(input.Parent.Source, input.Parent.Snapshot, SnapshotSteps.Reporter(context), ct)) { OnlyForward = true }]
            : (Step[])[],
        new DbStep("publish", async (transaction, context, _) =>
        {
            var caller = Caller.Of(context.Operation);
            await store.UntieAsync(transaction, input.Id);
            await events.AppendAsync(transaction, EventTypes.InstanceChanged, $"instances/{input.Id}", caller.Name, caller.RequestId, new { fields = Changed });
        }),
    ];
}
