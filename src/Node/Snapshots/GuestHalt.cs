using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Snapshots;

/// <summary>
/// A guest that is halted for a moment, so that all of it is kept as it is at one instant; whoever would pause it or let it go on meanwhile waits.
/// A mark in its run folder says so, by which a daemon that comes after one that was killed meanwhile lets it go on.
/// </summary>
internal sealed class GuestHalt : IAsyncDisposable
{
    private readonly LocalNode _node;
    private readonly Id<Instance> _id;
    private readonly NamedLocks.Held _turn;

    private GuestHalt(LocalNode node, Id<Instance> id, NamedLocks.Held turn) => (_node, _id, _turn) = (node, id, turn);

    /// <summary>One that is paused already is left so.</summary>
    public static async Task<GuestHalt> BeginAsync(LocalNode node, Id<Instance> id, CancellationToken ct)
    {
        var halt = new GuestHalt(node, id, await node.PauseTurnAsync(id, ct));
        try
        {
            if ((await node.InspectAsync(id, ct)).State == InstanceState.Running)
            {
                await File.WriteAllBytesAsync(MarkOf(node, id), [], ct);
                await node.HaltAsync(id, ct);
            }

            return halt;
        }
        catch
        {
            await halt.DisposeAsync();
            throw;
        }
    }

    /// <summary>Lets one go on that was halted by a daemon which is no more.</summary>
    /// <returns>False when there is none.</returns>
    public static async Task<bool> EndLeftoverAsync(LocalNode node, Id<Instance> id)
    {
        var turn = await node.PauseTurnAsync(id, CancellationToken.None);
        var isLeftover = File.Exists(MarkOf(node, id));
        await new GuestHalt(node, id, turn).DisposeAsync();
        return isLeftover;
    }

    public async ValueTask DisposeAsync()
    {
        using (_turn)
        {
            if (!File.Exists(MarkOf(_node, _id)))
            {
                return; // it, and its folder, are gone when the guest was stopped meanwhile
            }

            if ((await _node.InspectAsync(_id, CancellationToken.None)) is { State: InstanceState.Paused, PauseCause: null })
            {
                await _node.GoOnAsync(_id, CancellationToken.None);
            }

            File.Delete(MarkOf(_node, _id));
        }
    }

    private static string MarkOf(LocalNode node, Id<Instance> id) => $"{node.Context.Folders.Run(id)}/halted";
}
