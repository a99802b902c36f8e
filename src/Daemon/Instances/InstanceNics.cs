using Gantry.Contracts;
using Gantry.Daemon.Events;
using Gantry.Daemon.Networks;
using Gantry.Daemon.Operations;
using Gantry.Daemon.Platform;
using Gantry.Node.Networks;
using Npgsql;

namespace Gantry.Daemon.Instances;

/// <summary>What the changes of an instance's NICs have in common: the row and the addresses change together.</summary>
internal sealed class InstanceNics(InstanceStore store, AddressStore addresses, NetworkStore networks, NetworkSync sync, EventLog events)
{
    private static readonly string[] Changed = ["nics"];

    /// <summary>Writes a new instance's NICs down with the addresses they are allotted.</summary>
    public async Task AllotAsync(NpgsqlTransaction transaction, InstanceCreation.Input input)
    {
        var allotted = new List<Nic>();
        foreach (var (nic, spec) in (input.Details.Machine?.Nics ?? []).Zip(input.Spec.Nics ?? []))
        {
            allotted.Add(spec.Network is { } network ? await addresses.AllotAsync(transaction, network, input.Spec.Id, nic) : nic);
        }

        if (allotted.Count > 0)
        {
            await store.SetNicsAsync(transaction, input.Spec.Id, allotted);
        }
    }

    /// <summary>Gives back what its NICs were allotted, together with its row.</summary>
    public async Task ForgetAsync(NpgsqlTransaction transaction, Id<Instance> id)
    {
        await networks.TouchOfAsync(transaction, id);
        await store.DeleteAsync(transaction, id);
    }

    /// <summary>The step that tells the networks of NICs of their new addresses, before these are needed.</summary>
    public HostStep Join(IReadOnlyList<NicSpec>? nics) => new("join its networks", (_, ct) => sync.ApplyAsync([.. (nics ?? []).Select(n => n.Network).OfType<Id<Network>>().Distinct()], ct));

    /// <summary>Adds a NIC to the row.</summary>
    /// <exception cref="Refusal"><c>nic.taken</c>, <c>nic.too_many</c>, <c>network.*</c></exception>
    public async Task AddAsync(NpgsqlTransaction transaction, Id<Instance> id, Nic nic, NicSpec spec, string name)
    {
        var before = await LockedAsync(transaction, id, name);
        if (before.Any(n => n.Name == nic.Name))
        {
            throw InstanceErrors.NicTaken(name, nic.Name);
        }

        if (before.Count >= Limits.Nics)
        {
            throw InstanceErrors.TooManyNics(name);
        }

        var added = spec.Network is { } network ? await addresses.AllotAsync(transaction, network, id, nic) : nic;
        await store.SetNicsAsync(transaction, id, [.. before, added]);
    }

    /// <summary>Changes a NIC of the row, or takes it away.</summary>
    /// <exception cref="Refusal"><c>nic.unknown</c></exception>
    public async Task ChangeAsync(NpgsqlTransaction transaction, Id<Instance> id, string nic, Func<Nic, Nic?> change, string name)
    {
        var before = await LockedAsync(transaction, id, name);
        var found = before.FirstOrDefault(n => n.Name == nic) ?? throw NicErrors.Unknown(name, nic);
        var after = change(found);
        if (after is null)
        {
            await addresses.ReleaseAsync(transaction, id, nic);
        }

        await store.SetNicsAsync(transaction, id, [.. before.Select(n => n.Name == nic ? after : n).OfType<Nic>()]);
    }

    /// <summary>The step that ends a change: the event, and what could not be done at once.</summary>
    public DbStep Publish(Id<Instance> id, string nic, Func<NicChangeResult> result) => new("publish", async (transaction, context, _) =>
    {
        var caller = Caller.Of(context.Operation);
        await events.AppendAsync(transaction, EventTypes.InstanceChanged, $"instances/{id}", caller.Name, caller.RequestId, new { fields = Changed, nic });
        context.SetResult(result());
    });

    private async Task<IReadOnlyList<Nic>> LockedAsync(NpgsqlTransaction transaction, Id<Instance> id, string name)
    {
        var state = await store.LockAsync(transaction, id) ?? throw InstanceErrors.Unknown(name);
        return state is InstanceState.Stopped or InstanceState.Running or InstanceState.Paused
            ? await InstanceStore.NicsAsync(transaction, id) : throw InstanceErrors.WrongStateFor("NICs", name, state);
    }
}

/// <summary>What a change of a NIC answers with.</summary>
/// <param name="Pending">Why a running instance has it only from its next start on; null when it holds.</param>
internal sealed record NicChangeResult(string Nic, string? Pending);
