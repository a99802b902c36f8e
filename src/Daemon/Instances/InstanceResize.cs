using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Gantry.Node.Drivers;

namespace Gantry.Daemon.Instances;

/// <summary>
/// Gives an instance other CPUs and memory: a running one at once where driver and guest can, and what they cannot at its next start.
/// The node's specification is what the next start takes; the row says what there is now, and what of it is still to come.
/// </summary>
internal sealed class InstanceResize(InstanceStates states, InstanceStore store, EventLog events, LocalNode node) : OperationType<InstanceResize.Input>
{
    private const string AsAsked = "It was asked for at the next start.";

    /// <param name="Cpus">Null to leave them.</param>
    /// <param name="MemoryBytes">Null to leave it.</param>
    public sealed record Input(Id<Instance> Id, int? Cpus, long? MemoryBytes, bool NextStart);

    public override string Kind => "instance.resize";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        // Of this run: a host step whose success is not written down yet runs again after a crash, and so is known again.
        Resized? done = null;
        return
        [
            states.Demand(input.Id, InstanceAction.Resize),
            new HostStep("resize",
                async (_, ct) =>
                {
                    var row = await RowAsync(input.Id, ct);
                    done = await node.ResizeAsync(input.Id, NextOf(row, input), input.NextStart ? null : new(input.Cpus ?? row.Cpus, input.MemoryBytes ?? row.MemoryBytes), ct);
                },
                async (context, ct) =>
                {
                    var row = await RowAsync(input.Id, ct);
                    if (await node.ResizeAsync(input.Id, NextOf(row, new(input.Id, null, null, false)), SizeOf(row), ct) is { WhyNot: { } why })
                    {
                        context.Log($"It could not be given its size of before: {why}");
                    }
                }),
            new DbStep("publish", async (transaction, context, ct) =>
            {
                var caller = Caller.Of(context.Operation);
                var atRest = await store.LockAsync(transaction, input.Id) == InstanceState.Stopped;
                var row = await RowAsync(input.Id, ct);
                var next = NextOf(row, input);
                var now = atRest ? next : done?.Now ?? SizeOf(row);
                var pending = now == next ? null : new PendingResize(
                    next.Cpus == now.Cpus ? null : next.Cpus, next.MemoryBytes == now.MemoryBytes ? null : next.MemoryBytes,
                    done?.WhyNot ?? row.Pending?.Reason ?? AsAsked);
                await store.ResizeAsync(transaction, input.Id, now, pending);
                var result = new Outcome(now.Cpus, now.MemoryBytes, pending);
                await events.AppendAsync(transaction, EventTypes.InstanceResized, $"instances/{input.Id}", caller.Name, caller.RequestId, result);
                context.SetResult(result);
            }),
        ];
    }

    private async Task<Instance> RowAsync(Id<Instance> id, CancellationToken ct) => await store.GetAsync(id.ToString(), ct);

    private static InstanceSize SizeOf(Instance row) => new(row.Cpus, row.MemoryBytes);

    private static InstanceSize NextOf(Instance row, Input input) =>
        new(input.Cpus ?? row.Pending?.Cpus ?? row.Cpus, input.MemoryBytes ?? row.Pending?.MemoryBytes ?? row.MemoryBytes);

    /// <summary>What the operation answers with.</summary>
    /// <param name="Pending">What is stored for the next start, and why.</param>
    private sealed record Outcome(int Cpus, long MemoryBytes, PendingResize? Pending);
}
