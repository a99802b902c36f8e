using Gantry.Contracts;

namespace Gantry.Node.Drivers.Qemu;

public sealed partial class QemuDriver
{
    /// <summary>QEMU knows whether something in the guest has the port open, so nobody waits for an answer of a guest without an agent.</summary>
    public async Task<string?> FindAgentAsync(Id<Instance> id, CancellationToken ct)
    {
        var socket = $"{node.Folders.Run(id)}/{QemuCommandLine.AgentSocket}";
        var listens = await WhileRunningAsync(id, async (guest, _) =>
            (await guest.ExecuteAsync("query-chardev", ct)).Items().Where(c => c.Text("label") == QemuCommandLine.Agent && c.Flag("frontend-open")).Select(_ => socket).ToList(), ct);
        return listens is [var found] && File.Exists(found) ? found : null;
    }
}
