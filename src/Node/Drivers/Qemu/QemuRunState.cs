using System.Text.Json;
using Gantry.Contracts;

namespace Gantry.Node.Drivers.Qemu;

/// <summary>From QEMU's run state (https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html, RunState) to ours.</summary>
internal static class QemuRunState
{
    public const string PoweredOff = "the guest powered itself off";
    public const string Panicked = "the guest's kernel panicked";

    /// <param name="failedDisk">The disk of the last BLOCK_IO_ERROR, for a QEMU that does not name it when asked.</param>
    /// <exception cref="QmpFailed"/>
    public static async Task<InstanceStatus> ReadAsync(QemuGuest guest, string? failedDisk, CancellationToken ct)
    {
        var status = (await guest.ExecuteAsync("query-status", ct)).Text("status");
        return status switch
        {
            "running" => new(InstanceState.Running),
            "shutdown" => Ended(StopCause.GuestShutdown),
            "guest-panicked" => Ended(StopCause.Panicked),
            "internal-error" => Ended(StopCause.Failed),
            "io-error" => IoError(await guest.ExecuteAsync("query-block", ct), failedDisk),
            _ => new(InstanceState.Paused),
        };
    }

    public static InstanceStatus Ended(StopCause cause) => new(
        InstanceState.Stopped, StopCause: cause, Reason: cause switch
        {
            StopCause.GuestShutdown => PoweredOff,
            StopCause.Panicked => Panicked,
            _ => "QEMU could not go on: the processor reported an internal error",
        });

    /// <summary>The volume a block device or an event of one is about. QEMU tells the id of the device, or for virtio on PCI its path, or the node's name.</summary>
    public static string? NameOf(JsonElement device) =>
        ((string?[])[device.Text("device"), device.Text("qdev"), device.Text("node-name")]).FirstOrDefault(name => !string.IsNullOrEmpty(name)) is { } name
            ? name.Split('/').FirstOrDefault(part => part.StartsWith(QemuVolumes.DeviceId(""), StringComparison.Ordinal))?[QemuVolumes.DeviceId("").Length..] ?? name : null;

    private static InstanceStatus IoError(JsonElement disks, string? failedDisk)
    {
        var failed = disks.Items()
            .Where(disk => disk.Text("io-status") is "failed" or "nospace").Select(disk => (Name: NameOf(disk), Full: disk.Text("io-status") == "nospace")).FirstOrDefault();
        var which = (failed.Name ?? failedDisk) is { } name ? $"disk '{name}'" : "one of its disks";
        return new(
            InstanceState.Paused, PauseCause: PauseCause.IoError,
            Reason: failed.Full ? $"no space is left on the host for {which}" : $"the host could not read or write {which}");
    }
}
