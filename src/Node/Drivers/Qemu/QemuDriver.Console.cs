using Gantry.Contracts;

namespace Gantry.Node.Drivers.Qemu;

public sealed partial class QemuDriver
{
    public Task<SerialOutput> ReadSerialAsync(Id<Instance> id, int mostBytes, CancellationToken ct, long? since = null, bool timestamps = false) =>
        Task.FromResult(SerialLog.Read(SerialPath(id), mostBytes, since, timestamps));

    public async Task<ISerialLine> OpenSerialAsync(Id<Instance> id, long? since, int tailBytes, CancellationToken ct)
    {
        // Not in its turn: a shutdown may have that for as long as its guest takes, and that is when one wants to look.
        var socket = $"{node.Folders.Run(id)}/tty.sock";
        if (!File.Exists(socket))
        {
            using var process = await QemuProcess.FindAsync(node.Folders.Run(id), node.Time);
            throw process is null ? DriverErrors.NotRunning(id) : DriverErrors.ConsoleTooOld(id);
        }

        return await QemuSerialLine.ConnectAsync(id, socket, since, tailBytes, node.Time, ct);
    }
}
