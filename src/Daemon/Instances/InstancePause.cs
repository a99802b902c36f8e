using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Node;

namespace Gantry.Daemon.Instances;

internal sealed class InstancePause(InstanceStates states, LocalNode node) : OperationType<InstancePause.Input>
{
    public sealed record Input(Id<Instance> Id);

    public override string Kind => "instance.pause";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        states.Demand(input.Id, InstanceAction.Pause),
        new HostStep("pause", (_, ct) => node.PauseAsync(input.Id, ct), async (_, ct) =>
            {
                // Only what this operation did is taken back: a guest that has ended meanwhile stays ended.
                if ((await node.InspectAsync(input.Id, ct)).State == InstanceState.Paused)
                {
                    await node.ResumeAsync(input.Id, ct);
                }
            }),
        states.Publish(input.Id),
    ];
}
