using Gantry.Contracts;
using Gantry.Node.Guests;

namespace Gantry.Node.Snapshots;

internal sealed partial class InstanceSnapshots
{
    /// <summary>
    /// Keeps while the guest's file systems are at rest, where it runs and an agent answers. They go on afterwards, however that ends.
    /// </summary>
    /// <exception cref="Refusal"><c>snapshot.not_quiesced</c>, <c>snapshot.frozen_too_long</c>, and what <paramref name="keep"/> refuses</exception>
    private async Task<Rest> AtRestAsync(Id<Instance> id, string name, InstanceState state, SnapshotWish wish, Func<CancellationToken, Task<Parts>> keep, CancellationToken ct)
    {
        if (state == InstanceState.Stopped)
        {
            return new(await keep(ct), null);
        }

        if (wish.Quiesce == SnapshotQuiesce.Off)
        {
            return new(await keep(ct), SnapshotLevel.Crash);
        }

        GuestFreeze freeze;
        try
        {
            freeze = state == InstanceState.Paused ? throw new AgentFailed("it is paused, so that nothing in it can answer")
                : await GuestFreeze.BeginAsync(node.Context, id, await node.FindAgentAsync(id, ct) ?? throw new AgentFailed("no guest agent runs in it"), ct);
        }
        catch (AgentFailed e)
        {
            return wish.Quiesce == SnapshotQuiesce.Required ? throw NodeSnapshotErrors.NotAtRest(name, e.Message) : new(await keep(ct), SnapshotLevel.Crash) { NotQuiesced = e.Message };
        }

        using var timer = new CancellationTokenSource(GuestFreeze.Longest, node.Context.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timer.Token);
        FreezeEnd end = new(Held: false, NotThawed: null);
        Parts kept;
        try
        {
            kept = await keep(either.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw NodeSnapshotErrors.FrozenTooLong(name, GuestFreeze.Longest);
        }
        finally
        {
            end = await freeze.EndAsync();
            if (end.NotThawed is { } why)
            {
                node.TellNotThawed(id, why);
            }
        }

        const string thawed = "something in the guest had its file systems go on before its disks were kept";
        return end.Held ? new(kept, SnapshotLevel.Filesystem) { NotThawed = end.NotThawed }
            : wish.Quiesce == SnapshotQuiesce.Required ? throw NodeSnapshotErrors.NotAtRest(name, thawed)
            : new(kept, SnapshotLevel.Crash) { NotQuiesced = thawed, NotThawed = end.NotThawed };
    }

    private sealed record Rest(Parts Kept, SnapshotLevel? Level)
    {
        public string? NotQuiesced { get; init; }

        public string? NotThawed { get; init; }
    }
}
