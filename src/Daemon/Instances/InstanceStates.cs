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
    public DbStep Mark(string stage, Id<Instance> id, InstanceAction action, InstanceState marked, bool force = false) => new(
        stage,
        async (transaction, context, _) =>
        {
            var name = context.Operation.TargetName;
            InstanceActions.Demand(name, await store.LockAsync(transaction, id) ?? throw InstanceErrors.Unknown(name), action, force);
            if (action == InstanceAction.Start)
            {
                await InstanceStore.DemandNoTemplateAsync(transaction, id, name);
            }

            await store.SetStateAsync(transaction, id, marked);
        },
        (transaction, context, ct) => FollowAsync(transaction, id, Caller.Of(context.Operation), ct, asked: true));

    /// <summary>The same for a change too quick to be marked.</summary>
    /// <param name="also">What else must be so.</param>
    public DbStep Demand(Id<Instance> id, InstanceAction action, Func<NpgsqlTransaction, StepContext, Task>? also = null) => new(
        "check", async (transaction, context, _) =>
        {
            var name = context.Operation.TargetName;
            InstanceActions.Demand(name, await store.LockAsync(transaction, id) ?? throw InstanceErrors.Unknown(name), action);
            if (also is not null)
            {
                await also(transaction, context);
            }
        });

    /// <summary>The step that ends it: the row says what the node sees, and that this was asked for.</summary>
    public DbStep Publish(Id<Instance> id) => new(
        "publish", (transaction, context, ct) => FollowAsync(transaction, id, Caller.Of(context.Operation), ct, asked: true));

    /// <summary>Makes the row say what the node sees, with the event for it when that is news.</summary>
    /// <param name="asked">What it is now is what somebody asked for, where the node knows no other cause.</param>
    public async Task FollowAsync(NpgsqlTransaction transaction, Id<Instance> id, Caller caller, CancellationToken ct, bool asked = false)
    {
        if (await store.LockAsync(transaction, id) is not { } before)
        {
            return;
        }

        var now = await node.InspectAsync(id, ct);
        await WriteAsync(transaction, id, before, asked ? Asked(before, now) : now, caller);
        if (now.StopCause is null or StopCause.GuestShutdown)
        {
            await store.WantAsync(transaction, id, now.State is InstanceState.Running or InstanceState.Paused);
        }
    }

    /// <summary>The same for a status that was seen unasked; rows that an operation has marked are left to it.</summary>
    public async Task FollowAtRestAsync(NpgsqlTransaction transaction, Id<Instance> id, InstanceStatus now, Caller caller, bool wasReset = false)
    {
        if (await store.LockAsync(transaction, id) is not { } before)
        {
            return;
        }

        if (wasReset)
        {
            await events.AppendAsync(transaction, EventTypes.InstanceReset, $"instances/{id}", caller.Name, caller.RequestId, new { by = "guest" });
        }

        if (before is InstanceState.Creating or InstanceState.Starting or InstanceState.Stopping)
        {
            return;
        }

        await WriteAsync(transaction, id, before, now, caller);
        if (now.StopCause == StopCause.GuestShutdown)
        {
            await store.WantAsync(transaction, id, running: false);
        }
    }

    /// <summary>Where the node knows no cause, it is what was asked for; or what was asked for did not come about.</summary>
    private static InstanceStatus Asked(InstanceState before, InstanceStatus now) => (before, now) switch
    {
        (InstanceState.Starting, { State: InstanceState.Stopped, StopCause: null }) => now with { StopCause = StopCause.Failed, Reason = "its last start did not come about" },
        (_, { State: InstanceState.Stopped, StopCause: null }) => now with { StopCause = StopCause.Requested },
        (_, { State: InstanceState.Paused, PauseCause: null }) => now with { PauseCause = PauseCause.Requested },
        _ => now,
    };

    private async Task WriteAsync(NpgsqlTransaction transaction, Id<Instance> id, InstanceState before, InstanceStatus now, Caller caller)
    {
        if (before == now.State && now is { State: InstanceState.Stopped or InstanceState.Paused, Reason: null, StopCause: null, PauseCause: null })
        {
            return; // the node no longer knows more than what is written down already
        }

        if (await store.SetStateAsync(transaction, id, now.State, now.Reason, now.StopCause, now.PauseCause) && TypeOf(before, now) is { } type)
        {
            var cause = now.StopCause is { } stopped ? (Enum)stopped : now.PauseCause;
            var data = new Dictionary<string, object>();
            if (now.Reason is { } reason)
            {
                data["reason"] = reason;
            }

            if (cause is not null)
            {
                data["cause"] = cause;
            }

            await events.AppendAsync(transaction, type, $"instances/{id}", caller.Name, caller.RequestId, data.Count == 0 ? null : data);
        }
    }

    /// <summary>What is news: a shutdown that did not come about has stopped nothing, a start that failed has started nothing.</summary>
    private static string? TypeOf(InstanceState before, InstanceStatus now) => (before, now.State) switch
    {
        (InstanceState.Running, InstanceState.Running) or (InstanceState.Stopped, InstanceState.Stopped) => null,
        (InstanceState.Stopping, InstanceState.Running or InstanceState.Paused) => null,
        (InstanceState.Starting, InstanceState.Stopped) => null,
        (_, InstanceState.Running) => before == InstanceState.Paused ? EventTypes.InstanceResumed : EventTypes.InstanceStarted,
        (_, InstanceState.Stopped) => before == InstanceState.Creating ? null : EventTypes.InstanceStopped,
        (_, InstanceState.Paused) => EventTypes.InstancePaused,
        (_, InstanceState.Error) => EventTypes.InstanceFailed,
        _ => null,
    };
}
