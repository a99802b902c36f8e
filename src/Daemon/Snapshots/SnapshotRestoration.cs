using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Instances;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node;

namespace Gantry.Daemon.Snapshots;

/// <summary>
/// Makes an instance what it was in a snapshot. Other snapshots stay, newer ones too: what follows is a branch. What was not in any of them is
/// gone, so from the stop on it only goes forward; that all is there for it is found out before.
/// </summary>
internal sealed class SnapshotRestoration(SnapshotStore store, InstanceStore instances, InstanceStates states, EventLog events, LocalNode node) : OperationType<SnapshotRestoration.Input>
{
    /// <param name="Sha256">Of the node's record of it.</param>
    /// <param name="Memory">It goes on from the memory in it.</param>
    /// <param name="Pause">As soon as it is resumed.</param>
    public sealed record Input(
        Id<Snapshot> Id, Id<Instance> Instance, string Name, string? Sha256, bool Stop, bool Start, bool Memory = false, bool Pause = false);

    public override string Kind => "snapshot.restore";

    public override IReadOnlyList<Step> Steps(Input input)
    {
        string? notStarted = null;
        return
        [
            new DbStep("mark", async (transaction, context, _) =>
            {
                var name = context.Operation.TargetName;
                var state = await instances.LockAsync(transaction, input.Instance) ?? throw InstanceErrors.Unknown(name);
                SnapshotRules.DemandRestorable(name, state, input.Stop);
                await SnapshotStore.LockAsync(transaction, input.Id, name, input.Name);
                if (input.Start || input.Memory)
                {
                    await InstanceStore.DemandNoTemplateAsync(transaction, input.Instance, name);
                }

                if (state != InstanceState.Stopped)
                {
                    await instances.SetStateAsync(transaction, input.Instance, InstanceState.Stopping);
                }
            }, (transaction, context, ct) => states.FollowAsync(transaction, input.Instance, Caller.Of(context.Operation), ct, asked: true)),
            new HostStep("look at the snapshot", (_, ct) => node.DemandRestorableAsync(input.Instance, input.Id, input.Sha256, ct, input.Memory)),
            new HostStep("stop", (_, ct) => node.StopAsync(input.Instance, ct)) { OnlyForward = true },
            new HostStep("put back", (_, ct) => node.RestoreSnapshotAsync(input.Instance, input.Id, ct)) { OnlyForward = true },
            new DbStep("publish", async (transaction, context, ct) =>
            {
                await states.FollowAsync(transaction, input.Instance, Caller.Of(context.Operation), ct, asked: true);
                await instances.SetVolumeSizesAsync(transaction, input.Instance, node.DiskSizes(input.Instance));
                await SnapshotStore.MoveAsync(transaction, input.Instance, input.Id);
                await store.SetUsedAsync(transaction, input.Id);
                await SnapshotSteps.TellAsync(events, transaction, context, EventTypes.SnapshotRestored, input.Id, input.Instance, input.Name);
                if (input.Start || input.Memory)
                {
                    await instances.SetStateAsync(transaction, input.Instance, InstanceState.Starting);
                }
            }),
            new HostStep("start", async (context, ct) => notStarted = input.Start || input.Memory ? await StartAsync(input, context, ct) : null),
            new DbStep("follow", async (transaction, context, ct) =>
            {
                await states.FollowAsync(transaction, input.Instance, Caller.Of(context.Operation), ct, asked: true);
                context.SetResult(new SnapshotRestored(input.Name, notStarted));
            }),
        ];
    }

    /// <summary>What was put back stays so where it cannot be started.</summary>
    private async Task<string?> StartAsync(Input input, StepContext context, CancellationToken ct)
    {
        try
        {
            await (input.Memory ? node.ContinueFromSnapshotAsync(input.Instance, input.Id, input.Pause, ct) : node.StartAsync(input.Instance, ct));
            return null;
        }
        catch (Exception e) when (e is Refusal or IOException or UnauthorizedAccessException)
        {
            context.Log($"It could not be started: {e.Message}");
            return e.Message;
        }
    }
}

/// <summary>What a restore answers with.</summary>
/// <param name="NotStarted">Why the instance was not started after it; null when it was, or was not to be.</param>
internal sealed record SnapshotRestored(string Snapshot, string? NotStarted);
