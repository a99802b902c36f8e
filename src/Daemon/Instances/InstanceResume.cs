using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Node;

namespace Gantry.Daemon.Instances;

internal sealed class InstanceResume(InstanceStates states, LocalNode node) : OperationType<InstanceResume.Input>
{
    public sealed record Input(Id<Instance> Id);

    public override string Kind => "instance.resume";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        states.Demand(input.Id, InstanceAction.Resume),
        new HostStep("resume", (_, ct) => node.ResumeAsync(input.Id, ct), async (_, ct) =>
            {
                // Only what this operation did is taken back: a guest that has ended meanwhile stays ended.
                if ((await node.InspectAsync(input.Id, ct)).State == InstanceState.Running)
                {
                    await node.PauseAsync(input.Id, ct);
                }
            }),
        states.Publish(input.Id),
    ];
}
