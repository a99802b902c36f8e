using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Node;

namespace Gantry.Daemon.Instances;

internal sealed class InstanceStart(InstanceStates states, LocalNode node) : OperationType<InstanceStart.Input>
{
    public sealed record Input(Id<Instance> Id);

    public override string Kind => "instance.start";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        states.Mark("mark as starting", input.Id, InstanceAction.Start, InstanceState.Starting),
        new HostStep("start",
            (_, ct) => node.StartAsync(input.Id, ct),
            (_, ct) => node.StopAsync(input.Id, ct)),
        states.Publish(input.Id),
    ];
}
