using Gantry.Contracts;

namespace Gantry.Node.Snapshots;

/// <summary>
/// A guest that is halted for a moment, so that all of it is kept as it is at one instant. A mark in its run folder says so, by which a daemon that
/// comes after one that was killed meanwhile lets it go on.
/// </summary>
internal sealed class GuestHalt : IAsyncDisposable
{
    private readonly LocalNode _node;
    private readonly Id<Instance> _id;

    private GuestHalt(LocalNode node, Id<Instance> id) => (_node, _id) = (node, id);

    public static async Task<GuestHalt> BeginAsync(LocalNode node, Id<Instance> id, CancellationToken ct)
    {
        var halt = new GuestHalt(node, id);
        await File.WriteAllBytesAsync(MarkOf(node, id), [], ct);
        try
        {
            await node.PauseAsync(id, ct);
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
        if (!File.Exists(MarkOf(node, id)))
        {
            return false;
        }

        await new GuestHalt(node, id).DisposeAsync();
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        if ((await _node.InspectAsync(_id, CancellationToken.None)) is { State: InstanceState.Paused, PauseCause: null })
        {
            await _node.ResumeAsync(_id, CancellationToken.None);
        }

        if (File.Exists(MarkOf(_node, _id)))
        {
            File.Delete(MarkOf(_node, _id)); // it, and its folder, are gone when the guest was stopped meanwhile
        }
    }

    private static string MarkOf(LocalNode node, Id<Instance> id) => $"{node.Context.Folders.Run(id)}/halted";
}
