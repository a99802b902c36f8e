using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;
using Gantry.Node.Drivers;
using Npgsql;

namespace Gantry.Daemon.Instances;

/// <summary>
/// The state of an instance's row. The node is right about what runs; a row follows it. An operation marks the row while it
/// works and lets it follow again at its end; the row is locked in between looking and writing, so that what happens on
/// the node meanwhile is written after it, never lost.
/// </summary>
internal sealed class InstanceStates(InstanceStore store, EventLog events, LocalNode node)
{
    /// <summary>The step that begins a change of state: demands that the action is possible, and marks the row.</summary>
    public DbStep Mark(string stage, Id<Instance> id, InstanceAction action, InstanceState marked) => new(
        stage,
        async (transaction, context, _) =>
        {
            var name = context.Operation.TargetName;
            InstanceActions.Demand(name, await store.LockAsync(transaction, id) ?? throw InstanceErrors.Unknown(name), action);
            await store.SetStateAsync(transaction, id, marked);
        },
        (transaction, context, ct) => FollowAsync(transaction, id, Caller.Of(context.Operation), ct));

    /// <summary>The same for a change too quick to be marked.</summary>
    public DbStep Demand(Id<Instance> id, InstanceAction action) => new(
        "check", async (transaction, context, _) =>
        {
            var name = context.Operation.TargetName;
            InstanceActions.Demand(name, await store.LockAsync(transaction, id) ?? throw InstanceErrors.Unknown(name), action);
        });

    /// <summary>The step that ends it: the row says what the node sees.</summary>
    public DbStep Publish(Id<Instance> id) => new(
        "publish", (transaction, context, ct) => FollowAsync(transaction, id, Caller.Of(context.Operation), ct));

    /// <summary>Makes the row say what the node sees, with the event for it when that is news.</summary>
    public async Task FollowAsync(NpgsqlTransaction transaction, Id<Instance> id, Caller caller, CancellationToken ct)
    {
        if (await store.LockAsync(transaction, id) is not { } before)
        {
            return;
        }

        await WriteAsync(transaction, id, before, await node.InspectAsync(id, ct), caller);
    }

    /// <summary>The same for a status seen just now; rows that an operation has marked are left to it.</summary>
    public async Task FollowAtRestAsync(NpgsqlTransaction transaction, Id<Instance> id, Func<Task<InstanceStatus>> look, Caller caller)
    {
        if (await store.LockAsync(transaction, id) is { } before and not (InstanceState.Creating or InstanceState.Starting or InstanceState.Stopping))
        {
            await WriteAsync(transaction, id, before, await look(), caller);
        }
    }

    private async Task WriteAsync(NpgsqlTransaction transaction, Id<Instance> id, InstanceState before, InstanceStatus now, Caller caller)
    {
        if (await store.SetStateAsync(transaction, id, now.State, now.Reason) && TypeOf(before, now.State) is { } type)
        {
            await events.AppendAsync(transaction, type, $"instances/{id}", caller.Name, caller.RequestId, now.Reason is null ? null : new { reason = now.Reason });
        }
    }

    /// <summary>What is news: a shutdown that did not come about has stopped nothing, a start that failed has started nothing.</summary>
    private static string? TypeOf(InstanceState before, InstanceState now) => (before, now) switch
    {
        (InstanceState.Stopping, InstanceState.Running or InstanceState.Paused) => null,
        (InstanceState.Starting, InstanceState.Stopped) => null,
        (_, InstanceState.Running) => before == InstanceState.Paused ? EventTypes.InstanceResumed : EventTypes.InstanceStarted,
        (_, InstanceState.Stopped) => before == InstanceState.Creating ? null : EventTypes.InstanceStopped,
        (_, InstanceState.Paused) => EventTypes.InstancePaused,
        (_, InstanceState.Error) => EventTypes.InstanceFailed,
        _ => null,
    };
}
