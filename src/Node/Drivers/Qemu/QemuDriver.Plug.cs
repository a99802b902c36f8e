using Gantry.Contracts;
using Gantry.Node.Instances;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>What plugging in and pulling out have in common, whatever the device.</summary>
public sealed partial class QemuDriver
{
    /// <returns>Null when it does not run.</returns>
    /// <exception cref="Refusal"><c>driver.no_answer</c></exception>
    private Task<T?> WhileRunningAsync<T>(Id<Instance> id, Func<QemuGuest, InstanceSpec, Task<T>> change, CancellationToken ct)
        where T : class => LockedAsync(id, async slot =>
    {
        if (await AttachAsync(slot, id) is not { } guest)
        {
            return null;
        }

        var spec = node.Folders.Read(id);
        try
        {
            if (await guest.QueryAsync(ct) is { State: InstanceState.Stopped } ended)
            {
                // Its guest is at its end, but QEMU has the files open as long as it is there, and jobs go on.
                await guest.FinishAsync(ended);
                await guest.Process.Ended.WaitAsync(ct);
                return null;
            }

            return await change(guest, spec);
        }
        catch (QmpFailed) when (guest.Process.Ended.IsCompleted)
        {
            return null;
        }
        catch (QmpFailed e)
        {
            throw DriverErrors.NoAnswer(spec.Name, e.Message);
        }
    }, ct);

    /// <summary>Asks the guest to let go of a device; false when it does not. QEMU's event of it may be lost with its connection, so it is looked for.</summary>
    private async Task<bool> LetGoAsync(QemuGuest guest, string device, TimeSpan within, CancellationToken ct)
    {
        try
        {
            await guest.ExecuteAsync("device_del", ct, arguments: new() { ["id"] = device });
        }
        catch (QmpRefused)
        {
            // It was asked before: the guest may still be at it.
        }

        for (var began = node.Time.GetTimestamp(); node.Time.GetElapsedTime(began) < within; await Task.Delay(LookAgain, node.Time, ct))
        {
            if (!(await PluggedAsync(guest, ct)).Contains(device))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The ids of all devices that have one.</summary>
    private static async Task<IReadOnlyCollection<string>> PluggedAsync(QemuGuest guest, CancellationToken ct) => await ChildrenAsync(guest, "/machine/peripheral", ct);

    /// <param name="ports">How many there may be.</param>
    /// <param name="idOf">What the device that is a port is called.</param>
    /// <returns>The wanted port, or else the first free one; null when all are taken, or it was started by a Gantry that gave it none.</returns>
    private static async Task<int?> FreePortAsync(QemuGuest guest, int ports, Func<int, string> idOf, int? wanted, CancellationToken ct)
    {
        var devices = await PluggedAsync(guest, ct);
        foreach (var port in Enumerable.Range(0, ports).OrderByDescending(p => p == wanted))
        {
            var name = idOf(port);
            if (devices.Contains(name) && !(await ChildrenAsync(guest, $"/machine/peripheral/{name}/{name}", ct)).Any(child => child.StartsWith("child[", StringComparison.Ordinal)))
            {
                return port;
            }
        }

        return null;
    }

    private static async Task<IReadOnlyCollection<string>> ChildrenAsync(QemuGuest guest, string path, CancellationToken ct) =>
        [.. (await guest.ExecuteAsync("qom-list", ct, arguments: new() { ["path"] = path })).Items().Select(p => p.Text("name")).OfType<string>()];
}
