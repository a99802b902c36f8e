using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Node;

namespace Gantry.Daemon.Instances;

/// <summary>Pulls the plug: once that is begun there is no way back.</summary>
internal sealed class InstanceStop(InstanceStates states, LocalNode node) : OperationType<InstanceStop.Input>
{
    public sealed record Input(Id<Instance> Id);

    public override string Kind => "instance.stop";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        states.Mark("mark as stopping", input.Id, InstanceAction.Stop, InstanceState.Stopping),
        new HostStep("stop", (_, ct) => node.StopAsync(input.Id, ct)) { OnlyForward = true },
        states.Publish(input.Id),
    ];
}
