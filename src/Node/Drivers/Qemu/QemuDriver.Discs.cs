using Gantry.Contracts;

namespace Gantry.Node.Drivers.Qemu;

public sealed partial class QemuDriver
{
    private static readonly TimeSpan TrayOpensWithin = TimeSpan.FromSeconds(10);

    /// <summary>Has a drive show the disc that is wanted, or none.</summary>
    /// <returns>Why it does not; null when it does.</returns>
    private async Task<string?> ChangeDiscAsync(QemuGuest guest, QemuChain wanted, CancellationToken ct)
    {
        var (nodes, volume) = (new QemuNodes(guest), wanted.Volume.Name);
        var chain = await nodes.ChainAsync(volume, ct);
        if (wanted.HasMedium && chain.Contains(wanted.Layers[0].Node))
        {
            return await CloseTrayAsync(guest, volume, ct);
        }

        if (await TakeOutAsync(guest, volume, ct) is { } why)
        {
            return why;
        }

        if (!wanted.HasMedium)
        {
            return null;
        }

        try
        {
            await nodes.AddAsync(wanted, ct);
            await guest.ExecuteAsync("blockdev-open-tray", ct, arguments: new() { ["id"] = QemuVolumes.DeviceId(volume) });
            await guest.ExecuteAsync("blockdev-insert-medium", ct, arguments: new() { ["id"] = QemuVolumes.DeviceId(volume), ["node-name"] = volume });
            return await CloseTrayAsync(guest, volume, ct);
        }
        catch (QmpRefused e)
        {
            await nodes.RemoveAsync(volume, [], CancellationToken.None);
            return DiskReasons.Refused(e.Message);
        }
    }

    /// <summary>Empties a drive. A guest that has its disc locked is asked first, as by the button at the drive.</summary>
    /// <returns>Why not; null when it is empty.</returns>
    private async Task<string?> TakeOutAsync(QemuGuest guest, string volume, CancellationToken ct)
    {
        var nodes = new QemuNodes(guest);
        if ((await nodes.ChainAsync(volume, ct)).Count > 0)
        {
            var device = QemuVolumes.DeviceId(volume);
            for (var began = node.Time.GetTimestamp(); !await OpenTrayAsync(guest, nodes, device, ct); await Task.Delay(LookAgain, node.Time, ct))
            {
                if (node.Time.GetElapsedTime(began) >= TrayOpensWithin)
                {
                    return DiskReasons.TrayLocked;
                }
            }

            await guest.ExecuteAsync("blockdev-remove-medium", ct, arguments: new() { ["id"] = device });
        }

        await nodes.RemoveAsync(volume, [], ct);
        return await CloseTrayAsync(guest, volume, ct);
    }

    private static async Task<bool> OpenTrayAsync(QemuGuest guest, QemuNodes nodes, string device, CancellationToken ct) =>
        (await guest.ExecuteAsync("query-block", ct)).Items().Any(d => d.Text("qdev") == device && d.Flag("tray_open"))
        || await nodes.TryAsync("blockdev-open-tray", new() { ["id"] = device }, ct);

    private static async Task<string?> CloseTrayAsync(QemuGuest guest, string volume, CancellationToken ct)
    {
        await guest.ExecuteAsync("blockdev-close-tray", ct, arguments: new() { ["id"] = QemuVolumes.DeviceId(volume) });
        return null;
    }
}
