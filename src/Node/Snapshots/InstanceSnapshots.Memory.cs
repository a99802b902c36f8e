using Gantry.Contracts;
using Gantry.Node.Drivers;
using Gantry.Node.Host;

namespace Gantry.Node.Snapshots;

internal sealed partial class InstanceSnapshots
{
    /// <summary>Which snapshot's memory the instance was let go on from, until the next is put back: it is not let go on from there twice, since its disks are others then.</summary>
    private string WentOnPath(Id<Instance> id) => $"{node.Context.Folders.Data(id)}/went-on";

    /// <summary>Finds that an instance can go on from a snapshot's memory.</summary>
    /// <exception cref="Refusal"><c>snapshot.no_memory</c>, <c>snapshot.other_machine</c></exception>
    private async Task DemandLoadableAsync(Id<Instance> id, SnapshotRecord record, CancellationToken ct)
    {
        var name = node.Context.Folders.Read(id).Name;
        var memory = record.Memory ?? throw NodeSnapshotErrors.NoMemory(record.Id);
        if (await node.MemoryOf(id).WhyNotLoadableAsync(id, memory.Machine, ct) is { } why)
        {
            throw NodeSnapshotErrors.OtherMachine(name, why);
        }
    }

    /// <summary>
    /// Lets a stopped instance, whose disks are those of the snapshot again, go on where it was. Done again, it changes nothing more: one that
    /// has gone on and ended since is not started again, since its disks are not those of the memory any more.
    /// </summary>
    /// <param name="pause">It stays halted there.</param>
    public async Task ContinueAsync(Id<Instance> id, Id<Snapshot> snapshot, bool pause, CancellationToken ct)
    {
        using var turn = await _turns.HoldAsync(ct, id.ToString());
        var folder = new SnapshotFolder(Root, id, snapshot);
        var (record, _) = folder.TryRead() ?? throw NodeSnapshotErrors.Missing(snapshot);
        var memory = record.Memory ?? throw NodeSnapshotErrors.NoMemory(snapshot);
        if (!File.Exists(WentOnPath(id)))
        {
            await node.MemoryOf(id).LoadMemoryAsync(id, memory.Machine, folder.MemoryPath, ct);
            AtomicFile.Write(WentOnPath(id), System.Text.Encoding.ASCII.GetBytes($"{snapshot}"));
        }

        if (!pause && (await node.InspectAsync(id, ct)).State == InstanceState.Paused)
        {
            await node.ResumeAsync(id, ct);
        }
    }

    /// <summary>What is known before the guest is halted of the memory it has.</summary>
    private async Task<SavedMachine?> MachineAsync(Id<Instance> id, SnapshotFolder folder, SnapshotWish wish, InstanceState state, CancellationToken ct)
    {
        if (!wish.Memory || (state == InstanceState.Stopped && wish.IfAny))
        {
            return null;
        }

        if (state == InstanceState.Stopped)
        {
            throw NodeSnapshotErrors.NothingInMemory(node.Context.Folders.Read(id).Name);
        }

        var machine = await node.MemoryOf(id).MachineAsync(id, ct);
        folder.DemandRoom(machine.MemoryBytes);
        return machine;
    }
}
