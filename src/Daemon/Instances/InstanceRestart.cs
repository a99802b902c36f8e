using Gantry.Contracts;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Instances;

/// <summary>
/// Shuts the guest down and starts it again, with whatever is stored for its next start. One that does not shut down within the
/// time keeps running, unless it may be ended.
/// </summary>
internal sealed class InstanceRestart(InstanceStates states, InstanceStore store, LocalNode node) : OperationType<InstanceRestart.Input>
{
    /// <param name="Force">Ends a guest that has not shut down within the time.</param>
    public sealed record Input(Id<Instance> Id, double TimeoutSeconds, bool Force);

    public override string Kind => "instance.restart";

    public override IReadOnlyList<Step> Steps(Input input) =>
    [
        states.Mark("mark as stopping", input.Id, InstanceAction.Restart, InstanceState.Stopping, input.Force),
        new HostStep("wait for the guest", (_, ct) => EndAsync(input, ct), (context, ct) => StartAgainAsync(input.Id, context, ct)),
        new DbStep("mark as starting", async (transaction, context, ct) =>
        {
            await states.FollowAsync(transaction, input.Id, Caller.Of(context.Operation), ct, asked: true);
            await store.SetStateAsync(transaction, input.Id, InstanceState.Starting);
        }),
        new HostStep("start", (_, ct) => node.StartAsync(input.Id, ct)),
        states.Publish(input.Id),
    ];

    private async Task EndAsync(Input input, CancellationToken ct)
    {
        try
        {
            await node.ShutdownAsync(input.Id, TimeSpan.FromSeconds(input.TimeoutSeconds), ct);
        }
        catch (Refusal refusal) when (input.Force && refusal.Status == StatusCodes.Status504GatewayTimeout)
        {
            await node.StopAsync(input.Id, ct);
        }
    }

    /// <summary>It ran before. Where it cannot be started any more, it stays stopped and its row says so.</summary>
    private async Task StartAgainAsync(Id<Instance> id, StepContext context, CancellationToken ct)
    {
        try
        {
            await node.StartAsync(id, ct);
        }
        catch (Refusal refusal)
        {
            context.Log($"It could not be started again: {refusal.Message}");
        }
    }
}
