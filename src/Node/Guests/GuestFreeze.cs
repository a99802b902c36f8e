using Gantry.Contracts;
using Gantry.Node.Host;

namespace Gantry.Node.Guests;

/// <summary>
/// A guest whose file systems are at rest for a moment. A mark in its run folder says so from before they are, by which a daemon that comes after one
/// that was killed meanwhile has them go on.
/// </summary>
internal sealed class GuestFreeze
{
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    /// <summary>For how long a guest's programs are kept waiting at most.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromSeconds(60);

    private const int Tries = 3;

    private readonly NodeContext _node;
    private readonly Id<Instance> _id;
    private readonly string _socket;
    private readonly GuestAgent _agent;

    private GuestFreeze(NodeContext node, Id<Instance> id, string socket, GuestAgent agent) => (_node, _id, _socket, _agent) = (node, id, socket, agent);

    /// <summary>Brings a guest's file systems to rest.</summary>
    /// <param name="socket">Where its agent is reached.</param>
    /// <exception cref="AgentFailed">They are not at rest.</exception>
    public static async Task<GuestFreeze> BeginAsync(NodeContext node, Id<Instance> id, string socket, CancellationToken ct)
    {
        var agent = await GuestAgent.ConnectAsync(socket, node.Time, ct);
        var freeze = new GuestFreeze(node, id, socket, agent);
        try
        {
            await agent.PingAsync(ct);
            if (await agent.IsFrozenAsync(ct))
            {
                // Somebody else's, or one that nobody came back for: whoever has it may let them go at any moment.
                throw new AgentFailed("its file systems were frozen already");
            }

            AtomicFile.Write(MarkOf(node, id), []);
        }
        catch
        {
            await agent.DisposeAsync();
            throw;
        }

        try
        {
            return await agent.FreezeAsync(Deadline, ct) > 0 ? freeze : throw new AgentFailed("it has no file system that can be frozen");
        }
        catch
        {
            // It may have frozen them and not said so.
            await freeze.EndAsync();
            throw;
        }
    }

    /// <summary>Has file systems go on that were brought to rest by a daemon which is no more.</summary>
    /// <param name="socket">Null where nothing answers in the guest: one that booted since is not frozen, and one that is will be asked again.</param>
    /// <returns>Why they may be at rest still; null when they are not.</returns>
    public static async Task<string?> EndLeftoverAsync(NodeContext node, Id<Instance> id, Func<Task<string?>> socket)
    {
        if (!File.Exists(MarkOf(node, id)))
        {
            return null;
        }

        try
        {
            var found = await socket() ?? throw new AgentFailed("nothing in the guest listens");
            return (await new GuestFreeze(node, id, found, await GuestAgent.ConnectAsync(found, node.Time, CancellationToken.None)).EndAsync()).NotThawed;
        }
        catch (Exception e) when (e is AgentFailed or Refusal)
        {
            return e.Message;
        }
    }

    /// <summary>Has them go on: asked again where that fails, over a line opened anew.</summary>
    public async Task<FreezeEnd> EndAsync()
    {
        var held = false;
        string? why = null;
        var agent = _agent;
        for (var attempt = 0; attempt < Tries; attempt++)
        {
            try
            {
                agent ??= await GuestAgent.ConnectAsync(_socket, _node.Time, CancellationToken.None);
                held |= attempt == 0 && await agent.IsFrozenAsync(CancellationToken.None);
                await agent.ThawAsync(CancellationToken.None);
                File.Delete(MarkOf(_node, _id));
                await agent.DisposeAsync();
                return new(held, null);
            }
            catch (AgentFailed e)
            {
                why = e.Message;
                if (agent is not null)
                {
                    await agent.DisposeAsync();
                    agent = null;
                }
            }
        }

        return new(held, why);
    }

    private static string MarkOf(NodeContext node, Id<Instance> id) => $"{node.Folders.Run(id)}/frozen";
}

/// <param name="Held">They were at rest until the end.</param>
/// <param name="NotThawed">Why they may be at rest still; null when they are not.</param>
internal sealed record FreezeEnd(bool Held, string? NotThawed);
