using System.Globalization;
using System.Text;
using Gantry.Contracts;
using Gantry.Node.Pools;

namespace Gantry.Node.Drivers.Sim;

public sealed partial class SimDriver
{
    private const int Pieces = 4;

    public async Task<SavedMachine> MachineAsync(Id<Instance> id, CancellationToken ct)
    {
        await Before("machine", id, ct);
        Demand(id, InstanceState.Running, InstanceState.Paused);
        return Machine(id);
    }

    public async Task SaveMemoryAsync(Id<Instance> id, Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask> write, Action<DiskProgress> report, CancellationToken ct)
    {
        Demand(id, InstanceState.Paused);
        for (var piece = 0; piece < Pieces; piece++)
        {
            await Before("saveMemory", id, ct);
            await write(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"piece {piece} of the memory of {id}\n")), ct);
            report(new(piece + 1, Pieces));
        }
    }

    /// <summary>A NIC more or less is enough to be another machine.</summary>
    public async Task<string?> WhyNotLoadableAsync(Id<Instance> id, SavedMachine saved, CancellationToken ct)
    {
        await Before("whyNotLoadable", id, ct);
        var now = Devices(id);
        return saved.Devices.Keys.Except(now.Keys).Select(gone => $"it had the NIC '{gone}' then").Concat(now.Keys.Except(saved.Devices.Keys).Select(more => $"it did not have the NIC '{more}' then")).FirstOrDefault();
    }

    public async Task LoadMemoryAsync(Id<Instance> id, SavedMachine saved, string path, CancellationToken ct)
    {
        await Before("loadMemory", id, ct);
        if (StateOf(id) != InstanceState.Stopped)
        {
            return;
        }

        Directory.CreateDirectory(node.Folders.Run(id));
        Forget(EndPath(id));
        WriteSize(node.Folders.Read(id));
        File.Copy(path, $"{node.Folders.Run(id)}/memory", overwrite: true);
        Put(id, InstanceState.Paused);
    }

    /// <summary>A test that plays the agent listens there.</summary>
    public async Task<string?> FindAgentAsync(Id<Instance> id, CancellationToken ct)
    {
        await Before("findAgent", id, ct);
        return StateOf(id) != InstanceState.Stopped && $"{node.Folders.Run(id)}/agent.sock" is var socket && File.Exists(socket) ? socket : null;
    }

    private SavedMachine Machine(Id<Instance> id) => new("1", "sim", SizeOf(id).MemoryBytes, [], Devices(id));

    private Dictionary<string, SavedDevice> Devices(Id<Instance> id) => (node.Folders.Read(id).Nics ?? []).ToDictionary(n => n.Name, n => new SavedDevice("nic"));
}
