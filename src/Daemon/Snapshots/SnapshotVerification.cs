using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Node;

namespace Gantry.Daemon.Snapshots;

/// <summary>Looks through all of a snapshot. What is wrong with it is the answer, and an event; nothing is changed.</summary>
internal sealed class SnapshotVerification(EventLog events, LocalNode node) : OperationType<SnapshotVerification.Input>
{
    /// <param name="Sha256">Of the node's record of it.</param>
    public sealed record Input(Id<Snapshot> Id, Id<Instance> Instance, string Name, string? Sha256);

    public override string Kind => "snapshot.verify";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        IReadOnlyList<string> faults = [];
        return
        [
            new HostStep("look through it", async (_, ct) => faults = await node.VerifySnapshotAsync(input.Instance, input.Id, input.Sha256, ct)),
            new DbStep("publish", async (transaction, context, _) =>
            {
                if (faults.Count > 0)
                {
                    await SnapshotSteps.TellAsync(events, transaction, context, EventTypes.SnapshotDamaged, input.Id, input.Instance, input.Name);
                }

                context.SetResult(new SnapshotVerdict(faults));
            }),
        ];
    }
}
