using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Node;

namespace Gantry.Daemon.Instances;

/// <summary>Presses the power button and waits for the guest; one that does not react within the time keeps running.</summary>
internal sealed class InstanceShutdown(InstanceStates states, LocalNode node) : OperationType<InstanceShutdown.Input>
{
    public sealed record Input(Id<Instance> Id, double TimeoutSeconds);

    public override string Kind => "instance.shutdown";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        states.Mark("mark as stopping", input.Id, InstanceAction.Shutdown, InstanceState.Stopping),
        new HostStep("wait for the guest", (_, ct) => node.ShutdownAsync(input.Id, TimeSpan.FromSeconds(input.TimeoutSeconds), ct)),
        states.Publish(input.Id),
    ];
}
